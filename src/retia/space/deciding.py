"""Which values of the parameters make an expression come out in a certain way."""

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

from retia.errors import SpaceError
from retia.space.condition import Clause, Condition, Conjunction
from retia.space.domain import Domain
from retia.space.expression import Expression
from retia.space.value import Value

__all__ = ["condition_where", "values_of"]

LIMIT = 100_000
"""How many combinations of values are tried for one expression."""


def values_of(expression: Expression, domains: Mapping[str, Domain]) -> Iterator[tuple[dict[str, Value], Any]]:
    """Yield every combination of the values of an expression's parameters, and what the expression is for it.

    Raises:
        SpaceError: If there are too many combinations, or infinitely many.
    """
    labels = sorted(expression.labels)
    combinations = 1.0
    for label in labels:
        combinations *= domains[label].size
    if combinations > LIMIT:
        msg = (
            f"'{expression}' depends on {labels}, which have {combinations:,.0f} combinations of values; at most {LIMIT:,} can be "
            f"looked through. Narrow the domains, or let it depend on fewer of them."
        )
        raise SpaceError(msg)
    for row in product(*(domains[label].enumerate() for label in labels)):
        values: dict[str, Value] = dict(zip(labels, row, strict=True))
        yield values, expression.evaluate(values)


def condition_where(expression: Expression, domains: Mapping[str, Domain], predicate: Callable[[Any], bool]) -> Condition:
    """Return the condition under which the predicate holds for the expression.

    >>> from retia.space import Integer, Reference
    >>> print(condition_where(Reference("depth"), {"depth": Integer(1, 4)}, lambda depth: depth > 2))
    depth in {3, 4}

    Raises:
        SpaceError: If the expression's parameters have too many combinations of values.
    """
    rows: dict[Conjunction, set[Value]] = {}
    last = max(expression.labels)
    everywhere = True
    for values, result in values_of(expression, domains):
        if predicate(result):
            others = tuple(Clause(label, frozenset({value})) for label, value in values.items() if label != last)
            rows.setdefault(others, set()).add(values[last])
        else:
            everywhere = False
    if everywhere:
        return Condition()
    return Condition(tuple((*others, Clause(last, frozenset(values))) for others, values in rows.items()))
