import math

import numpy as np
import pytest

from retia.errors import StudyError
from retia.space import Architecture
from retia.trial import Objective, Trial
from retia.trial.selection import pick

OBJECTIVES = (Objective("accuracy", "maximize"), Objective("latency_ms", "minimize"))


def front_of(*points, names=("accuracy", "latency_ms")):
    return [
        Trial(i, Architecture({"x": i}), "completed", dict(zip(names, point, strict=True)))
        for i, point in enumerate(points)
    ]


FRONT = front_of((0.95, 100.0), (0.93, 30.0), (0.80, 20.0), (0.60, 10.0))


def test_the_knee_is_farthest_from_the_line_through_the_ends():
    ends = np.array([(0.95, 100.0), (0.60, 10.0)])
    scale = np.abs(ends[0] - ends[1])
    direction = (ends[1] - ends[0]) / scale
    distances = [
        abs(np.linalg.det(np.stack([direction, (np.array(list(t.metrics.values())) - ends[0]) / scale])))
        / math.hypot(*direction)
        for t in FRONT
    ]
    assert np.argmax(distances) == 1
    assert pick(FRONT, OBJECTIVES).number == 1


def test_the_knee_does_not_depend_on_units():
    in_seconds = [
        Trial(
            t.number, t.architecture, "completed", {**t.metrics, "latency_ms": t.metrics["latency_ms"] / 1000}
        )
        for t in FRONT
    ]
    assert pick(in_seconds, OBJECTIVES).number == pick(FRONT, OBJECTIVES).number


def test_the_knee_of_three_objectives():
    names = ("a", "b", "c")
    front = front_of((0, 1, 1), (1, 0, 1), (1, 1, 0), (0.4, 0.4, 0.4), (0.1, 0.9, 0.8), names=names)
    assert pick(front, [Objective(name, "minimize") for name in names]).number == 3


@pytest.mark.parametrize(
    ("weights", "number"),
    [
        ({"accuracy": 1}, 0),
        ({"latency_ms": 1}, 3),
        ({"accuracy": 1, "latency_ms": 1}, 1),
        ({"accuracy": 10, "latency_ms": 0.1}, 0),
    ],
)
def test_weights_by_hand(weights, number):
    # Scaled losses: 0 and 1; 0.057 and 0.222; 0.429 and 0.111; 1 and 0.
    assert pick(FRONT, OBJECTIVES, weights=weights).number == number


@pytest.mark.parametrize(
    ("bounds", "number"),
    [
        ("latency_ms <= 25", 2),
        ("latency_ms <= 30", 1),
        ("accuracy >= 0.7", 2),
        ({"latency_ms": 1000}, 0),
        (["latency_ms <= 50", "accuracy >= 0.7"], 1),
    ],
)
def test_within_bounds_what_has_none_is_best(bounds, number):
    assert pick(FRONT, OBJECTIVES, bounds=bounds).number == number


def test_a_bound_may_be_on_any_metric():
    front = [
        Trial(t.number, t.architecture, "completed", {**t.metrics, "params": 1000.0 * (4 - t.number)})
        for t in FRONT
    ]
    assert pick(front, OBJECTIVES, bounds="params <= 2000").number == 2


def test_weights_and_bounds_together():
    assert pick(FRONT, OBJECTIVES, weights={"latency_ms": 1}, bounds="accuracy >= 0.7").number == 2


def test_one_objective_one_point_and_ties():
    assert pick(front_of((0.5, 1), (0.5, 1), (0.6, 1)), OBJECTIVES).number == 2
    assert pick(FRONT[:1], OBJECTIVES).number == 0
    assert pick(front_of((1,), (3,), (3,), names=("accuracy",)), OBJECTIVES[:1]).number == 1


@pytest.mark.parametrize(
    ("front", "arguments", "says"),
    [
        ([], {}, "There is no trial to pick from"),
        (
            FRONT,
            {"bounds": "latency_ms <= 5"},
            "Not one of the 4 trials meets latency_ms <= 5. The nearest trial has latency_ms 10. Loosen the bound",
        ),
        (
            FRONT,
            {"bounds": "params <= 5"},
            r"The bound 'params <= 5' is on a metric that trial 0 lacks. Bound one of its metrics: \['accuracy', 'latency_ms'\]",
        ),
        (
            FRONT,
            {"weights": {"f1": 1}},
            r"A weight is for one of the objectives \['accuracy', 'latency_ms'\], got one for 'f1'",
        ),
        (
            FRONT,
            {"weights": {"accuracy": -1}},
            "Weights are numbers from 0 up, at least one above 0, got {'accuracy': -1}",
        ),
        (FRONT, {"weights": {"accuracy": 0}}, "at least one above 0"),
        (FRONT, {"weights": {"accuracy": math.nan}}, "numbers from 0 up"),
        (FRONT, {"weights": {}}, "at least one above 0"),
    ],
)
def test_what_cannot_be_picked(front, arguments, says):
    with pytest.raises(StudyError, match=says):
        pick(front, OBJECTIVES, **arguments)
