"""Formats, types and kernels of torch's that a supernet's parts pass through as whole tensors do."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from retia.nn import ModelSpace
from retia.space import choice
from retia.supernet import Supernet


def randn(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


class Convolutions(nn.Sequential):
    def __init__(self):
        width, kernel = choice("width", [4, 8]), choice("kernel", [1, 3, 5])
        super().__init__(
            nn.Conv2d(3, width, kernel, padding=kernel // 2),
            nn.BatchNorm2d(width),
            nn.Conv2d(width, width, kernel, groups=width),
            nn.Conv2d(width, 2 * width, 1, groups=choice("groups", [1, 2, 4])),
        )


class Attention(nn.Module):
    """Attention as many write it today, by torch's fused kernels."""

    def __init__(self):
        super().__init__()
        self.heads = choice("heads", [2, 4])
        width = self.heads * choice("head_width", [4, 8])
        self.qkv, self.out = nn.Linear(6, 3 * width), nn.Linear(width, 6)

    def forward(self, x):
        batch, tokens, _ = x.shape
        q, k, v = (
            self.qkv(x).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        )  # (B, heads, T, D / heads) each
        return self.out(
            functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            .transpose(1, 2)
            .reshape(batch, tokens, -1)
        )


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        width = choice("width", [8, 16])
        self.embed = nn.Linear(6, width)
        self.layer = nn.TransformerEncoderLayer(
            width, choice("heads", [1, 2, 4]), choice("forward", [6, 10]), dropout=0.0, batch_first=True
        )

    def forward(self, x):
        return self.layer(self.embed(x))


MODELS = {
    "convolutions": (Convolutions, randn(2, 3, 9, 9)),
    "attention": (Attention, randn(2, 5, 6)),
    "encoder": (Encoder, randn(2, 5, 6)),
}


def assert_alike(supernet, x, run):
    for architecture in supernet.space.enumerate():
        supernet.activate(architecture)
        subnet = supernet.subnet()
        supernet.zero_grad()
        found, expected = run(supernet, x), run(subnet, x)
        assert found.dtype == expected.dtype
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        if found.requires_grad:
            for output in (found, expected):
                (output.float() * randn(*output.shape)).sum().backward()
            whole = sum(float(parameter.grad.abs().sum()) for parameter in subnet.parameters())
            assert sum(
                float(p.grad.abs().sum()) for p in supernet.parameters() if p.grad is not None
            ) == pytest.approx(whole, rel=1e-4)


def in_bfloat16(model, x):
    with torch.autocast("cpu", torch.bfloat16):
        return model(x)


def without_gradients(model, x):
    with torch.no_grad():
        return model(x)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("run", [in_bfloat16, without_gradients])
@pytest.mark.parametrize("name", MODELS)
def test_half_precision_and_no_gradients(name, run, training):
    model, x = MODELS[name]
    assert_alike(Supernet(ModelSpace(model), example=x, seed=0).train(training), x, run)


@pytest.mark.parametrize("training", [True, False])
def test_channels_last(training):
    supernet = (
        Supernet(ModelSpace(Convolutions), example=MODELS["convolutions"][1], seed=0)
        .to(memory_format=torch.channels_last)
        .train(training)
    )
    assert supernet.model[0].full("weight").is_contiguous(memory_format=torch.channels_last)
    assert_alike(
        supernet,
        MODELS["convolutions"][1].contiguous(memory_format=torch.channels_last),
        lambda model, x: model(x),
    )


def test_gradients_of_functions_and_averaged_weights():
    model, x = MODELS["encoder"]
    supernet = Supernet(ModelSpace(model), seed=0)
    weights = {name: parameter.detach() for name, parameter in supernet.named_parameters()}
    found = torch.func.grad(lambda given: torch.func.functional_call(supernet, given, (x,)).square().sum())(
        weights
    )
    supernet(x).square().sum().backward()
    for name, parameter in supernet.named_parameters():
        torch.testing.assert_close(
            found[name], torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        )
    average = torch.optim.swa_utils.AveragedModel(supernet)
    average.update_parameters(supernet)
    average.module.activate({"width": 16, "heads": 4, "forward": 10})
    assert supernet.architecture["width"] == 8
    torch.testing.assert_close(average(x), supernet.subnet(average.module.architecture)(x))
