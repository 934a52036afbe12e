"""The decisions that lead to an architecture: one of several options for each parameter."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from retia.errors import SpaceError
from retia.space import Condition, Domain, Integer, Real, SearchSpace, Subset, Value

__all__ = ["Decision", "decisions_of"]

BINS = 16
"""Into how many parts a real interval, or a long range of integers, is divided."""
LISTED = 64
"""The longest range of integers of which each is an option."""
MOST_SUBSETS = 4096
"""The most subsets of which each is an option."""


@dataclass(frozen=True)
class Decision:
    """The options that there are for a parameter: its values, or parts of its scale.

    Args:
        label: The parameter.
        domain: Its legal values.
        condition: When it is active.
        first: The place of its first option among those of all parameters.
    """

    label: str
    domain: Domain
    condition: Condition
    first: int

    @cached_property
    def values(self) -> tuple[Value, ...] | None:
        """The value of each option; None where an option is a part of the scale."""
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
        """Return which option a value belongs to."""
        if self.values is None:
            return min(int(self.domain.encode(value)[0] * BINS), BINS - 1)
        return self._places[value]

    def value(self, option: int, rng: np.random.Generator) -> Value:
        """Return the option's value; one of its part of the scale, drawn uniformly, where it is that."""
        return (
            self.domain.from_unit((option + rng.random()) / BINS)
            if self.values is None
            else self.values[option]
        )


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
                f"A policy decides between at most {MOST_SUBSETS:,} subsets, "
                f"and '{parameter.label}' has {parameter.domain.size:,}. "
                f"Take another strategy, or bound how many items it takes."
            )
            raise SpaceError(msg)
        decision = Decision(parameter.label, parameter.domain, parameter.condition, first)
        decisions.append(decision)
        first += decision.options
    return decisions
