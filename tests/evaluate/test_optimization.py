import math

import pytest
import torch
from torch import nn

from retia.errors import EvaluationError
from retia.evaluate.optimization import make_optimizers, make_schedule


def model():
    return nn.Sequential(nn.Linear(2, 3, device="meta"), nn.LayerNorm(3, device="meta"))


def rates(kind, *, steps, warmup=0):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = make_schedule(kind, optimizer, steps=steps, warmup=warmup)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


@pytest.mark.parametrize(("kind", "made"), [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_weights_alone_are_decayed(kind, made):
    (optimizer,) = make_optimizers(kind, model(), lr=0.1, weight_decay=0.5, momentum=0.9)
    assert type(optimizer) is made
    decayed, plain = optimizer.param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(3, 2)]
    assert [tuple(p.shape) for p in plain["params"]] == [(3,), (3,), (3,)]
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.5, 0.0)
    assert {group["lr"] for group in optimizer.param_groups} == {0.1}
    if kind == "sgd":
        assert (decayed["momentum"], decayed["nesterov"]) == (0.9, True)


def test_without_momentum():
    (optimizer,) = make_optimizers("sgd", model(), lr=0.1, weight_decay=0.0, momentum=0.0)
    assert not optimizer.param_groups[0]["nesterov"]


def test_frozen_weights_are_left_out():
    net = model()
    net[1].requires_grad_(False)
    assert [
        len(group["params"])
        for group in make_optimizers("adamw", net, lr=0.1, weight_decay=0.0, momentum=0.0)[0].param_groups
    ] == [1, 1]
    net[0].bias.requires_grad_(False)
    assert [
        len(group["params"])
        for group in make_optimizers("adamw", net, lr=0.1, weight_decay=0.0, momentum=0.0)[0].param_groups
    ] == [1]


def test_a_function_makes_the_optimizer():
    (optimizer,) = make_optimizers(
        lambda parameters, lr: torch.optim.RMSprop(parameters, lr=lr * 2),
        model(),
        lr=0.1,
        weight_decay=0.5,
        momentum=0.9,
    )
    assert type(optimizer) is torch.optim.RMSprop
    assert optimizer.param_groups[0]["lr"] == 0.2


@pytest.mark.parametrize("kind", ["adamw", lambda parameters, lr: torch.optim.SGD(parameters, lr=lr)])
@pytest.mark.parametrize("net", [nn.ReLU(), model().requires_grad_(False)])
def test_nothing_to_train(kind, net):
    with pytest.raises(
        EvaluationError,
        match=r"has no parameter that requires a gradient.*leave out every layer with weights",
    ):
        make_optimizers(kind, net, lr=0.1, weight_decay=0.0, momentum=0.0)


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_the_fused_step_is_the_plain_step(kind):
    def trained(**how):
        net = nn.Linear(3, 2)
        with torch.no_grad():
            for i, parameter in enumerate(net.parameters()):
                parameter.copy_(torch.linspace(-1, 1 + i, parameter.numel()).reshape(parameter.shape))
        if how:
            optimizer = torch.optim.AdamW(net.parameters(), lr=0.1, weight_decay=0.0, **how)
            if kind == "sgd":
                optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, **how)
        else:
            (optimizer,) = make_optimizers(kind, net, lr=0.1, weight_decay=0.0, momentum=0.9)
        for _ in range(5):
            optimizer.zero_grad()
            net(torch.ones(1, 3)).square().sum().backward()
            optimizer.step()
        return net.weight

    with torch.random.fork_rng(devices=[]):
        assert torch.allclose(trained(), trained(foreach=False), atol=1e-6)


def test_cosine():
    assert rates("cosine", steps=4) == pytest.approx(
        [2 * 0.5 * (1 + math.cos(math.pi * i / 4)) for i in range(4)]
    )


def test_warmup_rises_and_then_the_schedule_begins():
    assert rates("constant", steps=5, warmup=2) == [1.0, 2.0, 2.0, 2.0, 2.0]
    assert rates("cosine", steps=6, warmup=2) == pytest.approx(
        [1.0, 2.0, 2.0, 1 + math.sqrt(0.5), 1.0, 1 - math.sqrt(0.5)]
    )


def test_warmup_over_the_whole_training():
    assert rates("cosine", steps=2, warmup=2) == [1.0, 2.0]


def test_a_function_makes_the_schedule():
    made = rates(
        lambda optimizer, steps: torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.5, total_iters=steps),
        steps=2,
    )
    assert made == [2.0, 1.5]
