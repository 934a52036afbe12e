"""Whether an architecture belongs to its space, and what is wrong if it does not."""

import difflib
from collections.abc import Iterable, Mapping

from retia.errors import ArchitectureError
from retia.space.architecture import Architecture
from retia.space.parameter import Parameter, Step
from retia.space.value import Value

__all__ = ["canonical", "refuse_superfluous"]


def canonical(plan: Iterable[Step], architecture: Mapping[str, Value]) -> Architecture:
    """Return the active parameters of the architecture, each value as its domain spells it.

    Raises:
        ArchitectureError: If an active parameter is missing or has an illegal value.
    """
    held: dict[str, Value] = {}
    given = architecture.unwrapped if isinstance(architecture, Architecture) else architecture
    for label, parameter, condition in plan:
        if condition is not None and not condition.holds(held):
            continue
        if label not in given:
            _refuse_unknown({label: parameter for label, parameter, _ in plan}, given)
            msg = (
                f"The architecture lacks '{label}' ({parameter.domain}), which is active: "
                f"{parameter.condition}. Add a value for it."
            )
            raise ArchitectureError(msg)
        value = given[label]
        if not parameter.domain.contains(value):
            msg = (
                f"'{label}' takes one of {parameter.domain}, got {value!r}. "
                "Take the architecture from this space, or add the value to the declaration."
            )
            raise ArchitectureError(msg)
        held[label] = parameter.domain.normalize(value)
    return Architecture.trusted(held)


def refuse_superfluous(
    parameters: Mapping[str, Parameter], given: Mapping[str, Value], active: Mapping[str, Value]
) -> None:
    """Raise if an architecture contains a label that is not active in it.

    Raises:
        ArchitectureError: If a label is unknown or not active.
    """
    if len(given) == len(active):
        return
    _refuse_unknown(parameters, given)
    label = next(label for label in given if label not in active)
    msg = (
        f"'{label}' is not active in this architecture: it exists only while {parameters[label].condition}. "
        f"Remove it, or call space.canonical(architecture)."
    )
    raise ArchitectureError(msg)


def _refuse_unknown(parameters: Mapping[str, Parameter], given: Mapping[str, Value]) -> None:
    for label in given:
        if label not in parameters:
            near = difflib.get_close_matches(str(label), parameters, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"The labels are {list(parameters)}."
            msg = f"The space has no parameter '{label}'. {hint}"
            raise ArchitectureError(msg)
