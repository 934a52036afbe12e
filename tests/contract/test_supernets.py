"""Every kind of choice as a supernet, against the public laws."""

import pytest
import torch
from torch import nn

import retia
from retia.nn import ModelSpace
from retia.testing import SUPERNET_LAWS, assert_laws


def images(channels=3):
    return torch.randn(3, channels, 8, 8, generator=torch.Generator().manual_seed(1))


def features(width=4):
    return torch.randn(6, width, generator=torch.Generator().manual_seed(1))


class Widths(nn.Sequential):
    """One width shared by several layers, and arithmetic on it."""

    def __init__(self):
        width = retia.choice("width", [8, 16, 12])
        hidden = retia.apply(lambda w, r: int(w * r), width, retia.choice("ratio", [1.5, 0.5]))
        super().__init__(
            nn.Linear(4, width),
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            nn.ReLU(),
            nn.Linear(hidden, width // 4),
        )


class Convolutions(nn.Module):
    """Kernels, strides, groups and depthwise convolutions."""

    def __init__(self):
        super().__init__()
        width, kernel, groups = (
            retia.choice("width", [8, 16]),
            retia.choice("kernel", [3, 5, 1]),
            retia.choice("groups", [1, 2, 4]),
        )
        self.stem = nn.Conv2d(3, width, kernel, stride=retia.choice("stride", [1, 2]), padding=kernel // 2)
        self.norm = nn.BatchNorm2d(width)
        self.depthwise = nn.Conv2d(
            width, width, (kernel, 3), groups=width, padding=(kernel // 2, 1), bias=False
        )
        self.grouped = nn.Conv2d(width, 2 * width, 1, groups=groups)
        self.drop = nn.Dropout(retia.choice("drop", [0.0, 0.5]))
        self.width = width

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        assert x.shape[1] == self.width
        return self.drop(self.grouped(self.depthwise(x))).mean((2, 3))


class Layers(nn.Module):
    """Layer choices nested in each other, with choices inside, and one inside a repeat."""

    def __init__(self):
        super().__init__()
        width = retia.choice("width", [4, 6])

        def inner():
            hidden = retia.choice("hidden", [3, 5])
            second = retia.layer_choice(
                "second",
                {"relu": nn.ReLU, "deep": lambda: nn.Sequential(nn.Linear(hidden, hidden), nn.GELU())},
            )
            return nn.Sequential(nn.Linear(width, hidden), second, nn.Linear(hidden, width))

        def block(i):
            return retia.layer_choice(
                "op", {"skip": nn.Identity, "linear": lambda: nn.Linear(width, width), "inner.keys": inner}
            )

        self.stem = nn.Linear(4, width)
        self.body = retia.repeat("body", block, (0, 3))
        self.last = retia.layer_choice("last", [nn.Tanh(), nn.PReLU(width)])
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        x = self.stem(x)
        for i, block in enumerate(self.body):
            x = block(x) + i
        return self.head(self.last(x)) + len(self.body)


class Shared(nn.Module):
    """The same label in two places, a depth that is a choice made elsewhere, arithmetic on it, and two
    stages.
    """

    def __init__(self):
        super().__init__()
        depth, width = retia.choice("depth", [1, 2]), retia.choice("width", [4, 8])
        act = {"relu": nn.ReLU, "prelu": lambda: nn.PReLU(width)}
        self.stem = nn.Sequential(nn.Linear(4, width), retia.layer_choice("act", act))
        with retia.scope("first"):
            self.first = retia.repeat("body", lambda i: nn.Linear(width, width), depth)
        with retia.scope("second"):
            self.second = retia.repeat(
                "body", lambda i: nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width)), 2 * depth - 1
            )
        self.act = retia.layer_choice("act", act)

    def forward(self, x):
        return self.act(self.second(self.first(self.stem(x))))


class Inputs(nn.Module):
    """Input choices of one and of several, joined in every way, and a subset kept in an attribute."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
        self.one = retia.input_choice("one", 3)
        self.mean = retia.input_choice("mean", 3, choose=(1, 3), reduction="mean")
        self.joined = retia.input_choice("joined", 3, choose=2, reduction="concat")
        self.taken = retia.subset("taken", [0, 1, 2], least=1)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        xs = [layer(x) for layer in self.layers]
        total = self.one(xs) + self.mean(xs) + sum(xs[i] for i in self.taken)
        return self.head(self.joined([total, *xs[1:]]))


def operations(width):
    return {
        "none": nn.Identity,
        "conv": lambda: nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)),
        "pool": lambda: nn.AvgPool2d(3, stride=1, padding=1),
    }


class Cells(nn.Module):
    """Cells of both kinds, stacked with shared choices, and their loose ends."""

    def __init__(self, *, distinct, concat):
        super().__init__()
        width = retia.choice("width", [4, 6])
        self.stem = nn.Conv2d(3, width, 1)
        options = {"nodes": 3, "distinct": distinct, "concat": concat}
        self.first = retia.cell("cell", lambda node, predecessor: operations(width), **options)
        self.squeeze = nn.Conv2d(width * self.first.outputs, width, 1)
        self.second = retia.cell(
            "cell", operations(width), preprocess=[lambda: nn.Conv2d(width, width, 1), nn.Identity], **options
        )

    def forward(self, x):
        x = self.stem(x)
        y = self.squeeze(self.first(x, x))
        return self.second(x, y).mean((2, 3)).sum(1)


class Parameters(nn.Module):
    """Plain parameters and buffers of searchable shape."""

    def __init__(self):
        super().__init__()
        width = retia.choice("width", [8, 4])
        self.embed = nn.Linear(4, width)
        self.token = retia.tensor_parameter((1, width), init=nn.init.ones_)
        self.position = nn.Parameter(torch.zeros(width).unsqueeze(0))
        self.gates = nn.ParameterList([torch.ones(width) for _ in range(2)])
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("constant", torch.ones(3), persistent=False)
        self.width = width

    def forward(self, x):
        x = self.embed(x) + self.token * self.gates[0] + self.position
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        return (x * self.gates[1] - self.mean).sum(1) / self.width * self.constant.sum()


class Attention(nn.Module):
    """Heads of a constant width."""

    def __init__(self):
        super().__init__()
        heads = retia.choice("heads", [1, 2, 4])
        self.embed = nn.Linear(4, 8 * heads)
        self.attention = nn.MultiheadAttention(8 * heads, heads, batch_first=True)
        self.layer = nn.TransformerEncoderLayer(
            8 * heads, heads, retia.choice("forward", [16, 24]), batch_first=True, dropout=0.0
        )
        self.lstm = nn.LSTM(
            8 * heads, retia.choice("hidden", [3, 6]), retia.integer("layers", 1, 3), batch_first=True
        )

    def forward(self, x):
        x = self.embed(x)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.lstm(self.layer(x))[0]


SPACES = {
    "widths": (lambda: ModelSpace(Widths), features()),
    "convolutions": (lambda: ModelSpace(Convolutions), images()),
    "layers": (lambda: ModelSpace(Layers), features()),
    "shared": (lambda: ModelSpace(Shared), features()),
    "inputs": (lambda: ModelSpace(Inputs), features()),
    "cells": (lambda: ModelSpace(Cells, distinct=True, concat="all"), images()),
    "free cells": (lambda: ModelSpace(Cells, distinct=False, concat="loose"), images()),
    "parameters": (lambda: ModelSpace(Parameters), features()),
    "attention": (
        lambda: ModelSpace(Attention),
        torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(1)),
    ),
    "restricted": (lambda: ModelSpace(Widths).where(lambda x: x["width"] != 16, "not 16"), features()),
    "extended": (lambda: ModelSpace(Widths).extend({"lr": retia.Real(0.1, 1.0)}), features()),
}


@pytest.mark.parametrize("law", SUPERNET_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", SPACES)
def test_supernets_of_every_kind(law, name):
    make, example = SPACES[name]
    law(make(), example)


def test_a_broken_supernet_is_named(monkeypatch):
    monkeypatch.setattr(nn.Dropout, "forward", lambda self, x: x + next(noise))
    noise = iter(range(10_000))
    with pytest.raises(
        AssertionError,
        match=r"'outputs_are_those_of_the_model_alone' is broken .*: outputs of \{.*\}, training=True differ by",
    ):
        assert_laws(SUPERNET_LAWS, ModelSpace(Convolutions), images())
