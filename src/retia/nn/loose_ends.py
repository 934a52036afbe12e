"""The loose ends of a cell: nodes whose output no other node uses."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retia.space import (
    Domain,
    Expression,
    concrete,
    evaluate,
    expression_of,
    labels_of,
    lift,
    possible_values,
)

__all__ = ["loose_ends"]


def loose_ends(inputs: int, used: tuple[Any, ...]) -> tuple[tuple[int, ...], int]:
    """Return the loose ends and their number; both are symbolic if they depend on choices.

    Args:
        inputs: Number of inputs of the cell.
        used: States that each node uses; they may be symbolic.
    """
    terms, ends = expression_of(used), _unused(inputs, concrete(used))
    if not labels_of(terms):
        return ends, len(ends)
    return lift(ends, LooseEnds(inputs, terms)), lift(len(ends), LooseEnds(inputs, terms, counted=True))


@dataclass(frozen=True)
class LooseEnds(Expression):
    """The loose ends of a cell, or their number, as an expression of the choices.

    Attributes:
        inputs: Number of inputs of the cell.
        used: Expressions of the states that each node uses.
        counted: Whether the expression is the number of loose ends.
    """

    inputs: int
    used: tuple[Any, ...]
    counted: bool = False

    @property
    def labels(self) -> frozenset[str]:
        """The parameters that the loose ends depend on."""
        return labels_of(self.used)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Return the loose ends, or their number, for values of the parameters."""
        return self._of(evaluate(self.used, values))

    def outcomes(self, domains: Mapping[str, Domain]) -> Collection[Any]:
        """Return all possible results; sets of used states are merged node by node to keep them few."""
        taken = {frozenset[int]()}
        for states in self.used:
            rows = {frozenset(row) for row in possible_values(states, domains)}
            taken = {before | row for before in taken for row in rows}
        return {self._of((tuple(states), *((),) * (len(self.used) - 1))) for states in taken}

    def _of(self, used: Sequence[Sequence[int]]) -> Any:
        ends = _unused(self.inputs, used)
        return len(ends) if self.counted else ends

    def __str__(self) -> str:
        return f"{'the number of ' if self.counted else ''}loose ends of {len(self.used)} nodes"


def _unused(inputs: int, used: Sequence[Sequence[int]]) -> tuple[int, ...]:
    taken = {state for states in used for state in states}
    return tuple(node for node in range(len(used)) if inputs + node not in taken)
