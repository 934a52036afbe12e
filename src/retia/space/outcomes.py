"""The values that an expression can have, and the conditions under which it has them."""

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from retia.errors import SpaceError
from retia.space.condition import Clause, Condition, Conjunction
from retia.space.domain import Domain
from retia.space.expression import Call, Expression, Item, Operation, labels_of
from retia.space.value import Value

__all__ = ["condition_where", "possible_values", "values_of"]

LIMIT = 100_000
"""Maximal number of combinations of values that are computed for one expression."""
_PAIRWISE: Mapping[Any, Callable[[Any, Any], Any]] = {max: max, min: min, sum: operator.add}
"""Functions of many values that can be computed pairwise."""


def values_of(
    expression: Expression, domains: Mapping[str, Domain]
) -> Iterator[tuple[dict[str, Value], Any]]:
    """Yield each combination of the values of an expression's parameters, with the expression's value.

    Raises:
        SpaceError: If there are more than 100,000 combinations.
    """
    labels = sorted(expression.labels)
    combinations = 1.0
    for label in labels:
        combinations *= domains[label].size
    _refuse_many(combinations, expression, labels)
    for row in product(*(domains[label].enumerate() for label in labels)):
        values: dict[str, Value] = dict(zip(labels, row, strict=True))
        yield values, expression.evaluate(values)


def condition_where(
    expression: Expression, domains: Mapping[str, Domain], predicate: Callable[[Any], bool]
) -> Condition:
    """Return the condition under which the predicate holds for the expression.

    >>> from retia.space import Integer, Reference
    >>> print(condition_where(Reference("depth"), {"depth": Integer(1, 4)}, lambda depth: depth > 2))
    depth in {3, 4}

    Raises:
        SpaceError: If the expression's parameters have more than 100,000 combinations of values.
    """
    rows: dict[Conjunction, set[Value]] = {}
    last = max(expression.labels)
    everywhere = True
    for values, result in values_of(expression, domains):
        if predicate(result):
            others = tuple(
                Clause(label, frozenset({value})) for label, value in values.items() if label != last
            )
            rows.setdefault(others, set()).add(values[last])
        else:
            everywhere = False
    if everywhere:
        return Condition()
    return Condition(tuple((*others, Clause(last, frozenset(values))) for others, values in rows.items()))


def possible_values(term: Any, domains: Mapping[str, Domain]) -> frozenset[Any]:
    """Return every value of a term: an expression, a tuple or list that may hold some, or a constant.

    A node that knows its values returns them itself (`Expression.outcomes`). Parts that share no parameter
    are combined by their values. Combinations of the parameters' values are computed only for parts that
    share a parameter.

    >>> from retia.space import Integer, Reference
    >>> sorted(possible_values(Operation("mul", (2, Reference("depth"))), {"depth": Integer(1, 3)}))
    [2, 4, 6]

    Raises:
        SpaceError: If there are more than 100,000 combinations.
    """
    if not isinstance(term, Expression):
        shared = _Several(tuple(term)) if isinstance(term, tuple | list) and not _independent(term) else None
        values = (value for _, value in values_of(shared, domains)) if shared else _choices(term, domains)
        return frozenset(tuple(value) if isinstance(value, list) else value for value in values)
    if (known := term.outcomes(domains)) is not None:
        return frozenset(known)
    if isinstance(term, Call) and term.optional:
        calls = (term.without(term.optional[present:]) for present in range(len(term.optional) + 1))
        return frozenset[Any]().union(
            *(possible_values(replace(call, optional=()), domains) for call in calls)
        )
    match term:
        case Call(function=function, arguments=parts) if function in _PAIRWISE and _independent(parts):
            return _folded(
                _PAIRWISE[function],
                parts[0] if len(parts) == 1 and isinstance(parts[0], tuple | list) else parts,
                domains,
            )
        case Operation(operands=parts) | Call(arguments=parts) if _independent(parts):
            return frozenset(term.compute(row) for row in _choices(parts, domains, term))
        case Item(of=of, index=index):
            return frozenset(value[index] for value in possible_values(of, domains))
        case _:
            return frozenset(value for _, value in values_of(term, domains))


class _Several(Call):
    """A tuple of terms, as one expression."""

    def __init__(self, terms: tuple[Any, ...]) -> None:
        super().__init__(lambda *values: values, terms)


def _folded(function: Callable[[Any, Any], Any], parts: Any, domains: Mapping[str, Domain]) -> frozenset[Any]:
    first, *rest = (possible_values(part, domains) for part in parts)
    for values in rest:
        first = frozenset(function(a, b) for a, b in product(first, values))
    return first


def _choices(term: Any, domains: Mapping[str, Domain], within: Any = None) -> list[Any]:
    """Return the values of a term whose parts share no parameter; they keep the type of a list or tuple."""
    if isinstance(term, Expression):
        return list(possible_values(term, domains))
    if not isinstance(term, tuple | list):
        return [term]
    parts = [_choices(part, domains, within) for part in term]  # pyright: ignore[reportUnknownVariableType]
    _refuse_many(math.prod(map(len, parts)), within or term, sorted(labels_of(term)))
    return [list(row) if isinstance(term, list) else row for row in product(*parts)]


def _independent(parts: Any) -> bool:
    """Return whether no two parts share a parameter."""
    seen: set[str] = set()
    for part in parts:
        labels = labels_of(part)
        if (
            seen & labels
            or isinstance(part, dict)
            or (isinstance(part, tuple | list) and not _independent(part))
        ):
            return False
        seen |= labels
    return True


def _refuse_many(combinations: float, expression: Any, labels: list[str]) -> None:
    if combinations > LIMIT:
        msg = (
            f"'{expression}' depends on {labels}, which have {combinations:,.0f} combinations of values; "
            f"at most {LIMIT:,} can be computed. Narrow the domains, or let it depend on fewer choices."
        )
        raise SpaceError(msg)
