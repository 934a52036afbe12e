import copy
import math
import operator
import pickle

import pytest

from retia.space import (
    Reference,
    SymbolicFloat,
    SymbolicInt,
    SymbolicStr,
    Tracer,
    concrete,
    evaluate,
    expression_of,
    lift,
    symbolic,
)


@pytest.fixture
def width():
    return SymbolicInt(64, Reference("width"))


@pytest.fixture
def rate():
    return SymbolicFloat(0.5, Reference("rate"))


@pytest.fixture
def act():
    return SymbolicStr("gelu", Reference("act"))


def test_they_are_the_real_thing(width, rate, act):
    assert isinstance(width, int)
    assert isinstance(rate, float)
    assert isinstance(act, str)
    assert width == 64
    assert [0] * width == [0] * 64
    assert range(100)[width] == 64
    assert f"{width:03d} {rate:.2f} {act}" == "064 0.50 gelu"
    assert {64: "a"}[width] == "a"
    assert {"gelu": 1}[act] == 1
    assert math.sqrt(width) == 8


BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow"]
BITS = ["lshift", "rshift", "and_", "or_", "xor"]


@pytest.mark.parametrize("name", BINARY + BITS)
@pytest.mark.parametrize("swapped", [False, True])
def test_integer_operators_follow_the_choice(width, name, swapped):
    function = getattr(operator, name)
    result = function(3, width) if swapped else function(width, 3)
    assert symbolic(result)
    for value in (16, 64):
        expected = function(3, value) if swapped else function(value, 3)
        assert evaluate(expression_of(result), {"width": value}) == expected
    assert concrete(result) == (function(3, 64) if swapped else function(64, 3))
    assert type(concrete(result)) in (int, float)


@pytest.mark.parametrize("name", BINARY)
def test_real_operators_follow_the_choice(width, rate, name):
    function = getattr(operator, name)
    for result in (function(rate, 3), function(width, rate)):
        assert isinstance(result, SymbolicFloat)
        values = {"width": 16, "rate": 0.25}
        left = 0.25 if "width" not in expression_of(result).labels else 16
        right = 3 if left == 0.25 else 0.25
        assert evaluate(expression_of(result), values) == function(left, right)


@pytest.mark.parametrize("function", [operator.neg, operator.pos, operator.invert, abs])
def test_unary_operators_follow_the_choice(width, function):
    assert evaluate(expression_of(function(width)), {"width": 7}) == function(7)
    assert concrete(function(width)) == function(64)


def test_other_operands_are_rejected_as_usual(width):
    with pytest.raises(TypeError, match="unsupported operand"):
        width + None
    assert width + 1j == 64 + 1j


def test_what_leaves_the_types_is_plain(width, rate):
    for plain in (int(width), int(width * 0.75), round(rate), math.floor(rate), str(width)):
        assert not symbolic(plain)


def test_expressions_print_readably(width, rate, act):
    assert str(expression_of(width * 2 + 1)) == "(width * 2) + 1"
    assert str(expression_of(-width // 2)) == "(-width) // 2"
    assert str(expression_of(2**width)) == "2 ** width"
    assert str(expression_of(abs(width))) == "abs(width)"
    assert str(expression_of(width * rate)) == "width * rate"
    assert str(expression_of(lift((1, 2), Reference("pair"))[1])) == "pair[1]"
    assert expression_of(width * rate).labels == {"width", "rate"}
    assert expression_of(act) == Reference("act")


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]
)
def test_copies_and_pickles_remember(width, rate, act, copied):
    for value in (width * 2, rate / 3, act):
        again = copied(value)
        assert type(again) is type(value)
        assert again == value
        assert expression_of(again) == expression_of(value)


def test_tuples_and_lists_are_looked_into(width):
    pair = (width, [width * 2, 3])
    assert symbolic(pair)
    assert not symbolic((1, [2]))
    assert concrete(pair) == (64, [128, 3])
    assert type(concrete(pair)[0]) is int
    assert evaluate(expression_of(pair), {"width": 5}) == (5, [10, 3])


def test_lift():
    assert isinstance(lift(True, Reference("flag")), SymbolicInt)
    assert lift(None, Reference("x")) is None
    first, second = lift((3, "a"), Reference("pair"))
    assert evaluate(expression_of(second), {"pair": (4, "b")}) == "b"
    assert expression_of(first).labels == {"pair"}


@pytest.mark.parametrize(
    "use",
    [
        lambda v: 1 if v == 64 else 2,
        lambda v: v != 3 and True,
        lambda v: bool(v < 3),
        lambda v: 0 < v < 3,
        lambda v: not v,
        lambda v: max(v, 3),
        lambda v: v in (1, 2),
    ],
)
def test_a_truth_that_is_used_is_noted_by_the_recorder(width, use):
    tracer = Tracer()
    use(width)
    assert not tracer.compared
    with tracer.recording():
        use(width * 2)
    assert tracer.compared == {"width"}


def test_a_truth_of_strings_that_is_used_is_noted(act):
    tracer = Tracer()
    with tracer.recording():
        assert act == "gelu"
    assert tracer.compared == {"act"}


@pytest.mark.parametrize(
    ("compare", "held", "text"),
    [
        (lambda v: v % 3 == 1, {64: True, 63: False}, "(width % 3) == 1"),
        (lambda v: v < 64.5, {64: True, 65: False}, "width < 64.5"),
        (lambda v: 65 > v, {64: True, 65: False}, "width < 65"),
        (lambda v: (v > 3) & (v != 5), {64: True, 5: False, 2: False}, "(width > 3) & (width != 5)"),
        (
            lambda v: (v > 99) | ~(v != 64),
            {64: True, 65: False, 100: True},
            "(width > 99) | (not (width != 64))",
        ),
    ],
)
def test_a_comparison_is_a_truth_that_follows_the_choice(width, compare, held, text):
    tracer = Tracer()
    with tracer.recording():
        truth = compare(width)
    assert not tracer.compared
    assert repr(truth) == "True"
    assert concrete(truth) is True
    assert str(expression_of(truth)) == text
    for value, expected in held.items():
        assert bool(evaluate(expression_of(truth), {"width": value})) is expected
    for copied in (copy.deepcopy(truth), pickle.loads(pickle.dumps(truth))):
        assert copied and expression_of(copied) == expression_of(truth)


def test_a_comparison_with_another_type_is_plain(width, act):
    assert (width == "64") is False
    assert (act == 3) is False
    with pytest.raises(TypeError, match="'<' not supported"):
        assert width < "3"
