import json

import pytest

from retia.errors import SpaceError
from retia.space import (
    ALWAYS,
    Categorical,
    Clause,
    Condition,
    Integer,
    Parameter,
    Reference,
    SearchSpace,
    condition_where,
    values_of,
)
from retia.space.expression import Operation


def when(label, *values):
    return Condition(((Clause(label, frozenset(values)),),))


def test_always():
    assert ALWAYS.always
    assert ALWAYS.holds({})
    assert not ALWAYS.labels
    assert str(ALWAYS) == "always"


def test_a_clause_needs_its_parameter_to_be_active():
    assert when("a", 1, 2).holds({"a": 2})
    assert not when("a", 1, 2).holds({"a": 3})
    assert not when("a", 1, 2).holds({})


def test_alternatives_of_conjunctions():
    condition = Condition(
        ((Clause("a", frozenset({1})), Clause("b", frozenset({2}))), (Clause("c", frozenset({3})),))
    )
    assert condition.holds({"a": 1, "b": 2})
    assert condition.holds({"a": 0, "c": 3})
    assert not condition.holds({"a": 1, "b": 0})
    assert condition.labels == {"a", "b", "c"}
    assert str(condition) == "a=1 and b=2 or c=3"


def test_or():
    either = when("a", 1) | when("b", 2)
    assert either.holds({"a": 1})
    assert either.holds({"b": 2})
    assert not either.holds({"a": 2, "b": 1})
    assert (when("a", 1) | ALWAYS).always
    assert (ALWAYS | when("a", 1)).always
    assert when("a", 1) | when("a", 1) == when("a", 1)


def test_prints_several_values():
    assert str(when("a", 2, 1)) == "a in {1, 2}"


def test_json_round_trip():
    condition = Condition(
        (
            (Clause("a", frozenset({1, None, "x"})), Clause("b", frozenset({(1, (2,))}))),
            (Clause("c", frozenset({True})),),
        )
    )
    data = condition.to_json()
    assert json.loads(json.dumps(data)) == data
    assert Condition.from_json(data) == condition


def test_condition_where_groups_the_last_label():
    domains = {"a": Integer(1, 3), "b": Integer(1, 3)}
    total = Operation("add", (Reference("a"), Reference("b")))
    condition = condition_where(total, domains, lambda number: number > 4)
    for a in range(1, 4):
        for b in range(1, 4):
            assert condition.holds({"a": a, "b": b}) == (a + b > 4)
    assert condition_where(total, domains, lambda number: number > 0) == ALWAYS
    assert not condition_where(total, domains, lambda number: number > 6).alternatives


def test_values_of_lists_every_combination():
    product = Operation("mul", (Reference("a"), Reference("b")))
    found = [
        (values["a"], values["b"], result)
        for values, result in values_of(product, {"a": Integer(1, 2), "b": Categorical((3, 5))})
    ]
    assert found == [(1, 3, 3), (1, 5, 5), (2, 3, 6), (2, 5, 10)]


def test_values_of_too_many():
    domains = {"a": Integer(1, 1000), "b": Integer(1, 1000)}
    with pytest.raises(
        SpaceError, match=r"'a \+ b' depends on \['a', 'b'\], which have 1,000,000 combinations"
    ):
        list(values_of(Operation("add", (Reference("a"), Reference("b"))), domains))


def test_a_parameter_comes_after_the_labels_of_its_condition():
    space = SearchSpace(
        [
            Parameter("c", Integer(1, 2), when("b", 1)),
            Parameter("b", Integer(1, 2), when("a", 1)),
            Parameter("a", Integer(1, 2)),
        ]
    )
    assert list(space.parameters) == ["a", "b", "c"]
    assert space.size() == 2 + 1 + 1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ([Parameter("a", Integer(1, 2)), Parameter("a", Integer(1, 3))], "The label 'a' occurs twice"),
        ([Parameter("a", Integer(1, 2), when("b", 1))], "'a' refers to 'b', which is not a parameter"),
        (
            [Parameter("b", Integer(1, 2)), Parameter("a", Integer(1, 2), when("b", 3))],
            r"'a' compares 'b' with 3, which is not in 1\.\.2",
        ),
        (
            [Parameter("a", Integer(1, 2), when("b", 1)), Parameter("b", Integer(1, 2), when("a", 1))],
            r"\['a', 'b'\] depend on each other in a circle",
        ),
    ],
)
def test_impossible_conditions_say_why(parameters, message):
    with pytest.raises(SpaceError, match=message):
        SearchSpace(parameters)


@pytest.mark.parametrize("label", ["", 3, None])
def test_a_label_is_a_name(label):
    with pytest.raises(SpaceError, match="A label is a non-empty string"):
        Parameter(label, Integer(1, 2))
