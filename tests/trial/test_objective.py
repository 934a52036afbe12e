import pytest

from retia.errors import StudyError
from retia.trial import Constraint, Objective, constraints_from, objectives_from


def test_losses_are_lower_when_better():
    assert Objective("acc", "maximize").loss({"acc": 0.9}) == -0.9
    assert Objective("loss", "minimize").loss({"loss": 0.9}) == 0.9
    assert str(Objective("acc", "maximize")) == "maximize acc"


def test_objectives_from_names():
    assert objectives_from("acc", None) == (Objective("acc", "maximize"),)
    assert objectives_from(None, ["loss", "params"]) == (
        Objective("loss", "minimize"),
        Objective("params", "minimize"),
    )
    assert objectives_from(["acc"], "params") == (
        Objective("acc", "maximize"),
        Objective("params", "minimize"),
    )


@pytest.mark.parametrize(
    ("maximize", "minimize", "message"),
    [
        (None, None, "A study needs an objective"),
        ([], (), "A study needs an objective"),
        ("a", ["b", "a"], r"one objective only, got \['a', 'b', 'a'\]"),
    ],
)
def test_impossible_objectives_say_why(maximize, minimize, message):
    with pytest.raises(StudyError, match=message):
        objectives_from(maximize, minimize)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("params <= 1e6", Constraint("params", upper=1e6)),
        ("params<=100_000", Constraint("params", upper=100_000)),
        ("  val/top-1.acc >= -0.5 ", Constraint("val/top-1.acc", lower=-0.5)),
    ],
)
def test_parse(text, expected):
    assert Constraint.parse(text) == expected
    assert Constraint.parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text", ["", "params", "params < 3", "params <= ", "params <= many", "3 <= params <= 4", "params == 3"]
)
def test_parse_refuses_the_rest(text):
    with pytest.raises(StudyError, match="A constraint reads 'metric <= number' or 'metric >= number', got"):
        Constraint.parse(text)


def test_bounds_are_included():
    both = Constraint("x", lower=1, upper=4)
    assert [value for value in range(7) if both.holds({"x": value})] == [1, 2, 3, 4]
    assert Constraint("x", upper=4).holds({"x": -100})
    assert Constraint("x", lower=1).holds({"x": 100})


def test_violations_are_shares_of_the_bound():
    both = Constraint("x", lower=2, upper=4)
    assert both.violation({"x": 3}) == 0
    assert both.violation({"x": 6}) == 0.5
    assert both.violation({"x": 0.5}) == 0.75
    assert Constraint("x", upper=-4).violation({"x": -2}) == 0.5
    assert Constraint("x", upper=0).violation({"x": 1}) > 1e6


def test_prints_as_it_is_written():
    assert str(Constraint("x", lower=1, upper=4)) == "1 <= x <= 4"
    assert str(Constraint("x", lower=0.5)) == "x >= 0.5"
    assert str(Constraint("params", upper=1_000_000)) == "params <= 1000000"


def test_constraints_from_any_form():
    one, two = Constraint("params", upper=10), Constraint("latency_ms", lower=1, upper=4)
    assert constraints_from(None) == ()
    assert constraints_from("params <= 10") == (one,)
    assert constraints_from(two) == (two,)
    assert constraints_from(["params <= 10", two]) == (one, two)
    assert constraints_from({"params": 10, "latency_ms": (1, 4)}) == (one, two)
    assert constraints_from({"latency_ms": [1, 4]}) == (two,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constraint("x"), "A constraint on 'x' needs a bound"),
        (lambda: Constraint("x", lower=2, upper=1), "needs lower <= upper, got 2 <= x <= 1"),
        (lambda: Constraint("x", upper="many"), "A bound of 'x' must be a number, got 'many'"),
        (lambda: Constraint("x", lower=True), "A bound of 'x' must be a number, got True"),
        (lambda: Constraint.parse("x <= nan"), "A bound of 'x' must be a number, got nan"),
        (lambda: constraints_from({"x": "10"}), "A bound of 'x' must be a number, got '10'"),
        (lambda: constraints_from({"x": None}), "A constraint on 'x' needs a bound"),
        (
            lambda: constraints_from({"x": (1, 2, 3)}),
            r"The bounds of 'x' are a number .* or a pair .*, got \(1, 2, 3\)",
        ),
        (
            lambda: constraints_from([("x", 3)]),
            r"A constraint is a text such as 'params <= 1e6', or a Constraint, got \('x', 3\)",
        ),
    ],
)
def test_impossible_constraints_say_why(make, message):
    with pytest.raises(StudyError, match=message):
        make()
