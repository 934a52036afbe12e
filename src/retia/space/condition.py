"""Conditions: when a parameter is active."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from retia.space.value import Value, freeze, jsonable

__all__ = ["ALWAYS", "Clause", "Condition", "Conjunction"]


@dataclass(frozen=True)
class Clause:
    """A statement that holds while the parameter `label` is active and has one of `values`."""

    label: str
    values: frozenset[Value]

    def __str__(self) -> str:
        shown = sorted(self.values, key=repr)
        return (
            f"{self.label}={shown[0]}"
            if len(shown) == 1
            else f"{self.label} in {{{', '.join(str(value) for value in shown)}}}"
        )


Conjunction: TypeAlias = tuple[Clause, ...]


@dataclass(frozen=True)
class Condition:
    """A disjunctive normal form: it holds if all clauses of at least one alternative hold.

    The condition with one empty alternative always holds.
    """

    alternatives: tuple[Conjunction, ...] = ((),)

    @property
    def always(self) -> bool:
        """Whether the condition holds for every architecture."""
        return () in self.alternatives

    @property
    def labels(self) -> frozenset[str]:
        """The labels of the parameters to which the condition refers."""
        return frozenset(clause.label for conjunction in self.alternatives for clause in conjunction)

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Return whether the condition holds for the values of the active parameters before it."""
        for conjunction in self.alternatives:
            for clause in conjunction:
                if clause.label not in values or values[clause.label] not in clause.values:
                    break
            else:
                return True
        return False

    def __or__(self, other: "Condition") -> "Condition":
        """Return the condition that holds where at least one of the two holds."""
        if self.always or other.always:
            return ALWAYS
        # An alternative that implies another one adds nothing: for blocks that share a parameter, the
        # condition of the first block is enough.
        more = [
            row for row in other.alternatives if not any(_implies(row, mine) for mine in self.alternatives)
        ]
        kept = [row for row in self.alternatives if not any(_implies(row, further) for further in more)]
        return Condition((*kept, *more))

    def __and__(self, other: "Condition") -> "Condition":
        """Return the condition that holds where both do."""
        rows = (
            tuple(dict.fromkeys((*mine, *theirs)))
            for mine in self.alternatives
            for theirs in other.alternatives
        )
        return Condition(tuple(dict.fromkeys(rows)))

    def to_json(self) -> list[list[list[Any]]]:
        """Return a JSON array that `from_json` reads."""
        return [
            [
                [clause.label, [jsonable(value) for value in sorted(clause.values, key=repr)]]
                for clause in conjunction
            ]
            for conjunction in self.alternatives
        ]

    @classmethod
    def from_json(cls, data: Sequence[Sequence[Sequence[Any]]]) -> "Condition":
        """Read the array that `to_json` wrote."""
        return cls(
            tuple(
                tuple(Clause(label, frozenset(freeze(value) for value in values)) for label, values in row)
                for row in data
            )
        )

    def __str__(self) -> str:
        if self.always:
            return "always"
        return " or ".join(
            " and ".join(str(clause) for clause in conjunction) for conjunction in self.alternatives
        )


def _implies(row: Conjunction, other: Conjunction) -> bool:
    """Return whether all clauses of `other` hold where those of `row` hold."""
    return all(
        any(mine.label == clause.label and mine.values <= clause.values for mine in row) for clause in other
    )


ALWAYS = Condition()
"""The condition that holds for every architecture."""
