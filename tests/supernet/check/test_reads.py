"""The attributes that a run reads, recorded by a subclass that an object has for a while."""

from dataclasses import dataclass
from types import SimpleNamespace

from torch import nn

from retia.supernet.check.reads import recorded_reads


@dataclass(frozen=True)
class Config:
    rate: float = 0.5
    name: str = "config"


def test_reads_of_modules_and_frozen_objects_are_recorded():
    module, config = nn.Flatten(2, 3), Config()
    with recorded_reads([module, config]) as reads:
        assert module.end_dim == 3
        assert config.rate == 0.5
        assert isinstance(module, nn.Flatten)
    assert {(id(module), "end_dim"), (id(config), "rate")} <= reads
    assert not reads & {(id(module), "start_dim"), (id(config), "name")}
    assert type(module) is nn.Flatten
    assert type(config) is Config
    assert config.name == "config"
    assert (id(config), "name") not in reads


def test_an_object_whose_class_can_not_be_replaced_counts_as_read():
    values = SimpleNamespace(rate=0.5)
    with recorded_reads([values]) as reads:
        pass
    assert reads == {(id(values), "")}
