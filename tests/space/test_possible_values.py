"""The values of an expression, without trying combinations of parts that share no parameter."""

import re

import pytest

from retia.errors import SpaceError
from retia.space import (
    Call,
    Categorical,
    Integer,
    Item,
    Operation,
    Real,
    Reference,
    possible_values,
    values_of,
)

DOMAINS = {f"w{i}": Categorical((4 + i, 40, 50)) for i in range(20)} | {
    "depth": Integer(1, 4),
    "pair": Categorical(((1, 2), (3, 4))),
}
A, B = Reference("w0"), Reference("w1")


def second(first, *others):
    return first if not others else others[0]


@pytest.mark.parametrize(
    "term",
    [
        A,
        Operation("mul", (A, B)),
        Operation("sub", (A, Operation("floordiv", (A, 3)))),
        Call(max, (A, B, 5)),
        Call(min, ((A, 7), )),
        Call(sum, ([A, B, A],)),
        Call(second, (A, B)),
        Item(Reference("pair"), 1),
    ],
)  # fmt: skip
def test_possible_values_equal_those_of_all_combinations(term):
    assert possible_values(term, DOMAINS) == {value for _, value in values_of(term, DOMAINS)}


def test_twenty_widths_are_not_looked_through():
    widths = tuple(Reference(f"w{i}") for i in range(20))
    assert max(possible_values(Call(max, (widths,)), DOMAINS)) == 50
    assert min(possible_values(Call(sum, (widths,)), DOMAINS)) == sum(range(4, 24))


def test_containers_and_constants():
    assert possible_values((A, 2), DOMAINS) == {(4, 2), (40, 2), (50, 2)}
    assert possible_values([A, A], DOMAINS) == {(4, 4), (40, 40), (50, 50)}
    assert possible_values(3, DOMAINS) == {3}


def test_too_many_combinations_are_rejected():
    term = Call(second, (tuple(Reference(f"w{i}") for i in range(20)),))
    with pytest.raises(
        SpaceError, match=re.escape("'second((w0, w1, ") + r".*have 3,486,784,401 combinations of values"
    ):
        possible_values(term, DOMAINS)
    with pytest.raises(SpaceError, match=r"have inf combinations of values"):
        possible_values(Reference("lr"), {"lr": Real(0.0, 1.0)})
