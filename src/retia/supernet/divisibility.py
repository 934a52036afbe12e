"""Sizes that must divide each other for every architecture, such as heads a width."""

import builtins
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from retia.errors import SpaceError, SupernetError
from retia.nn import ModelSpace
from retia.rng import stream
from retia.space import (
    Architecture,
    Call,
    Domain,
    Expression,
    Item,
    Operation,
    Reference,
    Value,
    evaluate,
    greatest,
    labels_of,
    possible_values,
    values_of,
)
from retia.supernet.assembly import Division, where

__all__ = ["check_divisions"]

COMBINATIONS = 100_000
"""How many combinations of values are looked through at most."""
TRIES = 100
"""How many architectures are sampled to find one with certain values, in a space with restrictions."""
LISTED = 50
"""How many combinations of values a message lists at most, where a function of the user's has no name to call
it by.
"""


def check_divisions(space: ModelSpace, divisions: Sequence[Division]) -> None:
    """Refuse a space in which a size does not divide another for some architecture.

    Raises:
        SupernetError: If there is one; the message names the architecture, and the restriction that excludes
            it. Or if the sizes depend on too many values to look through.
    """
    constraints: list[str] = []
    first = called = ""
    domains = {label: parameter.domain for label, parameter in space.parameters.items()}
    for division in divisions:
        if _always_even(division, domains):
            continue
        _refuse_endless(space, division)
        architecture = next(_uneven(space, division), None)
        if architecture is None:
            continue
        if not first:
            values = evaluate(division.terms, architecture.unwrapped)
            first = (
                f"{where(division.path)} ({division.layer}) needs its {division.divisor} to divide its "
                f"{division.dividend}, "
                f"but they are {values[0]} and {values[1]} for {dict(architecture)}."
            )
        constraint = _as_constraint(space, division)
        if constraint not in constraints:
            constraints.append(constraint)
            called = (
                ", where f is the function given to retia.apply"
                if "f(" in constraint and not _can_be_called(division.terms)
                else called
            )
    if first:
        conjunction = (
            " and ".join(f"({constraint})" for constraint in constraints)
            if len(constraints) > 1
            else constraints[0]
        )
        msg = (
            f"{first} Exclude such architectures with space.where(lambda a: {conjunction}){called}, "
            "or compute one size from the other."
        )
        raise SupernetError(msg)


def _always_even(division: Division, domains: Mapping[str, Domain]) -> bool:
    """Whether a division comes out even for all values of its two sizes, as far as these can be looked
    through.
    """
    try:
        return all(_divides(*sizes) for sizes in possible_values(division.terms, domains))
    except SpaceError:
        return False


def _refuse_endless(space: ModelSpace, division: Division) -> None:
    labels = sorted(labels_of(division.terms))
    combinations = math.prod(space.parameters[label].domain.size for label in labels)
    if combinations > COMBINATIONS:
        msg = (
            f"{where(division.path)} ({division.layer}) needs its {division.divisor} to divide its "
            f"{division.dividend} for every architecture, but they "
            f"depend on {labels}, which have {combinations:,.0f} combinations of values; "
            f"at most {COMBINATIONS:,} can be looked through. "
            f"Choose them from a list, or compute one size from the other, as in width = heads * head_width."
        )
        raise SupernetError(msg)


def _uneven(space: ModelSpace, division: Division) -> Iterator[Architecture]:
    """Yield architectures for which a division leaves a remainder."""
    for values, even in _combinations(space, division):
        if not even:
            yield from _architectures_with(space, values)


def _combinations(space: ModelSpace, division: Division) -> Iterator[tuple[dict[str, Value], bool]]:
    """Yield every combination of the values that a division depends on, and whether it comes out even."""
    domains = {label: space.parameters[label].domain for label in labels_of(division.terms)}
    return values_of(Call(_divides, division.terms), domains)


def _divides(divisor: int, dividend: int) -> bool:
    return divisor != 0 and dividend % divisor == 0


def _architectures_with(space: ModelSpace, values: Mapping[str, Value]) -> Iterator[Architecture]:
    """Yield architectures of the space with certain values, if any turn up."""
    rest: list[Mapping[str, Value]] = [
        {label: greatest(parameter.domain) for label, parameter in space.parameters.items()},
        {label: parameter.domain.default for label, parameter in space.parameters.items()},
    ]
    rng = stream(0, "divisions")
    for i in range(len(rest) + (TRIES if space.restrictions else 0)):
        others = (
            rest[i]
            if i < len(rest)
            else {label: parameter.domain.sample(rng) for label, parameter in space.parameters.items()}
        )
        architecture = space.canonical({**others, **values})
        if architecture.items() >= values.items() and architecture in space:
            yield architecture
            return


def _as_constraint(space: ModelSpace, division: Division) -> str:
    terms = division.terms
    divisor, dividend = map(_as_code, terms)
    condition = f"{dividend} % {divisor} == 0"
    if any(evaluate(division.divisor_term, values) == 0 for values, _ in _combinations(space, division)):
        condition = f"({divisor} != 0 and {condition})"
    if not all(map(_can_be_called, terms)):
        condition = _as_list(space, division) or condition
    optional = sorted(label for label in labels_of(terms) if not space.parameters[label].condition.always)
    absent = [f"{label!r} not in a" for label in optional]
    return " or ".join([*absent, condition])


def _can_be_called(term: Any) -> bool:
    """Whether all functions in a term go by their names everywhere, as `min` does and a lambda does not."""
    match term:
        case Call(function=function, arguments=arguments):
            return getattr(builtins, getattr(function, "__name__", ""), None) is function and all(
                map(_can_be_called, arguments)
            )
        case Operation(operands=operands):
            return all(map(_can_be_called, operands))
        case Item(of=of):
            return _can_be_called(of)
        case tuple() | list():
            return all(map(_can_be_called, term))  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return not isinstance(term, Expression) or isinstance(term, Reference)


def _as_list(space: ModelSpace, division: Division) -> str | None:
    """Return the condition as a list of the values that fit, or of those that don't, whichever is shorter;
    None if both are long.
    """
    labels = sorted(labels_of(division.terms))
    rows: dict[bool, list[Any]] = {True: [], False: []}
    for values, even in _combinations(space, division):
        rows[even].append(values[labels[0]] if len(labels) == 1 else tuple(values[label] for label in labels))
    even = len(rows[True]) < len(rows[False])
    if len(rows[even]) > LISTED:
        return None
    left = f"a[{labels[0]!r}]" if len(labels) == 1 else f"({', '.join(f'a[{label!r}]' for label in labels)})"
    return f"{left} {'in' if even else 'not in'} {rows[even]}"


def _as_code(term: Any) -> str:
    """Return a term as Python would compute it from the architecture `a`."""
    match term:
        case Reference(label=label):
            return f"a[{label!r}]"
        case Item(of=of, index=index):
            return f"{_as_code(of)}[{index}]"
        case Call(function=function, arguments=arguments):
            name = function.__name__ if _can_be_called(term) else "f"
            return f"{name}({', '.join(map(_as_code, arguments))})"
        case Operation(name=name, operands=operands):
            return f"({Operation(name, tuple(_Code(_as_code(operand)) for operand in operands))})"
        case tuple() | list():
            inner = ", ".join(map(_as_code, term))  # pyright: ignore[reportUnknownArgumentType]
            return f"[{inner}]"
        case _:
            return repr(term)


class _Code(str):
    """Code that stands in an expression as it is."""

    __slots__ = ()
    __repr__ = str.__str__
