import pytest
import torch
from safetensors.torch import load_model
from torch import nn

import retia
from retia.evaluate import save_weights
from retia.nn import ModelSpace, seeded
from retia.trial import WEIGHTS, Run


@pytest.fixture(autouse=True)
def fixed_weights():
    with seeded(0):
        yield


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        width = retia.choice("width", [4, 8])
        self.embed, self.head = nn.Embedding(5, width), nn.Linear(width, 5, bias=False)
        self.head.weight = self.embed.weight
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x):
        return self.head(self.norm(self.embed(x)))


def test_tied_weights_come_back_through_the_space(tmp_path):
    space = ModelSpace(Tied)
    model = space.build(space.default())
    model(torch.arange(5))  # moves the running statistics
    save_weights(model, Run(space, directory=tmp_path / "7"))
    loaded = space.load(space.default(), tmp_path / "7" / WEIGHTS)
    assert loaded.head.weight is loaded.embed.weight
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert not loaded.training


def test_channels_last_weights_come_back(tmp_path):
    layer = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    save_weights(layer, Run(ModelSpace(Tied), directory=tmp_path))
    other = nn.Conv2d(3, 4, 3)
    load_model(other, tmp_path / WEIGHTS)
    assert torch.equal(other.weight, layer.weight)
    assert not layer.weight.is_contiguous()


def test_they_replace_earlier_ones_and_leave_nothing_else(tmp_path):
    run = Run(ModelSpace(Tied), directory=tmp_path)
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    save_weights(first, run)
    save_weights(second, run)
    other = nn.Linear(2, 2)
    load_model(other, tmp_path / WEIGHTS)
    assert torch.equal(other.weight, second.weight)
    assert [path.name for path in tmp_path.iterdir()] == [WEIGHTS]


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_weights(nn.Linear(2, 2), Run(ModelSpace(Tied)))
    assert list(tmp_path.iterdir()) == []
