import math

import pytest
import torch
from torch import nn

import retia
from retia.errors import EvaluationError, SupernetError
from retia.nn import ModelSpace
from retia.oneshot.cost.penalty import Penalty
from retia.supernet import Supernet


class Net(nn.Module):
    """A width, blocks, and a layer that costs more where it has a choice of its own."""

    def __init__(self):
        super().__init__()
        width = retia.choice("width", [4, 8, 2])

        def block(i):
            return retia.layer_choice("op", {"linear": lambda: nn.Linear(width, width), "skip": nn.Identity})

        self.stem = nn.Linear(4, width)
        self.body = retia.repeat("body", block, (0, 2))
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.body(self.stem(x)))


LATENCY = {"width": {4: 2.0, 8: 3.0, 2: 1.0}, "body": {0: 0.0, 1: 1.0, 2: 2.0}}


def bound(metric="params", **options):
    return Penalty(metric, **options).bind(Supernet(ModelSpace(Net), seed=0), example=(4,))


def descend(penalty, steps=600, lr=0.3):
    """Return the choices' softmax weights after gradient descent on the penalty of a loss of 1 alone."""
    domains = {label: parameter.domain for label, parameter in ModelSpace(Net).parameters.items()}
    logits = {label: torch.zeros(int(domain.size), requires_grad=True) for label, domain in domains.items()}
    optimizer = torch.optim.SGD(list(logits.values()), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        cost = penalty.expected({label: logit.softmax(0) for label, logit in logits.items()})
        penalty.penalized(torch.tensor(1.0), cost).backward()
        optimizer.step()
    likely = {
        label: list(domain.enumerate())[int(logits[label].argmax())] for label, domain in domains.items()
    }
    return likely, {label: logit.softmax(0).detach() for label, logit in logits.items()}


@pytest.mark.parametrize("form", ["add", "multiply"])
@pytest.mark.parametrize(
    ("metric", "least", "options"),
    [("params", 16, {}), ("macs", 12, {}), ("latency_ms", 1, {"table": LATENCY})],
)
def test_a_strong_penalty_leads_to_the_cheapest_by_gradient_descent_alone(metric, least, options, form):
    penalty = bound(metric, target=least, form=form, **options)
    assert penalty.cost({"width": 2, "body": 0}) == least
    likely, probabilities = descend(penalty)
    assert likely["width"] == 2 and likely["body"] == 0
    # Blocks that are skipped cost nothing, so their number matters less and less.
    assert probabilities["width"][2] > 0.95 and penalty.expected(probabilities).item() < 1.05 * least


def test_an_estimated_cost_leads_to_the_cheapest_as_well():
    likely, _ = descend(bound("params", target=16.0, samples=16), steps=150)
    assert likely["width"] == 2 and likely["body"] == 0


@pytest.mark.parametrize("form", ["add", "hinge", "absolute", "multiply", "hard"])
def test_a_penalty_of_scale_zero_moves_nothing(form):
    _, probabilities = descend(bound(scale=0.0, form=form, target=10.0), steps=3)
    for probability in probabilities.values():
        assert torch.equal(probability, torch.full_like(probability, 1 / len(probability)))


@pytest.mark.parametrize("form", ["hinge", "absolute", "hard"])
def test_a_penalty_about_a_target_stops_there(form):
    penalty = bound(form=form, target=30.0, scale=1.0)
    _, probabilities = descend(penalty, steps=600, lr=0.05)
    assert penalty.expected(probabilities).item() == pytest.approx(30, abs=1.5)


def test_the_absolute_form_draws_towards_a_target_from_below():
    penalty = bound(form="absolute", target=100.0)
    _, probabilities = descend(penalty, steps=600, lr=0.05)
    assert penalty.expected(probabilities).item() == pytest.approx(100, abs=2)


@pytest.mark.parametrize(
    ("form", "above", "below", "reward_above", "reward_below"),
    [
        ("add", 2 + 3 * 0.5, 2 - 3 * 0.5, 0.5 - 3 * 0.5, 0.5 + 3 * 0.5),
        ("hinge", 2 + 3 * 0.5, 2, 0.5 - 3 * 0.5, 0.5),
        ("absolute", 2 + 3 * 0.5, 2 + 3 * 0.5, 0.5 - 3 * 0.5, 0.5 - 3 * 0.5),
        ("multiply", 2 * 1.5**3, 2 * 0.5**3, 0.5 * 1.5**-3, 0.5 * 0.5**-3),
        ("hard", 2 * 1.5**3, 2, 0.5 * 1.5**-3, 0.5),
    ],
)
def test_the_forms(form, above, below, reward_above, reward_below):
    penalty = bound(form=form, target=40.0, scale=3.0)
    for cost, loss, reward in [(60.0, above, reward_above), (20.0, below, reward_below)]:
        penalized = penalty.penalized(torch.tensor(2.0), torch.tensor(cost, dtype=torch.float64))
        assert penalized.dtype == torch.float32 and float(penalized) == pytest.approx(loss)
        assert penalty.reward(0.5, cost) == pytest.approx(reward)


def test_without_a_target_a_cost_is_relative_to_the_mean_over_the_values():
    penalty = bound("latency_ms", table=LATENCY, constant=1.0)
    assert penalty.target == pytest.approx(1 + 2 + 1)
    assert bound("latency_ms", table=LATENCY, target=7.0).target == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"form": "power"},
            r"The form of Penalty\('params'\) must be one of \['add', 'hinge', 'absolute', 'multiply', 'hard'\], got 'power'",
        ),
        ({"target": 0}, r"The target of Penalty\('params'\) must be a finite cost above 0, got 0"),
        ({"target": -1.0}, "a finite cost above 0, got -1.0"),
        ({"target": math.nan}, "a finite cost above 0, got nan"),
        ({"form": "hinge"}, "of the form 'hinge' requires a target"),
        ({"scale": -0.1}, "The scale of .* must be finite and at least 0, got -0.1"),
        ({"samples": 1}, "The samples of .* must be at least 2, got 1"),
        (
            {"table": LATENCY, "samples": 4},
            "has a table, whose expectation is exact, but also evaluator= or samples=",
        ),
        ({"constant": 2.0}, "has the constant 2.0, but no table"),
        (
            {"metric": "latency_ms"},
            r"Penalty\('latency_ms'\) has a metric that is not counted on models; \['params', .* Give the cost of each",
        ),
    ],
)
def test_settings_that_can_not_be(options, message):
    with pytest.raises(EvaluationError, match=message):
        Penalty(**{"metric": "params", **options})


def test_a_cost_of_nothing_has_no_relative_size():
    table = {"width": {4: 0.0, 8: 0.0, 2: 0.0}}
    with pytest.raises(SupernetError, match="The latency_ms of .* are 0 on average, which can't be a target"):
        bound("latency_ms", table=table)


def test_a_quality_below_zero_is_not_multiplied():
    with pytest.raises(
        EvaluationError, match="'multiply' requires a quality of at least 0, such as an accuracy, got -0.5"
    ):
        bound(form="multiply").reward(-0.5, 10.0)


def test_penalties_reach_the_setting(make_setting, items):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(32, 4, generator=generator), torch.arange(32) % 2
    setting = make_setting(ModelSpace(Net), x, y, penalties=[Penalty("macs")], batch_size=8, epochs=3)
    (penalty,) = setting.penalties
    assert penalty.cost({"width": 2, "body": 0}) == 4 * 2 + 2 * 2
    assert (setting.steps, setting.steps_per_epoch) == (12, 4)
    taught = list(items(setting, 6))
    assert [item.number for item in taught] == list(range(6))
    seen = torch.cat([item.batch[0] for item in taught[:4]])
    assert sorted(seen[:, 0].tolist()) == sorted(x[:, 0].tolist())
    assert not torch.equal(taught[0].batch[0], taught[0].held_out()[0])
    assert torch.equal(taught[0].held_out()[0], next(iter(items(setting, 1))).held_out()[0])


@pytest.mark.parametrize("form", ["multiply", "hard"])
def test_a_cost_is_no_merit_of_a_loss_below_zero(form):
    penalty = bound(target=10.0, form=form)
    assert float(penalty.penalized(torch.tensor(-3.0), torch.tensor(20.0))) == pytest.approx(-1.5)
    assert float(penalty.penalized(torch.tensor(3.0), torch.tensor(20.0))) == pytest.approx(6.0)
