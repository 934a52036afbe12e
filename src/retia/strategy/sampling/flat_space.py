"""A search space as flat rows of numbers and categories."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from retia.space import (
    Architecture,
    Categorical,
    Condition,
    Domain,
    Integer,
    Real,
    SearchSpace,
    Subset,
    Value,
)

__all__ = ["Column", "FlatSpace", "Row", "from_unit", "to_unit"]

Row = dict[str, int | float]
"""The value of each column: the index of a category, or a number from 0 to 1."""


@dataclass(frozen=True)
class Column:
    """A parameter, or one item of a subset.

    Args:
        name: Label of the parameter; for an item of a subset followed by `#` and the item's index.
        categories: Number of categories; 0 for a number.
    """

    name: str
    categories: int


class FlatSpace:
    """The columns of a search space, for optimizers that know only numbers and categories.

    A categorical parameter is a column of categories. A number is a column from 0 to 1 on its own scale. A
    subset is one column of two categories for each item, so that what is learnt about an item holds for every
    subset; a size out of bounds is repaired at random. A parameter with a single value has no column.

    Args:
        space: The search space.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self.columns_of: dict[str, tuple[Column, ...]] = {
            label: _columns(label, parameter.domain) for label, parameter in space.parameters.items()
        }
        self.groups: dict[Condition, list[str]] = {}
        for label, parameter in space.parameters.items():
            self.groups.setdefault(parameter.condition, []).append(label)

    @property
    def columns(self) -> list[Column]:
        """All columns, in the order of the parameters."""
        return [column for columns in self.columns_of.values() for column in columns]

    def row(self, architecture: Mapping[str, Value]) -> Row:
        """Return the values of the active parameters' columns."""
        row: Row = {}
        for label, value in architecture.items():
            columns = self.columns_of[label]
            domain = self.space.parameters[label].domain
            match domain:
                case Categorical():
                    if columns:
                        row[label] = domain.values.index(value)
                case Subset():
                    row.update(
                        zip((column.name for column in columns), map(int, domain.encode(value)), strict=True)
                    )
                case _:
                    if columns:
                        row[label] = to_unit(domain, value)
        return row

    def value(self, label: str, row: Row, rng: np.random.Generator) -> Value:
        """Return the value of a parameter; `rng` repairs a subset that is too small or too large."""
        columns, domain = self.columns_of[label], self.space.parameters[label].domain
        if not columns:
            one = domain.default
            return domain.normalize(next(domain.enumerate())) if isinstance(domain, Subset) else one
        match domain:
            case Categorical():
                return domain.values[int(row[label])]
            case Subset():
                return _repaired(domain, [bool(row[column.name]) for column in columns], rng)
            case _:
                return from_unit(domain, float(row[label]))

    def architecture(self, row: Row, rng: np.random.Generator) -> Architecture:
        """Return the architecture of a row. Columns of inactive parameters are not read."""
        values: dict[str, Value] = {}
        for label, parameter in self.space.parameters.items():
            if parameter.condition.holds(values):
                values[label] = self.value(label, row, rng)
        return Architecture(values)


def to_unit(domain: Integer | Real, value: Value) -> float:
    """Return the place of a number on its scale, from 0 to 1; an integer is in the middle of its part."""
    if isinstance(domain, Real):
        return domain.encode(value)[0]
    number = cast("int", value)
    if not domain.log:
        return ((number - domain.low) // domain.step + 0.5) / domain.size
    low, high = math.log(domain.low), math.log(domain.high + domain.step)
    return (0.5 * (math.log(number) + math.log(number + domain.step)) - low) / (high - low)


def from_unit(domain: Integer | Real, unit: float) -> Value:
    """Return the number at a place on its scale: the inverse of `to_unit`."""
    return domain.from_unit(
        min(max(unit, 0.0), 1.0 if isinstance(domain, Real) else math.nextafter(1.0, 0.0))
    )


def _columns(label: str, domain: Domain) -> tuple[Column, ...]:
    if domain.size == 1:
        return ()
    match domain:
        case Categorical():
            return (Column(label, len(domain.values)),)
        case Subset():
            return tuple(Column(f"{label}#{i}", 2) for i in range(len(domain.items)))
        case _:
            return (Column(label, 0),)


def _repaired(domain: Subset, taken: Sequence[bool], rng: np.random.Generator) -> Value:
    """Return the items that are taken, with random ones added or removed until their number is legal."""
    chosen = [i for i, one in enumerate(taken) if one]
    if len(chosen) < domain.least:
        others = [i for i, one in enumerate(taken) if not one]
        chosen += rng.permutation(others)[: domain.least - len(chosen)].tolist()
    elif len(chosen) > domain.most:
        chosen = rng.permutation(chosen)[: domain.most].tolist()
    return tuple(domain.items[i] for i in sorted(chosen))
