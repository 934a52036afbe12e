"""A trained supernet as an evaluator has the abilities of what it was trained for, and no others."""

import copy
import pickle

import pytest
import torch
from torch import nn

from retia.evaluate import Classification
from retia.nn import ModelSpace, layer_choice, repeat
from retia.oneshot import DARTS, GDAS, SPOS, ProxylessNAS
from retia.searching import search
from retia.space import choice
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


class Candidates(nn.Sequential):
    def __init__(self):
        candidates = {
            "linear": lambda: nn.Linear(8, 8),
            "identity": nn.Identity,
            "perceptron": lambda: nn.Sequential(nn.Linear(8, 8), nn.Tanh()),
        }
        super().__init__(nn.Linear(4, 8), layer_choice("op", candidates), nn.Linear(8, 2))


class Depths(nn.Sequential):
    def __init__(self):
        blocks = repeat("depth", lambda i: nn.Sequential(nn.Linear(8, 8), nn.Tanh()), (1, 3))
        super().__init__(nn.Linear(4, 8), blocks, nn.Linear(8, 2))


class Widths(nn.Sequential):
    def __init__(self):
        width = choice("width", [4, 8])
        super().__init__(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))


@pytest.mark.parametrize(
    "method", [DARTS(), GDAS(), ProxylessNAS()], ids=lambda method: type(method).__name__
)
@pytest.mark.parametrize("factory", [Candidates, Depths, Widths])
def test_copies_of_a_trained_supernet_compute_the_activated_architecture(classification, factory, method):
    space = ModelSpace(factory)
    supernet = method.train(space, classification).supernet.eval()
    pickled = pickle.loads(pickle.dumps(supernet))
    x = classification.data("train").first()[0]
    for architecture in space.enumerate():
        expected = supernet.subnet(architecture)(x)
        for one in (supernet, copy.deepcopy(supernet), pickled):
            one.activate(architecture)
            torch.testing.assert_close(one(x), expected)


@pytest.mark.parametrize("factory", [Candidates, Widths])
def test_two_workers_score_as_one_does(classification, factory):
    alone, together = (
        search(
            factory,
            classification,
            DARTS(),
            workers=workers,
            trials=len(list(ModelSpace(factory).enumerate())),
            maximize="accuracy",
            progress=False,
        )
        for workers in (1, 2)
    )
    losses = {trial.architecture: trial.metrics["loss"] for trial in alone.trials}
    assert len(set(losses.values())) == len(losses) > 1
    found = {trial.architecture: trial.metrics["loss"] for trial in together.trials}
    assert found == pytest.approx(losses, rel=1e-6)
