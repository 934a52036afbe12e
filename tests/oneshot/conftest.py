from dataclasses import dataclass
from itertools import islice

import pytest
import torch
from torch import nn

from retia.evaluate import Classification, Regression
from retia.nn import ModelSpace, layer_choice
from retia.oneshot import Setting, TrainingBatch
from retia.rng import stream_seed
from retia.space import choice, real
from retia.supernet import Supernet


def _make_setting(
    space, x, y, *, seed=0, epochs=2, batch_size=8, lr=0.1, penalties=(), allows=None, loss=None
):
    supernet = Supernet(space, seed=seed)
    supernet.train()
    settings = {"epochs": epochs, "batch_size": batch_size, "lr": lr, "schedule": "constant", "device": "cpu"}
    preset = Regression if y.is_floating_point() else Classification
    training = preset(
        (x, y),
        (x, y),
        optimizer=lambda parameters, lr: torch.optim.SGD(parameters, lr=lr),
        loss=loss and (lambda outputs, batch: loss(outputs, batch[1])),
        **settings,
    )
    steps = training.data("train").steps(batch_size)
    bound = [penalty.bind(supernet, example=x) for penalty in penalties]
    return Setting(
        supernet, training, steps * epochs, steps, seed, allows or (lambda architecture: True), bound
    )


def _batches(setting, coordinate):
    data, size, number = setting.training.data("train"), setting.training.batch_size, 0
    while True:
        generator = torch.Generator().manual_seed(stream_seed(setting.seed, coordinate, number))
        yield from data.batches(size, generator=generator)
        number += 1


def _lessons(setting, n):
    held_out = _batches(setting, "held out")
    for number, batch in enumerate(islice(_batches(setting, "order"), n)):
        other = next(held_out)
        yield TrainingBatch(
            number=number,
            step=number,
            batch=batch,
            held_out=lambda other=other: other,
            seed=stream_seed(setting.seed, "lesson", number),
        )


class _Layers(nn.Module):
    def __init__(self):
        super().__init__()
        width = choice("width", [4, 6, 8])
        self.stem = nn.Linear(2, width)
        self.a = layer_choice(
            "a", {"relu": nn.ReLU, "tanh": nn.Tanh, "linear": lambda: nn.Linear(width, width)}
        )
        self.b = layer_choice(
            "b", {"relu": nn.ReLU, "inner": lambda: layer_choice("c", [nn.SiLU, nn.GELU, nn.ELU])}
        )
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.b(self.a(self.stem(x))))


@pytest.fixture(scope="session")
def layers():
    """Return a space of two choices of three values, one of two, and a choice inside of a candidate."""
    return ModelSpace(_Layers)


class _Slope(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.layer = nn.Linear(2, outputs)
        self.act = nn.LeakyReLU(real("slope", 0.1, 0.5))

    def forward(self, x):
        return self.act(self.layer(x))


@pytest.fixture(scope="session")
def slope():
    """Return a space of one real parameter, of models with three outputs."""
    return ModelSpace(_Slope, 3)


class _Activations(nn.Module):
    def __init__(self):
        super().__init__()
        self.op = layer_choice("op", {"identity": nn.Identity, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid})
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.op(x))


@pytest.fixture(scope="session")
def activations():
    """Return a space of one layer choice of three, of models from four features to two outputs."""
    return ModelSpace(_Activations)


def _inputs(*shape, seed=0):
    return torch.randn(*(shape or (64, 2)), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="session")
def inputs():
    """Return `inputs(*shape, seed=0)`: normal numbers, 64 samples of two features unless told."""
    return _inputs


@pytest.fixture
def classes():
    """Return 64 samples of two features, and whether the first is above zero."""
    x = _inputs()
    return x, (x[:, 0] > 0).long()


@pytest.fixture
def signs():
    """Return 16 samples of four features, and whether their sum is above zero."""
    x = _inputs(16, 4)
    return x, (x.sum(1) > 0).long()


class _Absolute(nn.Module):
    def forward(self, x):
        return x.abs() - 0.8


class _Shapes(nn.Module):
    """Of the candidates only one is even, which is what the data is."""

    def __init__(self):
        super().__init__()
        self.shape = layer_choice("shape", {"linear": nn.Identity, "tanh": nn.Tanh, "absolute": _Absolute})
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.shape(x))


@dataclass(frozen=True)
class _Planted:
    """A teacher whose data only one candidate can fit."""

    space: ModelSpace
    answer: str

    def data(self, seed, n=128):
        x = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))
        return x, (x.abs().sum(1) > 3.2).long()

    def evaluator(self, seed, *, epochs):
        return Classification(
            self.data(seed), self.data(seed + 100), epochs=epochs, batch_size=64, lr=0.5, optimizer="sgd"
        )


@pytest.fixture(scope="session")
def planted():
    """Return a space of three candidates (`space`), which one fits (`answer`), and what it is to fit:
    `data(seed, n)`, `evaluator(seed, epochs=)`.
    """
    return _Planted(ModelSpace(_Shapes), "absolute")


@pytest.fixture(scope="session")
def make_setting():
    """Return `make_setting(space, x, y, *, seed, epochs, batch_size, lr, penalties, allows, loss)`: a setting
    with a supernet, cross entropy and plain SGD.
    """
    return _make_setting


@pytest.fixture(scope="session")
def items():
    """Return `items(setting, n)`, which yields items on shuffled batches, numbered from 0 on, one a
    step.
    """
    return _lessons


def _taught_paths(session, items):
    rows = []
    handle = session.supernet.register_forward_pre_hook(
        lambda supernet, _: rows[-1].append(supernet.architecture)
    )
    for item in items:
        rows.append([])
        session.train_batch(item)
    handle.remove()
    return rows


@pytest.fixture(scope="session")
def taught_paths():
    """Return `taught_paths(session, items)`: teaches, and returns the paths of each item."""
    return _taught_paths
