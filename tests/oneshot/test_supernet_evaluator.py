"""A trained supernet as an evaluator has the abilities of what it was trained for, and no others."""

import pytest
import torch
from torch import nn

from retia.evaluate import Classification
from retia.nn import ModelSpace, layer_choice
from retia.oneshot import SPOS
from retia.searching import search
from retia.study import Repeated
from retia.trial import Capabilities


class OnlyTraining:
    """An evaluator that says how it trains, and nothing else."""

    def __init__(self, inner):
        self.inner = inner

    def capabilities(self):
        return Capabilities(training=self.inner.training)

    def __call__(self, architecture, run):
        return self.inner(architecture, run)


class Delegating:
    """An evaluator whose abilities are found by `__getattr__`."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __call__(self, architecture, run):
        return self.inner(architecture, run)


@pytest.fixture
def classification():
    data = torch.randn(16, 4, generator=torch.Generator().manual_seed(0)), torch.arange(16) % 2
    return Classification(data, data, epochs=1, batch_size=8, device="cpu")


def space():
    return ModelSpace(
        lambda: nn.Sequential(
            layer_choice("op", {"a": lambda: nn.Linear(4, 2), "b": lambda: nn.Linear(4, 2, bias=False)})
        )
    )


@pytest.mark.parametrize("recalled", [1, 2])
def test_an_evaluator_that_only_teaches(classification, recalled):
    trained = SPOS(epochs=1).train(space(), OnlyTraining(classification))
    assert trained.capabilities().metrics is None
    assert trained.capabilities().costs is None
    study = search(trained.supernet.space, trained, trials=recalled, maximize="accuracy", progress=False)
    assert len(study.trials) == recalled


def test_an_evaluator_that_counts_costs(classification):
    trained = SPOS(epochs=1).train(space(), classification)
    assert trained.capabilities().training is None
    assert trained.capabilities().metrics == ("accuracy", "loss", "params", "flops", "macs", "parameter_free")
    assert trained.capabilities().costs.metrics == ("params", "flops", "macs")


@pytest.mark.parametrize(
    "wrap",
    [lambda one: Repeated(one, 2), lambda one: SPOS(epochs=1).train(space(), one)],
    ids=["repeated", "supernet"],
)
def test_a_wrapper_of_an_evaluator_that_delegates_has_its_abilities(classification, wrap):
    found, direct = (wrap(one).capabilities() for one in (Delegating(classification), classification))
    assert (found.metrics, found.costs) == (direct.metrics, direct.costs)


def test_a_wrapper_of_an_evaluator_that_only_teaches_claims_nothing(classification):
    abilities = Repeated(OnlyTraining(classification), 2).capabilities()
    assert (abilities.metrics, abilities.costs, abilities.release) == (None, None, None)
