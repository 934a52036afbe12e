import math
from collections import Counter

import numpy as np
import pytest

from retia.rng import stream
from retia.space import (
    Categorical,
    Clause,
    Condition,
    Integer,
    Neighbours,
    Parameter,
    Real,
    SearchSpace,
    Subset,
)

DOMAINS = [
    (Categorical(tuple("abcd")), "c", ["a", "b", "d"]),
    (Integer(2, 10, step=2), 4, [2, 6, 8, 10]),
    (Real(0, 1), 0.0, [0.1]),
    (Subset(tuple("abc"), least=1, most=2), ("a",), [("a", "b"), ("a", "c"), ("b",), ("c",)]),
    (Subset(tuple("abc"), least=1, most=2), ("a", "c"), [("c",), ("b", "c"), ("a",), ("a", "b")]),
    (Subset(tuple("ab"), least=2), ("a", "b"), []),
]


@pytest.mark.parametrize(("domain", "value", "around"), DOMAINS)
def test_a_domain_has_each_neighbour_once_in_either_order(domain, value, around):
    neighbours = domain.neighbours(value)
    assert list(neighbours) == around
    assert neighbours.count == len(around)
    assert sorted(neighbours.shuffled(stream(0)), key=repr) == sorted(neighbours, key=repr)


def test_all_orders_are_equally_likely():
    numbers = Neighbours(3, int)
    orders = Counter(tuple(numbers.shuffled(stream(0, i))) for i in range(1200))
    assert len(orders) == math.factorial(3)
    assert all(
        140 <= count <= 260 for count in orders.values()
    )  # 200 each, give or take four and a half standard deviations


def test_what_is_not_asked_for_is_not_made():
    made = []
    numbers = Neighbours(10**30, lambda index: made.append(index) or index)
    drawn = numbers.shuffled(stream(0))
    assert [next(drawn), next(drawn)] == made
    assert max(made) > 10**28


def test_neighbours_of_an_architecture_respect_conditions_and_restrictions_in_either_order():
    deep = Condition(((Clause("depth", frozenset({2})),),))
    space = SearchSpace(
        [
            Parameter("depth", Integer(1, 2)),
            Parameter("kernel", Categorical((3, 5)), deep),
            Parameter("width", Categorical((8, 16, 32))),
        ]
    ).where(lambda one: one["depth"] * one["width"] < 64)
    around = space.neighbours(space.validate({"depth": 2, "kernel": 5, "width": 8}))
    expected = [
        {"depth": 1, "width": 8},
        {"depth": 2, "kernel": 3, "width": 8},
        {"depth": 2, "kernel": 5, "width": 16},
    ]
    assert list(around) == expected
    shuffled = list(around.shuffled(np.random.default_rng(1)))
    assert len(shuffled) == 3
    assert all(one in shuffled for one in expected)
