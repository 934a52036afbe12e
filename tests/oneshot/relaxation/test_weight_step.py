import copy

import pytest
import torch
from torch import nn

from retia.oneshot.relaxation.weight_step import weight_steps


def model():
    layer = nn.utils.skip_init(nn.Linear, 3, 2)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(
                torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.ndim))
            )
    return layer


def give_gradients(layer, seed):
    generator = torch.Generator().manual_seed(seed)
    for parameter in layer.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"weight_decay": 0.1},
        {"momentum": 0.9, "weight_decay": 0.1},
        {"momentum": 0.9, "dampening": 0.3},
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    ],
    ids=["plain", "decay", "momentum", "dampening", "nesterov"],
)
def test_the_step_is_the_one_that_sgd_takes(settings, before):
    layer = model()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.2, **settings)
    for seed in range(before):
        give_gradients(layer, seed)
        optimizer.step()
    give_gradients(layer, 10)
    state = copy.deepcopy(optimizer.state_dict())
    foreseen = [step.applied(step.parameter.grad) for step in weight_steps([optimizer])]
    torch.testing.assert_close(optimizer.state_dict(), state, rtol=0, atol=0)
    optimizer.step()
    torch.testing.assert_close(foreseen, [parameter.detach() for parameter in layer.parameters()])


def test_any_other_optimizer_stands_for_gradient_descent_with_its_rate_and_decay():
    layer = model()
    optimizer = torch.optim.AdamW(
        [{"params": [layer.weight], "lr": 0.5}, {"params": [layer.bias]}], lr=0.1, weight_decay=0.01
    )
    give_gradients(layer, 0)
    optimizer.step()
    weight, bias = weight_steps([optimizer])
    torch.testing.assert_close(
        weight.applied(layer.weight.grad),
        layer.weight.detach() - 0.5 * (layer.weight.grad + 0.01 * layer.weight.detach()),
    )
    torch.testing.assert_close(
        bias.applied(layer.bias.grad),
        layer.bias.detach() - 0.1 * (layer.bias.grad + 0.01 * layer.bias.detach()),
    )


def test_another_rate_may_be_given_and_frozen_weights_have_no_step():
    layer = model()
    layer.bias.requires_grad_(False)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.2, momentum=0.9)
    give_gradients(layer, 0)
    optimizer.step()
    (step,) = weight_steps([optimizer], xi=0.05)
    slope = torch.ones(2, 3)
    torch.testing.assert_close(
        step.applied(slope), layer.weight.detach() - 0.05 * (slope + 0.9 * layer.weight.grad)
    )
