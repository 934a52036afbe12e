"""An architecture as a row of plain columns, for optimizers that know numbers and categories alone."""

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

__all__ = ["Column", "Columns", "Row", "from_unit", "to_unit"]

Row = dict[str, int | float]
"""A number for each column: the index of a category, or a value between 0 and 1 on the scale of a number."""


@dataclass(frozen=True)
class Column:
    """A parameter, or an item of a subset.

    Args:
        name: Its name: the label, and for a subset the item's index.
        categories: How many categories there are; 0 for a number.
        domain: The domain of the parameter.
    """

    name: str
    categories: int
    domain: Domain


class Columns:
    """How the parameters of a space are columns.

    A categorical is a column of categories. A subset is one column an item, in it or not: as one category a
    subset it would have 2^n of them, and nothing learnt of one would hold for the next. What violates the
    bounds on its size is repaired at random. A number is a column from 0 to 1 on its own scale. A parameter
    with one value is none.

    Args:
        space: The space.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self.of: dict[str, tuple[Column, ...]] = {
            label: _columns(label, parameter.domain) for label, parameter in space.parameters.items()
        }
        self.groups: dict[Condition, list[str]] = {}
        for label, parameter in space.parameters.items():
            self.groups.setdefault(parameter.condition, []).append(label)

    @property
    def all(self) -> list[Column]:
        """All columns, in the order of the parameters."""
        return [column for columns in self.of.values() for column in columns]

    def row(self, architecture: Mapping[str, Value]) -> Row:
        """Return the numbers of the active parameters' columns."""
        row: Row = {}
        for label, value in architecture.items():
            columns = self.of[label]
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
        """Return the value that the columns of a parameter stand for; `rng` repairs a subset that is too
        small or too large.
        """
        columns, domain = self.of[label], self.space.parameters[label].domain
        if not columns:
            return (
                domain.default
                if not isinstance(domain, Subset)
                else domain.normalize(next(domain.enumerate()))
            )
        match domain:
            case Categorical():
                return domain.values[int(row[label])]
            case Subset():
                return _repaired(domain, [bool(row[column.name]) for column in columns], rng)
            case _:
                return from_unit(domain, float(row[label]))

    def architecture(self, row: Row, rng: np.random.Generator) -> Architecture:
        """Return the architecture that a row of all columns stands for; what is not active in it is not
        read.
        """
        values: dict[str, Value] = {}
        for label, parameter in self.space.parameters.items():
            if parameter.condition.holds(values):
                values[label] = self.value(label, row, rng)
        return Architecture(values)


def to_unit(domain: Integer | Real, value: Value) -> float:
    """Return where a number lies on its scale, from 0 to 1; an integer in the middle of the part that is its
    own.
    """
    if isinstance(domain, Real):
        return domain.encode(value)[0]
    number = cast("int", value)
    if not domain.log:
        return ((number - domain.low) // domain.step + 0.5) / domain.size
    low, high = math.log(domain.low), math.log(domain.high + domain.step)
    return (0.5 * (math.log(number) + math.log(number + domain.step)) - low) / (high - low)


def from_unit(domain: Integer | Real, unit: float) -> Value:
    """Return the number at a place of its scale: the inverse of `to_unit`."""
    return domain.from_unit(
        min(max(unit, 0.0), 1.0 if isinstance(domain, Real) else math.nextafter(1.0, 0.0))
    )


def _columns(label: str, domain: Domain) -> tuple[Column, ...]:
    if domain.size == 1:
        return ()
    match domain:
        case Categorical():
            return (Column(label, len(domain.values), domain),)
        case Subset():
            return tuple(Column(f"{label}#{i}", 2, domain) for i in range(len(domain.items)))
        case _:
            return (Column(label, 0, domain),)


def _repaired(domain: Subset, taken: Sequence[bool], rng: np.random.Generator) -> Value:
    """Return the items that are taken, with random ones added or left out where these are too few or too
    many.
    """
    chosen = [i for i, one in enumerate(taken) if one]
    if len(chosen) < domain.least:
        others = [i for i, one in enumerate(taken) if not one]
        chosen += rng.permutation(others)[: domain.least - len(chosen)].tolist()
    elif len(chosen) > domain.most:
        chosen = rng.permutation(chosen)[: domain.most].tolist()
    return tuple(domain.items[i] for i in sorted(chosen))
