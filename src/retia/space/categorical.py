"""The domain of a choice between values that have no order."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np

from retia.errors import SpaceError
from retia.space.neighbours import Neighbours, all_but
from retia.space.value import Value, freeze, jsonable

__all__ = ["Categorical"]


@dataclass(frozen=True)
class Categorical:
    """One of several values, in no order.

    Args:
        values: The values, distinct; numbers, strings, bools, None, or tuples of these.
        default: The value of the default architecture; the first of `values` if not given.

    Raises:
        SpaceError: If there is no value, a value stands twice, or the default is not among them.
    """

    values: tuple[Value, ...]
    default: Value = field(default=cast("Any", ...), kw_only=True)

    def __post_init__(self) -> None:
        values = tuple(freeze(value) for value in self.values)
        if not values:
            msg = "A choice needs at least one value, got none. Give it values: [16, 32]."
            raise SpaceError(msg)
        if len(set(values)) < len(values):
            twice = next(value for i, value in enumerate(values) if value in values[:i])
            msg = (
                f"The values of a choice must be distinct, got {twice!r} twice in {list(values)}. "
                "Remove one (1, 1.0 and True are equal)."
            )
            raise SpaceError(msg)
        default = values[0] if self.default is ... else freeze(self.default)
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
        """Whether `value` is legal."""
        try:
            return value in self._index
        except TypeError:  # it can't be hashed: a list, which stands for a tuple
            return any(jsonable(legal) == value for legal in self.values)

    def normalize(self, value: Value) -> Value:
        """Return the domain's own spelling of a legal `value`: 3 for 3.0."""
        try:
            return self.values[self._index[value]]
        except TypeError:  # it can't be hashed: a list, which stands for a tuple
            return self.values[self._index[freeze(value)]]

    def from_unit(self, unit: float) -> Value:
        """Map a number in [0, 1) to a value, uniformly."""
        return self.values[int(unit * len(self.values))]

    def sample(self, rng: np.random.Generator) -> Value:
        """Draw a value uniformly."""
        return self.from_unit(rng.random())

    def mutate(self, value: Value, rng: np.random.Generator) -> Value:
        """Draw another value than `value` uniformly."""
        index = int(rng.random() * (len(self.values) - 1))
        return self.values[index + (index >= self._index[value])]

    def enumerate(self) -> Iterator[Value]:
        """Yield every value, in order."""
        return iter(self.values)

    def neighbours(self, value: Value) -> Neighbours[Value]:
        """Return every other value."""
        return all_but(self.values, self.size, self._index[value])

    def encode(self, value: Value) -> list[float]:
        """One-hot."""
        encoded = [0.0] * len(self.values)
        encoded[self._index[value]] = 1.0
        return encoded

    def distance(self, a: Value, b: Value) -> float:
        """0 if equal, else 1."""
        return float(a != b)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `domain_from_json` reads."""
        return {"type": "categorical", "values": jsonable(self.values), "default": jsonable(self.default)}

    def __str__(self) -> str:
        return "{" + ", ".join(str(value) for value in self.values) + "}"
