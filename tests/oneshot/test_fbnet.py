import math

import pytest
import torch
from torch import nn

from retia.oneshot import Penalty
from retia.oneshot.differentiable import generator_of
from retia.oneshot.fbnet import FBNet
from retia.oneshot.relaxation.gumbel import gumbel_softmax


def test_the_loss_is_multiplied_by_the_latency_of_the_sample(make_setting, items, signs, activations):
    latencies = {"identity": 1.0, "tanh": 2.0, "sigmoid": 6.0}
    penalty = Penalty("latency_ms", table={"op": latencies}, target=2.0, scale=0.6, form="multiply")
    setting = make_setting(activations, *signs, penalties=[penalty])
    session = FBNet().session(setting)
    weights = session.relaxation.weights["op"]
    gradients = []
    session.step = gradients.extend
    item = next(items(setting, 1))
    session.search(item)
    again = weights.detach().clone().requires_grad_()
    m = gumbel_softmax(again, 5.0, generator_of(item, "search"))
    x, y = item.held_out()
    mixed = m[0] * x + m[1] * x.tanh() + m[2] * x.sigmoid()
    loss = (
        nn.functional.cross_entropy(setting.supernet.model.head(mixed), y)
        * ((m @ torch.tensor([1.0, 2.0, 6.0])) / 2) ** 0.6
    )
    (expected,) = torch.autograd.grad(loss, again)
    torch.testing.assert_close(gradients[0], expected, rtol=1e-4, atol=1e-7)


def test_the_temperature_decays_with_each_epoch(make_setting, items, monkeypatch, signs, activations):
    seen = []

    def note(weights, temperature, generator):
        seen.append(temperature)
        return gumbel_softmax(weights, temperature, generator)

    monkeypatch.setattr("retia.oneshot.fbnet.gumbel_softmax", note)
    setting = make_setting(activations, *signs, epochs=3)
    session = FBNet().session(setting)
    for item in items(setting, setting.steps):
        session.search(item)
    per_epoch = setting.steps_per_epoch
    assert seen == pytest.approx(
        [5 * math.exp(-0.045 * (step // per_epoch)) for step in range(setting.steps)]
    )
