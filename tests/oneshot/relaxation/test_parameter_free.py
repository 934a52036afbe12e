"""The share of layer choices that have nothing to learn."""

import pytest
import torch
from torch import nn

import retia
from retia.evaluate import Classification
from retia.nn import ModelSpace
from retia.oneshot import SPOS
from retia.trial import Run

X = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = retia.repeat(
            "body",
            lambda i: retia.layer_choice(
                "op", {"linear": nn.Linear(4, 4), "skip": nn.Identity(), "drop": nn.Dropout(0.1)}
            ),
            (1, 3),
        )
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.body(x))


class Wide(nn.Module):
    def __init__(self):
        super().__init__()
        width = retia.choice("width", [2, 4])
        self.layers = nn.Sequential(nn.Linear(4, width), nn.Linear(width, 2))

    def forward(self, x):
        return self.layers(x)


def scored(net):
    data = (X, (X[:, 0] > 0).long())
    return SPOS(epochs=1).train(ModelSpace(net), Classification(data, data, batch_size=8))


@pytest.mark.parametrize(
    ("architecture", "share"),
    [
        ({"body": 1, "body/0/op": "linear"}, 0.0),
        ({"body": 2, "body/0/op": "skip", "body/1/op": "linear"}, 0.5),
        ({"body": 3, "body/0/op": "skip", "body/1/op": "linear", "body/2/op": "drop"}, 2 / 3),
    ],
)
def test_only_the_choices_that_are_active_count(architecture, share):
    evaluator = scored(Net)
    assert "parameter_free" in evaluator.capabilities().metrics
    assert evaluator(evaluator.supernet.space.validate(architecture), Run(evaluator.supernet.space))[
        "parameter_free"
    ] == pytest.approx(share)


def test_a_space_without_layer_choices_has_no_such_metric():
    evaluator = scored(Wide)
    assert "parameter_free" not in evaluator.capabilities().metrics
    assert "parameter_free" not in evaluator(
        evaluator.supernet.space.default(), Run(evaluator.supernet.space)
    )
