import itertools

import pytest
import torch
from torch import nn

from retia.nn import ModelSpace, layer_choice
from retia.oneshot.relaxation.gumbel import gumbel_softmax
from retia.oneshot.snas import SNAS


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = layer_choice("op", {"identity": nn.Identity, "tanh": nn.Tanh})
        self.second = layer_choice("other", {"identity": nn.Identity, "tanh": nn.Tanh})
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.second(self.first(x)))


def test_weights_and_architecture_weights_see_one_sample_and_the_training_data(make_setting, items, signs):
    setting = make_setting(ModelSpace(Net), *signs)
    session = SNAS(learning_rate=1e-12).session(setting)  # so that the samples can be compared
    item = next(items(setting, 1))
    session.search(item)
    searched = {
        name: getattr(setting.supernet.model, name).mixture.weights.detach() for name in ("first", "second")
    }
    told = session.search(item)["search_loss"]
    taught = session.train_batch(item)
    assert told == pytest.approx(taught, rel=1e-5)
    for name, weights in searched.items():
        torch.testing.assert_close(getattr(setting.supernet.model, name).mixture.weights, weights)
    assert not torch.allclose(searched["first"], searched["second"])


def test_the_temperature_falls_evenly(make_setting, items, monkeypatch, signs):
    seen = []

    def note(weights, temperature, generator):
        seen.append(temperature)
        return gumbel_softmax(weights, temperature, generator)

    monkeypatch.setattr("retia.oneshot.snas.gumbel_softmax", note)
    setting = make_setting(ModelSpace(Net), *signs, epochs=3)
    session = SNAS(temperature=2.0, final_temperature=0.02).session(setting)
    for item in items(setting, setting.steps):
        session.search(item)
    per_step = seen[::2]
    assert per_step[0] == 2
    assert per_step[-1] == pytest.approx(0.02)
    assert [before - after for before, after in itertools.pairwise(per_step)] == pytest.approx(
        [1.98 / (setting.steps - 1)] * (setting.steps - 1)
    )


def test_a_concrete_sample_has_the_gradient_of_the_reparametrization():
    weights = torch.tensor([0.5, -0.5, 0.2], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda w: gumbel_softmax(w, 0.7, torch.Generator().manual_seed(0)), weights
    )
