"""All one-shot methods on data of every form: each trains, ranks, and gives a best architecture that builds
and runs.
"""

import itertools

import pytest
import torch
from torch import nn

from retia.errors import SupernetError
from retia.evaluate import Classification
from retia.nn import ModelSpace, layer_choice, run_on
from retia.oneshot import (
    DARTS,
    ENAS,
    GDAS,
    PCDARTS,
    SNAS,
    SPOS,
    DrNAS,
    FairNAS,
    FBNet,
    OnceForAll,
    ProxylessNAS,
    Sandwich,
)
from retia.space import choice
from retia.trial import Run

METHODS = [
    SPOS(),
    FairNAS(),
    Sandwich(),
    OnceForAll(),
    ENAS(samples=2, hidden=8),
    DARTS(),
    PCDARTS(warmup_epochs=0),
    GDAS(),
    SNAS(),
    ProxylessNAS(),
    DrNAS(),
]
METHODS.append(FBNet(warmup_epochs=0))


def normal(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def convolutions(label="op"):
    return layer_choice(
        label,
        {
            "three": lambda: nn.Conv2d(8, 8, 3, padding=1),
            "one": lambda: nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)),
        },
    )


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 8), nn.Linear(3, 8)
        self.op = convolutions()
        width = choice("width", [4, 8])
        self.body = nn.Linear(8, width)
        self.head = nn.Linear(width, 2)

    def forward(self, a, b):
        return self.head(self.body(self.op((self.a(a) + self.b(b))[:, :, None, None])[:, :, 0, 0]))


class Named(TwoInputs):
    def forward(self, first, second):
        return super().forward(first, second)


class Pair(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x), {"twice": 2 * self.layer(x)}


class TupleValued(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(4, 8)
        kinds = {"three": (3, 1), "one": (1, 0)}
        self.op = layer_choice(
            "op",
            {
                name: lambda kernel=kernel: Pair(nn.Conv2d(8, 8, kernel[0], padding=kernel[1]))
                for name, kernel in kinds.items()
            },
        )
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        once, more = self.op(self.stem(x)[:, :, None, None])
        return self.head((once + more["twice"])[:, :, 0, 0])


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = layer_choice(
            "rnn",
            {"gru": lambda: nn.GRU(4, 8, batch_first=True), "rnn": lambda: nn.RNN(4, 8, batch_first=True)},
        )
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.rnn(x[:, None])[0][:, 0])


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 8)
        self.op = convolutions()
        self.head = nn.Linear(8, 5)

    def forward(self, ids):
        return self.head(self.op(self.embedding(ids).movedim(-1, 1)[..., None])[..., 0].movedim(1, -1))


class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        self.op = convolutions()
        self.head = nn.Conv2d(8, 3, 1)

    def forward(self, x):
        return self.head(self.op(self.stem(x)))


def tokens():
    targets = torch.arange(16 * 6).reshape(16, 6) % 5
    return torch.arange(16 * 6).reshape(16, 6) % 7, targets.masked_fill(
        torch.arange(16 * 6).reshape(16, 6) % 4 == 0, -100
    )


LABELS = torch.arange(16) % 2
TASKS = {
    "two inputs": (TwoInputs, ((normal(16, 4), normal(16, 3)), LABELS)),
    "dict inputs": (Named, {"first": normal(16, 4), "second": normal(16, 3), "labels": LABELS}),
    "tuple-valued candidates": (TupleValued, (normal(16, 4), LABELS)),
    "recurrent candidates": (Recurrent, (normal(16, 4), LABELS)),
    "token targets": (Tokens, tokens()),
    "dense targets": (Dense, (normal(16, 3, 4, 4), torch.arange(16 * 16).reshape(16, 4, 4) % 3)),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_a_method_on_a_task(method, task):
    model, data = TASKS[task]
    space, evaluator = (
        ModelSpace(model),
        Classification(data, data, epochs=2, batch_size=8, lr=0.05, device="cpu"),
    )
    if isinstance(method, PCDARTS) and task == "recurrent candidates":
        with pytest.raises(
            SupernetError,
            match=(
                "PCDARTS lets every 4th channel through the candidates of 'rnn'.*neither a convolution nor "
                "a batch norm"
            ),
        ):
            method.train(space, evaluator)
        return
    scored = method.train(space, evaluator)
    ranked = list(itertools.islice(method.ranked(), 2))
    assert len(set(ranked)) == 2
    metrics = [scored(architecture, Run(space)) for architecture in ranked]
    assert all(0 <= one["accuracy"] <= 1 and one["loss"] == pytest.approx(one["loss"]) for one in metrics)
    best = space.build(min(zip(ranked, metrics, strict=True), key=lambda pair: pair[1]["loss"])[0], seed=0)
    inputs = evaluator.example_inputs
    assert run_on(best, inputs).shape == run_on(scored.supernet, inputs).shape
