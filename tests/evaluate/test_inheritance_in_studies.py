"""Models that start from the weights of those that they were derived from."""

import pytest
import torch
from torch import nn

import retia
from retia.evaluate import Classification
from retia.nn import ModelSpace
from retia.strategy import NetworkMorphism
from retia.study import Study


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        kernel = retia.choice("kernel", [1, 3])
        self.conv = nn.Conv2d(width, width, kernel, padding=kernel // 2)

    def forward(self, x):
        return x + self.conv(x).relu()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = retia.choice("width", [4, 8, 16])
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.body = retia.repeat("body", lambda i: Block(width), (1, 3))
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


def data(seed):
    x = torch.randn(64, 1, 6, 6, generator=torch.Generator().manual_seed(seed))
    return x, (x.mean((1, 2, 3)) > 0).long()


def searched(trials=12, keep_weights="front", **settings):
    # After its first trial nothing learns: what a child computes is what it has inherited.
    evaluator = Classification(
        data(0), data(1), **{"epochs": 1, "lr": 1e-9, "inherit_weights": True, **settings}
    )
    study = Study(ModelSpace(Net), evaluator, minimize="loss", keep_weights=keep_weights)
    study.run(NetworkMorphism(children=3), trials=trials)
    return study


def test_a_child_begins_with_what_its_parent_computes():
    study = searched()
    for trial in study.trials[1:]:
        assert trial.metrics["loss"] == pytest.approx(study.trials[trial.parent].metrics["loss"], rel=1e-5)
    assert len({trial.metrics["params"] for trial in study.trials}) > 6


def test_without_inheritance_a_child_is_trained_from_scratch():
    losses = [trial.metrics["loss"] for trial in searched(inherit_weights=False).trials]
    assert max(losses) - min(losses) > 1e-3


class Normalized(nn.Module):
    """Normalized over channels that are not repeated equally often, so that what grows can't compute the
    same.
    """

    def __init__(self):
        super().__init__()
        width = retia.choice("width", [4, 6])
        self.stem, self.norm = nn.Linear(36, width), nn.LayerNorm(width)
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.norm(self.stem(x.flatten(1))))


def test_a_larger_child_that_does_not_compute_the_same_says_so():
    study = Study(
        ModelSpace(Normalized),
        Classification(data(0), data(1), epochs=1, inherit_weights=True),
        minimize="loss",
        baseline={"width": 4},
    )
    with pytest.warns(
        RuntimeWarning,
        match=r"A child of \{'width': 4\} is larger and nowhere smaller, .* off by .*%.*What grew is stem\.weight, stem\.bias",
    ):
        study.run(NetworkMorphism(), trials=2)


def test_a_smaller_child_is_not_expected_to_compute_the_same():
    study = Study(
        ModelSpace(Normalized),
        Classification(data(0), data(1), epochs=1, inherit_weights=True),
        minimize="loss",
        baseline={"width": 6},
    )
    study.run(NetworkMorphism(), trials=2)  # warnings are errors
    assert [trial.state for trial in study.trials] == ["completed", "completed"]


def test_weights_that_are_gone_are_said_to_be():
    with pytest.warns(
        RuntimeWarning,
        match=(
            "has no weights to inherit, and its child is trained from the beginning. "
            "There is no .* Let the study keep weights, keep_weights='all'"
        ),
    ):
        searched(trials=2, keep_weights="none")
