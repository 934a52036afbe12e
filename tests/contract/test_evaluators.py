"""Evaluators obey the laws of `Evaluator`."""

import random
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from retia.cost import Costs
from retia.evaluate import Classification, LanguageModeling, Regression, Training, ZeroCost
from retia.nn import ModelSpace
from retia.oneshot import SPOS
from retia.space import Real, choice
from retia.study import Repeated, architecture_evaluator, evaluator
from retia.testing import EVALUATOR_LAWS, ConstantEvaluator, assert_laws, example_space
from retia.testing import evaluators as laws
from retia.trial import Capabilities


class Net(nn.Sequential):
    def __init__(self):
        width = choice("width", [4, 8, 16])
        super().__init__(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))


class Words(nn.Sequential):
    def __init__(self):
        width = choice("width", [4, 8])
        super().__init__(nn.Embedding(7, width), nn.Linear(width, 7))


X = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
CLASSES = X, (X[:, 0] > 0).long()
SUMS = X[:, :2] + X[:, 2:]
TOKENS = torch.arange(80) % 7


def fit(model, lr=0.1):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(2):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(X), CLASSES[1])
        loss.backward()
        optimizer.step()
        yield {"loss": float(loss.detach())}


@architecture_evaluator
def area(architecture):
    return {"area": architecture["width"] ** 2}


def classification(**settings):
    return Classification(CLASSES, CLASSES, epochs=1, device="cpu", **settings)


MAKE = {
    "Classification": classification,
    "Classification, tested": lambda: classification(test=CLASSES),
    "Classification, searched": lambda: classification(lr=Real(1e-3, 1e-1, log=True)),
    "Regression": lambda: Regression((X, SUMS), (X, SUMS), epochs=1, device="cpu"),
    "Training": lambda: Training(X, X, loss=lambda outputs, batch: outputs.square().mean(), epochs=1),
    "ZeroCost": lambda: ZeroCost(classification(), proxies=["snip", "synflow"]),
    "Repeated": lambda: Repeated(classification(), seeds=2),
    "Costs": lambda: Costs((4,)),
    "a supernet": lambda: SPOS().train(ModelSpace(Net), classification(batch_size=8)),
    "fit(model)": lambda: fit,
    "fit(model), searched": lambda: evaluator(fit, lr=Real(1e-3, 1e-1, log=True)),
    "a function of the architecture": lambda: area,
    "ConstantEvaluator": ConstantEvaluator,
}


@pytest.mark.parametrize("law", EVALUATOR_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("make_evaluator", MAKE.values(), ids=MAKE)
def test_evaluator(make_evaluator, law):
    law(make_evaluator, ModelSpace(Net))


@pytest.mark.parametrize("law", EVALUATOR_LAWS, ids=lambda law: law.__name__)
def test_language_modeling(law):
    law(lambda: LanguageModeling(TOKENS, TOKENS, context=4, epochs=1, device="cpu"), ModelSpace(Words))


# --- the suite itself finds what it looks for


@dataclass
class Wrong:
    """It returns what `value` returns, and says that its metric is the height."""

    value: object

    def __call__(self, architecture, run):
        return self.value(self)

    def capabilities(self):
        return Capabilities(metrics=("height",), settings=lambda: {"drawn": str(random.random())})


def counted(wrong):
    wrong.calls = getattr(wrong, "calls", 0) + 1
    return {"height": wrong.calls}


@pytest.mark.parametrize(
    ("value", "law", "says"),
    [
        (lambda _: {"height": float("nan")}, laws.metrics_are_finite_numbers, "'height' of .* is nan"),
        (lambda _: {}, laws.metrics_are_finite_numbers, "has no metrics"),
        (lambda _: {"height": random.random()}, laws.the_same_trial_gives_the_same_metrics, "by a new inst"),
        (counted, laws.the_same_trial_gives_the_same_metrics, "by a new instance"),
        (lambda _: {"width": 1.0}, laws.capabilities_are_true, r"returned the metrics \['width'\]"),
        (lambda _: {"height": 1.0}, laws.capabilities_are_true, "the same arguments have the settings"),
        (counted, laws.it_travels_to_a_worker, "a copy gives the metrics"),
    ],
)
def test_a_wrong_evaluator_is_found(value, law, says, moves_generators):
    with pytest.raises(AssertionError, match=says):
        law(lambda: Wrong(value), example_space())


def test_the_message_names_the_law(moves_generators):
    with pytest.raises(AssertionError, match="The law 'metrics_are_finite_numbers' is broken"):
        assert_laws(EVALUATOR_LAWS, lambda: Wrong(lambda _: {}), example_space())
