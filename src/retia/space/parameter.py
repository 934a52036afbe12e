"""A parameter: a label, its domain, and the condition under which it is active."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from retia.errors import SpaceError
from retia.space.condition import ALWAYS, Condition
from retia.space.domain import Domain

__all__ = ["Parameter", "Step", "in_order"]


@dataclass(frozen=True)
class Parameter:
    """A label, its legal values, and the condition under which it is part of an architecture."""

    label: str
    domain: Domain
    condition: Condition = ALWAYS

    def __post_init__(self) -> None:
        if not isinstance(self.label, str) or not self.label:  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
            msg = f"A label is a non-empty string, got {self.label!r}."
            raise SpaceError(msg)


Step: TypeAlias = tuple[str, Parameter, Condition | None]
"""Label, parameter, and its condition, or None if it is always active."""


def in_order(parameters: Iterable[Parameter]) -> dict[str, Parameter]:
    """Return the parameters by label, each after those in its condition, otherwise in the given order.

    Raises:
        SpaceError: If a label occurs twice, a condition refers to an unknown label or value, or conditions
            form a circle.
    """
    given = list(parameters)
    known = {parameter.label: parameter for parameter in given}
    if len(known) < len(given):
        twice = next(p.label for i, p in enumerate(given) if any(p.label == q.label for q in given[:i]))
        msg = (
            f"The label {twice!r} occurs twice. A label names one parameter: rename one, "
            "or put it in its own scope."
        )
        raise SpaceError(msg)
    for parameter in given:
        for clause in (clause for conjunction in parameter.condition.alternatives for clause in conjunction):
            if clause.label not in known:
                msg = (
                    f"The condition of '{parameter.label}' refers to '{clause.label}', "
                    "which is not a parameter of the space. Add the parameter, or change the condition."
                )
                raise SpaceError(msg)
            domain = known[clause.label].domain
            if foreign := [value for value in clause.values if not domain.contains(value)]:
                msg = (
                    f"The condition of '{parameter.label}' compares '{clause.label}' with {foreign[0]!r}, "
                    f"which is not in {domain}. Use values of the domain."
                )
                raise SpaceError(msg)
    ordered: dict[str, Parameter] = {}
    waiting = given
    while waiting:
        later = list[Parameter]()
        for parameter in waiting:
            if parameter.condition.labels <= ordered.keys():
                ordered[parameter.label] = parameter
            else:
                later.append(parameter)
        if len(later) == len(waiting):
            msg = (
                f"The conditions of {[parameter.label for parameter in later]} depend on each other in a "
                "circle. Remove one of them."
            )
            raise SpaceError(msg)
        waiting = later
    return ordered
