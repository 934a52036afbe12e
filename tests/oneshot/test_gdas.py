import itertools
import math

import pytest
import torch
from torch import nn

from retia.nn import ModelSpace, layer_choice
from retia.oneshot.differentiable import generator_of
from retia.oneshot.gdas import GDAS
from retia.oneshot.relaxation.gumbel import gumbel_softmax, picked
from retia.space import choice


class Scaled(nn.Module):
    """Counts how often it runs."""

    runs = 0

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        self.runs += 1
        return x * self.factor


class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        candidates = {str(i): (lambda i=i: Scaled(i + 1.0)) for i in range(4)}
        self.layers = nn.Sequential(*(layer_choice("op", candidates) for _ in range(3)))
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.layers(x))


def test_only_the_sampled_candidate_runs_and_all_modules_of_a_label_share_the_sample(
    make_setting, items, signs
):
    setting = make_setting(ModelSpace(Stack), *signs)
    session = GDAS().session(setting)
    layers = setting.supernet.model.layers
    seen = set()
    for item in items(setting, 20):
        for step in (session.search, session.train_batch):
            before = [[candidate.runs for candidate in layer.candidates] for layer in layers]
            step(item)
            ran = [
                [candidate.runs - b for candidate, b in zip(layer.candidates, row, strict=True)]
                for layer, row in zip(layers, before, strict=True)
            ]
            assert sorted(ran[0]) == [0, 0, 0, 1]
            assert ran[0] == ran[1] == ran[2]
            seen.add(ran[0].index(1))
    assert seen == {0, 1, 2, 3}


def test_the_gradient_is_that_of_the_soft_sample_through_the_candidate_that_ran(make_setting, items, signs):
    setting = make_setting(ModelSpace(Stack), *signs)
    session = GDAS(temperature=2.0).session(setting)
    weights, head = session.relaxation.weights["op"], setting.supernet.model.head
    gradients = []
    session.step = gradients.extend
    item = next(items(setting, 1))
    session.search(item)
    # By hand: the output of each of the three layers is weight * factor * input, and the weight is 1.
    again = weights.detach().clone().requires_grad_()
    mixture = setting.supernet.model.layers[0].mixture
    position = mixture.position
    assert mixture.weights.tolist() == [float(i == position) for i in range(4)]
    x, y = item.held_out()
    soft = gumbel_softmax(again, 2.0, generator_of(item, "search"))
    assert int(soft.argmax()) == position
    weight = 1 + soft[position] - soft[position].detach()
    loss = nn.functional.cross_entropy(head((weight * (position + 1)) ** 3 * x), y)
    (expected,) = torch.autograd.grad(loss, again)
    torch.testing.assert_close(gradients[0], expected)
    assert expected.abs().max() > 0


def test_the_temperature_falls_linearly_from_the_first_to_the_last_step(
    make_setting, items, monkeypatch, signs
):
    seen = []

    def note(weights, temperature, generator):
        seen.append(temperature)
        return gumbel_softmax(weights, temperature, generator)

    monkeypatch.setattr("retia.oneshot.gdas.gumbel_softmax", note)
    setting = make_setting(ModelSpace(Stack), *signs, epochs=4)
    session = GDAS().session(setting)
    for item in items(setting, setting.steps):
        session.search(item)
    assert seen[0] == 10
    assert seen[-1] == pytest.approx(0.1)
    steps = {round(a - b, 6) for a, b in itertools.pairwise(seen)}
    assert steps == {round(9.9 / (setting.steps - 1), 6)}


def test_samples_follow_the_probabilities():
    weights = torch.tensor([1.0, 0.0, -1.0])
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(3)
    for _ in range(4000):
        sample = gumbel_softmax(weights, 0.5, generator)
        assert float(sample.sum()) == pytest.approx(1, abs=1e-5)
        counts[sample.argmax()] += 1
    torch.testing.assert_close(counts / 4000, weights.softmax(0), atol=0.025, rtol=0)


def test_a_picked_value_weighs_one_exactly():
    soft = torch.tensor([0.1, 0.2, 0.7], requires_grad=True)
    one = picked(soft, 1)
    assert one.weights.tolist() == [0, 1, 0]
    (gradient,) = torch.autograd.grad(one.weights @ torch.tensor([1.0, 2.0, 3.0]), soft)
    assert gradient.tolist() == [1, 2, 3]


class Wide(nn.Sequential):
    def __init__(self):
        width = choice("width", [2, 4, 8])
        super().__init__(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))


def test_a_sampled_width_computes_what_the_architecture_does(make_setting, items, signs):
    setting = make_setting(ModelSpace(Wide), *signs)
    session = GDAS().session(setting)
    item = next(items(setting, 1))
    x, _ = item.batch
    session.mix(item, "train_batch")
    mixed = setting.outputs(x)
    width = [2, 4, 8][session.mixtures(item, generator_of(item, "train_batch"))["width"].position]
    setting.supernet.activate({"width": width})
    torch.testing.assert_close(mixed, setting.outputs(x))
    assert math.isfinite(session.search(item)["search_loss"])
