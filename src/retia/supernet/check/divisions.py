"""Divisions: sizes that have to divide others for every architecture, such as heads a width."""

import builtins
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
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

__all__ = ["require_even_divisions"]

COMBINATIONS = 100_000
"""Largest number of combinations of values that are tried."""
TRIES = 100
"""Number of architectures that are sampled to find certain values, in a space with restrictions."""
LISTED = 50
"""Largest number of combinations of values that a message lists instead of calling an unnamed function."""


def require_even_divisions(space: ModelSpace, divisions: Sequence[Division]) -> None:
    """Reject a space in which a size does not divide another for some architecture.

    Raises:
        SupernetError: If a division leaves a remainder for an architecture, which the message names together
            with the restriction that excludes it; or if the sizes depend on more than `COMBINATIONS`
            combinations of values.
    """
    constraints: list[str] = []
    first = note = ""
    domains = {label: parameter.domain for label, parameter in space.parameters.items()}
    for division in divisions:
        if _always_even(division, domains):
            continue
        _require_few_combinations(space, division)
        architecture = _uneven(space, division)
        if architecture is None:
            continue
        if not first:
            divisor, dividend = evaluate(division.terms, architecture.unwrapped)
            first = (
                f"{_requirement(division)}, but they are {divisor} and {dividend} for {dict(architecture)}."
            )
        constraint = _as_constraint(space, division)
        if constraint not in constraints:
            constraints.append(constraint)
            if "f(" in constraint and not _can_be_called(division.terms):
                note = ", where f is the function given to retia.apply"
    if first:
        several = " and ".join(f"({constraint})" for constraint in constraints)
        conjunction = several if len(constraints) > 1 else constraints[0]
        msg = (
            f"{first} Exclude such architectures with space.where(lambda a: {conjunction}){note}, "
            "or compute one size from the other."
        )
        raise SupernetError(msg)


def _requirement(division: Division) -> str:
    place = f"{where(division.path)} ({division.layer})"
    return f"{place} needs its {division.divisor} to divide its {division.dividend}"


def _always_even(division: Division, domains: Mapping[str, Domain]) -> bool:
    """Return whether a division is even for all values of both sizes; False if these are too many to try."""
    try:
        return all(_divides(*sizes) for sizes in possible_values(division.terms, domains))
    except SpaceError:
        return False


def _require_few_combinations(space: ModelSpace, division: Division) -> None:
    labels = sorted(labels_of(division.terms))
    combinations = math.prod(space.parameters[label].domain.size for label in labels)
    if combinations > COMBINATIONS:
        msg = (
            f"{_requirement(division)} for every architecture, but they "
            f"depend on {labels}, which have {combinations:,.0f} combinations of values; "
            f"at most {COMBINATIONS:,} can be tried. "
            "Choose them from a list, or compute one size from the other, as in width = heads * head_width."
        )
        raise SupernetError(msg)


def _uneven(space: ModelSpace, division: Division) -> Architecture | None:
    """Return an architecture for which a division leaves a remainder; None if not found."""
    rows = (values for values, even in _combinations(space, division) if not even)
    found = (_architecture_with(space, values) for values in rows)
    return next((architecture for architecture in found if architecture is not None), None)


def _combinations(space: ModelSpace, division: Division) -> Iterator[tuple[dict[str, Value], bool]]:
    """Yield every combination of the values that a division depends on, and whether it is even."""
    domains = {label: space.parameters[label].domain for label in labels_of(division.terms)}
    return values_of(Call(_divides, division.terms), domains)


def _divides(divisor: int, dividend: int) -> bool:
    return divisor != 0 and dividend % divisor == 0


def _architecture_with(space: ModelSpace, values: Mapping[str, Value]) -> Architecture | None:
    """Return an architecture of the space with certain values; None if not found."""
    rng = stream(0, "divisions")
    choices: list[Callable[[Domain], Value]] = [greatest, lambda domain: domain.default]
    for choose in (*choices, *[lambda domain: domain.sample(rng)] * (TRIES if space.restrictions else 0)):
        others = {label: choose(parameter.domain) for label, parameter in space.parameters.items()}
        architecture = space.canonical({**others, **values})
        if architecture.items() >= values.items() and architecture in space:
            return architecture
    return None


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
    """Return whether all functions in a term are builtins, such as `min`, which any code can call by name."""
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
    """Return the condition as a list of the even or the uneven values; None if both lists are long."""
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
    """Return a term as Python code that computes it from the architecture `a`."""
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
    """Code that is its own representation."""

    __slots__ = ()
    __repr__ = str.__str__
