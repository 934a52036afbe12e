"""The decisions of a policy: one of several options for each parameter."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from retia.errors import SpaceError
from retia.space import Condition, Domain, Integer, Real, SearchSpace, Subset, Value

__all__ = ["Decision", "decisions_of"]

BINS = 16
"""Number of options of a real parameter, or of a long range of integers: equal parts of its scale."""
LISTED = 64
"""Length of the longest range of integers in which each integer is an option."""
MOST_SUBSETS = 4096
"""Largest number of subsets; each is an option."""


@dataclass(frozen=True)
class Decision:
    """The options of a parameter: its values, or parts of its scale.

    Args:
        label: Label of the parameter.
        domain: Domain of the parameter.
        condition: Condition under which the parameter is active.
        first: Index of its first option among the options of all parameters.
    """

    label: str
    domain: Domain
    condition: Condition
    first: int

    @cached_property
    def values(self) -> tuple[Value, ...] | None:
        """The value of each option; None if the options are parts of the scale."""
        if isinstance(self.domain, Real) or (isinstance(self.domain, Integer) and self.domain.size > LISTED):
            return None
        return tuple(self.domain.enumerate())

    @cached_property
    def _places(self) -> Mapping[Value, int]:
        return {value: place for place, value in enumerate(self.values or ())}

    @cached_property
    def options(self) -> int:
        """The number of options."""
        return BINS if self.values is None else len(self.values)

    def option(self, value: Value) -> int:
        """Return the index of the option that contains a value."""
        if self.values is None:
            return min(int(self.domain.encode(value)[0] * BINS), BINS - 1)
        return self._places[value]

    def value(self, option: int, rng: np.random.Generator) -> Value:
        """Return the value of an option, drawn uniformly if the option is a part of the scale."""
        if self.values is None:
            return self.domain.from_unit((option + rng.random()) / BINS)
        return self.values[option]


def decisions_of(space: SearchSpace) -> list[Decision]:
    """Return the decisions of a space, in the order of its parameters.

    Raises:
        SpaceError: If a parameter has more than 4,096 subsets.
    """
    decisions: list[Decision] = []
    first = 0
    for parameter in space.parameters.values():
        if isinstance(parameter.domain, Subset) and parameter.domain.size > MOST_SUBSETS:
            msg = (
                f"A policy supports at most {MOST_SUBSETS:,} subsets of a parameter, "
                f"and '{parameter.label}' has {parameter.domain.size:,}. "
                "Use another strategy, or limit the number of items."
            )
            raise SpaceError(msg)
        decision = Decision(parameter.label, parameter.domain, parameter.condition, first)
        decisions.append(decision)
        first += decision.options
    return decisions
