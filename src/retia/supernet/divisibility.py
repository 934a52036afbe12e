"""Sizes that must divide each other for every architecture, such as heads a width."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from retia.errors import SupernetError
from retia.nn import ModelSpace
from retia.rng import stream
from retia.space import Architecture, Call, Item, Operation, Reference, Value, evaluate, greatest, labels_of, values_of
from retia.supernet.assembly import Division, where

__all__ = ["check_divisions"]

TRIES = 100
"""How many architectures are sampled to find one with certain values, in a space with restrictions."""


def check_divisions(space: ModelSpace, divisions: Sequence[Division]) -> None:
    """Refuse a space in which a size does not divide another for some architecture.

    Raises:
        SupernetError: If there is one; the message names the architecture, and the restriction that excludes it.
    """
    constraints: list[str] = []
    first = ""
    for division in divisions:
        architecture = next(_uneven(space, division), None)
        if architecture is None:
            continue
        if not first:
            values = evaluate((division.divisor_term, division.dividend_term), architecture.unwrapped)
            first = (
                f"{where(division.path)} ({division.layer}) needs its {division.divisor} to divide its {division.dividend}, "
                f"but they are {values[0]} and {values[1]} for {dict(architecture)}."
            )
        constraint = _as_constraint(space, division)
        if constraint not in constraints:
            constraints.append(constraint)
    if first:
        conjunction = " and ".join(f"({constraint})" for constraint in constraints) if len(constraints) > 1 else constraints[0]
        msg = f"{first} Exclude such architectures with space.where(lambda a: {conjunction}), or compute one size from the other."
        raise SupernetError(msg)


def _uneven(space: ModelSpace, division: Division) -> Iterator[Architecture]:
    """Yield architectures for which a division leaves a remainder."""
    labels = labels_of((division.divisor_term, division.dividend_term))
    domains = {label: space.parameters[label].domain for label in labels}
    remainder = Operation("mod", (division.dividend_term, division.divisor_term))
    for values, rest in values_of(remainder, domains):
        if rest:
            yield from _architectures_with(space, values)


def _architectures_with(space: ModelSpace, values: Mapping[str, Value]) -> Iterator[Architecture]:
    """Yield architectures of the space with certain values, if any turn up."""
    rest: list[Mapping[str, Value]] = [
        {label: greatest(parameter.domain) for label, parameter in space.parameters.items()},
        {label: parameter.domain.default for label, parameter in space.parameters.items()},
    ]
    rng = stream(0, "divisions")
    for i in range(len(rest) + (TRIES if space.restrictions else 0)):
        others = rest[i] if i < len(rest) else {label: parameter.domain.sample(rng) for label, parameter in space.parameters.items()}
        architecture = space.canonical({**others, **values})
        if architecture.items() >= values.items() and architecture in space:
            yield architecture
            return


def _as_constraint(space: ModelSpace, division: Division) -> str:
    condition = f"{_as_code(division.dividend_term)} % {_as_code(division.divisor_term)} == 0"
    optional = sorted(label for label in labels_of((division.divisor_term, division.dividend_term)) if not space.parameters[label].condition.always)
    absent = [f"'{label}' not in a" for label in optional]
    return " or ".join([*absent, condition])


def _as_code(term: Any) -> str:
    """Return a term as Python would compute it from the architecture `a`."""
    match term:
        case Reference(label=label):
            return f"a['{label}']"
        case Item(of=of, index=index):
            return f"{_as_code(of)}[{index}]"
        case Call(function=function, arguments=arguments):
            return f"{getattr(function, '__name__', function)}({', '.join(map(_as_code, arguments))})"
        case Operation(name=name, operands=operands):
            return f"({Operation(name, tuple(_Code(_as_code(operand)) for operand in operands))})"
        case _:
            return str(term)


class _Code(str):
    """Code that stands in an expression as it is."""

    __slots__ = ()
