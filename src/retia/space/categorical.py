"""The domain of a choice between unordered values."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from retia.errors import SpaceError
from retia.space.neighbours import Neighbours, all_but
from retia.space.value import UNSET, Value, freeze, jsonable

__all__ = ["Categorical"]


@dataclass(frozen=True)
class Categorical:
    """One of several unordered values.

    Args:
        values: Distinct numbers, strings, bools, None, or tuples of these.
        default: Value in the default architecture. Default: the first of `values`.

    Raises:
        SpaceError: If `values` is empty, contains a value twice, or does not contain `default`.
    """

    values: tuple[Value, ...]
    default: Value = field(default=UNSET, kw_only=True)

    def __post_init__(self) -> None:
        values = tuple(freeze(value) for value in self.values)
        if not values:
            msg = "A choice needs at least one value, but the list is empty. Give it values: [16, 32]."
            raise SpaceError(msg)
        if len(set(values)) < len(values):
            twice = next(value for i, value in enumerate(values) if value in values[:i])
            msg = (
                f"The values of a choice must be distinct, got {twice!r} twice in {list(values)}. "
                "Remove one (1, 1.0 and True are equal)."
            )
            raise SpaceError(msg)
        default = values[0] if self.default is UNSET else freeze(self.default)
        if default not in values:
            msg = f"The default must be one of {list(values)}, got {default!r}."
            raise SpaceError(msg)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "default", values[values.index(default)])

    @cached_property
    def _index(self) -> dict[Value, int]:
        return {value: i for i, value in enumerate(self.values)}

    @property
    def size(self) -> int:
        """The number of values."""
        return len(self.values)

    @property
    def width(self) -> int:
        """The length of an encoded value."""
        return len(self.values)

    def contains(self, value: object) -> bool:
        """Return whether `value` is legal."""
        try:
            return value in self._index
        except TypeError:  # not hashable: a list, which stands for a tuple
            return any(jsonable(legal) == value for legal in self.values)

    def normalize(self, value: Value) -> Value:
        """Return a legal `value` as the domain spells it: 3 for 3.0."""
        try:
            return self.values[self._index[value]]
        except TypeError:  # not hashable: a list, which stands for a tuple
            return self.values[self._index[freeze(value)]]

    def from_unit(self, unit: float) -> Value:
        """Map a number in [0, 1) to a value, uniformly."""
        return self.values[int(unit * len(self.values))]

    def sample(self, rng: np.random.Generator) -> Value:
        """Draw a value uniformly."""
        return self.from_unit(rng.random())

    def mutate(self, value: Value, rng: np.random.Generator) -> Value:
        """Draw a value that differs from `value`, uniformly."""
        index = int(rng.random() * (len(self.values) - 1))
        return self.values[index + (index >= self._index[value])]

    def enumerate(self) -> Iterator[Value]:
        """Yield every value, in order."""
        return iter(self.values)

    def neighbours(self, value: Value) -> Neighbours[Value]:
        """Return all values except `value`."""
        return all_but(self.values, self.size, self._index[value])

    def encode(self, value: Value) -> list[float]:
        """Return the one-hot encoding of `value`."""
        encoded = [0.0] * len(self.values)
        encoded[self._index[value]] = 1.0
        return encoded

    def distance(self, a: Value, b: Value) -> float:
        """Return 0 if the values are equal, else 1."""
        return float(a != b)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `domain_from_json` reads."""
        return {"type": "categorical", "values": jsonable(self.values), "default": jsonable(self.default)}

    def __str__(self) -> str:
        return "{" + ", ".join(str(value) for value in self.values) + "}"
