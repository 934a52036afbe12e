"""Penalties where they are used: a whole search goes where costs lead it, by every method that learns what to
choose.
"""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

import retia
from retia.errors import StudyError, SupernetError
from retia.evaluate import Classification
from retia.nn import ModelSpace
from retia.oneshot import DARTS, ENAS, GDAS, PCDARTS, SNAS, SPOS, DrNAS, FBNet, Penalty, ProxylessNAS
from retia.trial import Run

METHODS = {
    "darts": DARTS(learning_rate=0.2),
    "darts-second-order": DARTS(learning_rate=0.2, unrolled=True),
    "pcdarts": PCDARTS(learning_rate=0.2, warmup_epochs=0),
    "gdas": GDAS(learning_rate=0.2),
    "snas": SNAS(learning_rate=0.2),
    "proxylessnas": ProxylessNAS(learning_rate=0.2),
    "drnas": DrNAS(learning_rate=0.2),
    "fbnet": FBNet(learning_rate=0.2, warmup_epochs=0),
    "enas": ENAS(learning_rate=0.02, samples=4, epochs=10),
}
each_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


class Net(nn.Module):
    """Two choices; the layer that costs most can tell the classes best."""

    def __init__(self):
        super().__init__()

        def hidden(width):
            return lambda: nn.Sequential(nn.Conv2d(4, width, 1), nn.ReLU(), nn.Conv2d(width, 4, 1))

        self.first = retia.layer_choice(
            "first", {"wide": hidden(32), "narrow": hidden(16), "skip": nn.Identity}
        )
        self.second = retia.layer_choice(
            "second", {"conv": lambda: nn.Conv2d(4, 4, 1, bias=False), "skip": nn.Identity}
        )
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.second(self.first(x)).mean((2, 3)))


CHEAPEST = {"first": "skip", "second": "skip"}
TABLE = {"first": {"wide": 5.0, "narrow": 2.0, "skip": 0.5}, "second": {"conv": 3.0, "skip": 1.0}}


class Twins(nn.Module):
    """Candidates that compute the same."""

    def __init__(self):
        super().__init__()
        self.op = retia.layer_choice("op", {"one": nn.Identity, "other": nn.Identity})
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.op(x).mean((2, 3)))


def rings(n=64, seed=0):
    """Return images, and whether they are far from the centre, which takes a hidden layer to tell."""
    x = torch.randn(n, 4, 2, 2, generator=torch.Generator().manual_seed(seed))
    return x, (x.square().sum((1, 2, 3)) > 15.3).long()


def evaluator():
    return Classification(rings(), rings(seed=1), epochs=6, batch_size=16, lr=0.1, optimizer="sgd")


def trained(method, *penalties, net=Net, epochs=None):
    method = dataclasses.replace(method, penalties=penalties, epochs=epochs or method.epochs)
    method.train(ModelSpace(net), evaluator())
    return method


def refused(penalty, error, message):
    """Check that a search with a penalty is refused, and that nothing was trained before."""
    told = []
    with pytest.raises(error, match=message):
        DARTS(penalties=penalty).prepare(
            evaluator(), Run(ModelSpace(Net), listener=lambda metrics, step: told.append(metrics))
        )
    assert not told


def goes_to_the_cheapest(method):
    probabilities = method.probabilities()
    return (
        dict(next(method.ranked())) == CHEAPEST
        and probabilities["first"][2] > 0.6
        and probabilities["second"][1] > 0.8
    )


@pytest.mark.parametrize(("form", "scale"), [("add", 5.0), ("multiply", 4.0)])
@each_method
def test_a_strong_penalty_on_the_number_of_parameters_leads_to_the_cheapest(method, form, scale):
    assert goes_to_the_cheapest(trained(method, Penalty("params", scale=scale, form=form)))


@pytest.mark.parametrize(
    ("name", "penalty"),
    [
        ("darts", Penalty("macs", scale=5.0)),
        ("enas", Penalty("macs", scale=5.0)),
        ("fbnet", Penalty("latency_ms", table=TABLE, scale=5.0)),
        ("enas", Penalty("latency_ms", table=TABLE, scale=5.0)),
        ("gdas", Penalty("params", samples=8, scale=5.0)),
    ],
    ids=["darts-macs", "enas-macs", "fbnet-table", "enas-table", "gdas-samples"],
)
def test_so_does_one_on_another_cost(name, penalty):
    assert goes_to_the_cheapest(trained(METHODS[name], penalty))


@pytest.mark.parametrize("form", ["hinge", "absolute", "hard"])
def test_a_target_that_no_architecture_reaches_leads_to_the_cheapest(form):
    assert goes_to_the_cheapest(
        trained(METHODS["darts"], Penalty("params", target=1.0, scale=5.0, form=form))
    )


def test_a_target_that_every_architecture_is_below_moves_nothing():
    free = trained(METHODS["darts"], epochs=1).probabilities()
    bounded = trained(METHODS["darts"], Penalty("params", target=1e6, form="hinge"), epochs=1).probabilities()
    assert all(np.array_equal(bounded[label], free[label]) for label in free)


@each_method
def test_a_penalty_of_scale_zero_changes_nothing(method):
    free = trained(method, epochs=1)
    assert any(np.ptp(probabilities) > 0.01 for probabilities in free.probabilities().values())
    for form in ("add", "multiply"):
        other = trained(method, Penalty("params", scale=0.0, form=form), epochs=1)
        assert all(
            np.array_equal(likely, free.probabilities()[label])
            for label, likely in other.probabilities().items()
        )
        assert list(other.ranked()) == list(free.ranked())


@pytest.mark.parametrize("cheaper", ["one", "other"])
@each_method
def test_of_two_that_compute_the_same_the_cheaper_is_chosen(method, cheaper):
    table = {"op": {"one": 2.0, "other": 2.0, cheaper: 1.0}}
    method = trained(method, Penalty("latency_ms", table=table, scale=1.0), net=Twins, epochs=4)
    assert method.probabilities()["op"][["one", "other"].index(cheaper)] > 0.7
    assert next(method.ranked())["op"] == cheaper


def test_several_penalties_add_up():
    penalties = [
        Penalty("latency_ms", table={"first": TABLE["first"]}, scale=5.0),
        Penalty("energy", table={"second": TABLE["second"]}, scale=5.0),
    ]
    assert goes_to_the_cheapest(trained(METHODS["darts"], *penalties))


# --- what can't be


def test_costs_that_the_space_can_not_give_are_refused_before_training():
    values = r"\['wide', 'narrow', 'skip'\]"
    refused(
        Penalty("latency_ms", table={"third": {"skip": 1.0}}),
        SupernetError,
        "'latency_ms' has 'third', which is not a parameter of the space",
    )
    refused(
        Penalty("latency_ms", table={"first": {"wide": 1.0, "skip": 0.0}}),
        SupernetError,
        f"for each value of 'first', {values}, but lacks 'narrow'",
    )
    measured = Penalty("energy", evaluator=lambda architecture, run: {"latency_ms": 1.0})
    refused(measured, SupernetError, r"function returns \['latency_ms'\], but not 'energy'")


def test_a_bound_that_no_architecture_meets_is_found_before_training(tmp_path):
    with pytest.raises(
        StudyError, match=r"No architecture meets params <= 5, .*: params 10 to 318\. Loosen the bound"
    ):
        retia.search(
            ModelSpace(Net),
            evaluator(),
            SPOS(),
            trials=1,
            maximize="accuracy",
            constraints=["params <= 5"],
            directory=tmp_path,
            progress=False,
        )
    assert not list(tmp_path.rglob("supernet*"))


# --- the method's own choice


@pytest.mark.parametrize("name", ["darts", "gdas", "enas"])
def test_the_first_choice_minds_the_penalty_that_the_objective_does_not(name, tmp_path):
    penalty = Penalty("params", scale=5.0)
    method = dataclasses.replace(METHODS[name], penalties=penalty)
    study = retia.Study(ModelSpace(Net), evaluator(), maximize="accuracy", storage=tmp_path / "a.db")
    with pytest.warns(RuntimeWarning, match=f"{type(method).__name__} penalizes 'params', which the study"):
        study.run(method, trials=7)
    assert dict(study.derived) == CHEAPEST
    assert study.derived == next(method.ranked())
    assert retia.Study.open(tmp_path / "a.db").derived == study.derived
    assert study.best.metrics["accuracy"] >= study.history.find(study.derived).metrics["accuracy"]
    assert study.best.architecture != study.derived  # without layers the classes can't be told apart
