"""A trained supernet as an evaluator has the abilities of what it was trained for, and no others."""

import inspect

import pytest
import torch
from torch import nn

from retia.evaluate import Classification
from retia.nn import ModelSpace, layer_choice
from retia.oneshot import SPOS
from retia.searching import search
from retia.study import Repeated
from retia.study.evaluator import Budgeted, Costed, Releasing, Searchable, Supplying

ABILITIES = {
    "costs": Costed,
    "metrics_supplied": Supplying,
    "full_fidelity": Budgeted,
    "release": Releasing,
    "parameters": Searchable,
}


class OnlyTraining:
    """An evaluator that says how it trains, and nothing else."""

    def __init__(self, inner):
        self.inner = inner

    def training(self):
        return self.inner.training()

    def __call__(self, architecture, run):
        return self.inner(architecture, run)


class Delegating:
    """An evaluator whose abilities are found by `__getattr__`."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __call__(self, architecture, run):
        return self.inner(architecture, run)


@pytest.fixture
def classification():
    data = torch.randn(16, 4, generator=torch.Generator().manual_seed(0)), torch.arange(16) % 2
    return Classification(data, data, epochs=1, batch_size=8, device="cpu")


def space():
    return ModelSpace(
        lambda: nn.Sequential(
            layer_choice("op", {"a": lambda: nn.Linear(4, 2), "b": lambda: nn.Linear(4, 2, bias=False)})
        )
    )


def abilities(evaluator):
    """Which abilities `isinstance` finds, which has to be the same for what a static look-up finds, as Python
    3.12 does, and a dynamic one (3.11).
    """
    for name in ABILITIES:
        assert hasattr(evaluator, name) == (inspect.getattr_static(evaluator, name, None) is not None)
    return {name for name, ability in ABILITIES.items() if isinstance(evaluator, ability)}


@pytest.mark.parametrize("recalled", [1, 2])
def test_an_evaluator_that_only_teaches(classification, recalled):
    trained = SPOS(epochs=1).train(space(), OnlyTraining(classification))
    assert abilities(trained) == set()
    study = search(trained.supernet.space, trained, trials=recalled, maximize="accuracy", progress=False)
    assert len(study.trials) == recalled


def test_an_evaluator_that_counts_costs(classification):
    trained = SPOS(epochs=1).train(space(), classification)
    assert abilities(trained) == {"costs", "metrics_supplied"}
    assert trained.metrics_supplied == ("accuracy", "loss", "params", "flops", "macs", "parameter_free")
    assert trained.costs().metrics == ("params", "flops", "macs")


@pytest.mark.parametrize(
    "wrap",
    [lambda one: Repeated(one, 2), lambda one: SPOS(epochs=1).train(space(), one)],
    ids=["repeated", "supernet"],
)
def test_a_wrapper_of_an_evaluator_that_delegates_has_its_abilities(classification, wrap):
    assert abilities(wrap(Delegating(classification))) == abilities(wrap(classification))


def test_a_wrapper_of_an_evaluator_that_only_teaches_claims_nothing(classification):
    assert abilities(Repeated(OnlyTraining(classification), 2)) == set()
