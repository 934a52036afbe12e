"""The domain of a number in an interval."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from retia.errors import SpaceError
from retia.space.categorical import Categorical
from retia.space.neighbours import Neighbours
from retia.space.scale import position
from retia.space.value import UNSET, Value

__all__ = ["Real"]


@dataclass(frozen=True)
class Real:
    """A number in [low, high].

    Args:
        low: Least value.
        high: Greatest value.
        log: Whether to sample and to measure distance on a logarithmic scale, which needs `low > 0`. Default
            False.
        default: Value in the default architecture. Default: the middle of the scale.

    Raises:
        SpaceError: If a bound is not finite, `low >= high`, `log` is set with `low <= 0`, or `default` is
            outside the interval.
    """

    low: float
    high: float
    log: bool = field(default=False, kw_only=True)
    default: float = field(default=UNSET, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            value = getattr(self, name)
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float | np.integer | np.floating)
                or not math.isfinite(value)
            ):
                msg = f"'{name}' of a Real must be a finite number, got {value!r}."
                raise SpaceError(msg)
            object.__setattr__(self, name, float(value))
        if self.low >= self.high:
            msg = f"A Real needs low < high, got low={self.low}, high={self.high}."
            raise SpaceError(msg)
        if self.log and self.low <= 0:
            msg = f"A logarithmic Real needs low > 0, got {self.low}."
            raise SpaceError(msg)
        if self.default is UNSET:
            object.__setattr__(self, "default", self.from_unit(0.5))
        if not self.contains(self.default):
            msg = f"The default must be in [{self.low}, {self.high}], got {self.default!r}."
            raise SpaceError(msg)
        object.__setattr__(self, "default", float(self.default))

    @property
    def size(self) -> float:
        """Infinite."""
        return math.inf

    @property
    def width(self) -> int:
        """The length of an encoded value."""
        return 1

    def contains(self, value: object) -> bool:
        """Return whether `value` is legal."""
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            return False
        return bool(self.low <= value <= self.high)

    def normalize(self, value: Value) -> float:
        """Return a legal `value` as a float."""
        return float(cast("float", value))

    def from_unit(self, unit: float) -> float:
        """Map a number in [0, 1] to a value, uniformly (in the logarithm if `log`)."""
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            value = math.exp(low + unit * (high - low))
        else:
            value = self.low + unit * (self.high - self.low)
        return min(max(value, self.low), self.high)

    def sample(self, rng: np.random.Generator) -> float:
        """Draw a value uniformly (in the logarithm if `log`)."""
        return self.from_unit(rng.random())

    def mutate(self, value: Value, rng: np.random.Generator) -> float:
        """Draw a value near `value`: a normal step of a fifth of the scale, reflected at the bounds."""
        unit = self.encode(value)[0] + rng.normal(0.0, 0.2)
        unit = abs(unit) % 2
        moved = self.from_unit(2 - unit if unit > 1 else unit)
        return moved if moved != value else self.sample(rng)

    def enumerate(self) -> Iterator[float]:
        """Raise an error, because the values of an interval can't be enumerated.

        Raises:
            SpaceError: Always.
        """
        msg = (
            f"The values of the real interval {self} can't be enumerated. Use an Integer or a Categorical, "
            "or space.discretize(points)."
        )
        raise SpaceError(msg)

    def neighbours(self, value: Value) -> Neighbours[float]:
        """Return the values a tenth of the scale below and above, if they are in the interval."""
        unit = self.encode(value)[0]
        values = [self.from_unit(near) for near in (unit - 0.1, unit + 0.1) if 0 <= near <= 1]
        return Neighbours(len(values), values.__getitem__)

    def discretize(self, points: int) -> Categorical:
        """Return `points` values, evenly spaced on the scale, with the one nearest to the default as default.

        Raises:
            SpaceError: If `points` is less than 1.
        """
        if points < 1:
            msg = f"An interval needs at least one point, got points={points}."
            raise SpaceError(msg)
        units = [0.5] if points == 1 else [i / (points - 1) for i in range(points)]
        values = tuple(dict.fromkeys(self.from_unit(unit) for unit in units))
        return Categorical(values, default=min(values, key=lambda value: self.distance(value, self.default)))

    def encode(self, value: Value) -> list[float]:
        """Return the position between `low` (0) and `high` (1), on the domain's scale."""
        return [position(cast("float", value), self.low, self.high, log=self.log)]

    def distance(self, a: Value, b: Value) -> float:
        """Return the difference of the encoded values."""
        return abs(self.encode(a)[0] - self.encode(b)[0])

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `domain_from_json` reads."""
        return {"type": "real", "low": self.low, "high": self.high, "log": self.log, "default": self.default}

    def __str__(self) -> str:
        return f"[{self.low:g}, {self.high:g}]{' log' if self.log else ''}"
