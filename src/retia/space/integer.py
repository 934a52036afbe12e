"""The domain of a whole number."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from retia.errors import SpaceError
from retia.space.neighbours import Neighbours, all_but
from retia.space.scale import position
from retia.space.value import UNSET, Value

__all__ = ["Integer"]


@dataclass(frozen=True)
class Integer:
    """A whole number in [low, high], both included.

    Args:
        low: Least value.
        high: Greatest value; `high - low` is a multiple of `step`.
        step: Distance between two values. Default 1.
        log: Whether to sample and to measure distance on a logarithmic scale, which needs `low >= 1`. Default
            False.
        default: Value in the default architecture. Default: `low`.

    Raises:
        SpaceError: If an argument is not a whole number, `low > high`, `step` does not divide `high - low`,
            `log` is set with `low < 1`, or `default` is not a value.
    """

    low: int
    high: int
    step: int = field(default=1, kw_only=True)
    log: bool = field(default=False, kw_only=True)
    default: int = field(default=UNSET, kw_only=True)

    def __post_init__(self) -> None:
        if self.default is UNSET:
            object.__setattr__(self, "default", self.low)
        for name in ("low", "high", "step", "default"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                msg = (
                    f"'{name}' of an Integer must be a whole number, got {value!r}. "
                    "For other numbers use Real or Categorical."
                )
                raise SpaceError(msg)
            object.__setattr__(self, name, int(value))
        if self.low > self.high:
            msg = f"An Integer needs low <= high, got low={self.low}, high={self.high}."
            raise SpaceError(msg)
        if self.step < 1 or (self.high - self.low) % self.step:
            msg = f"'step' must be positive and divide high - low = {self.high - self.low}, got {self.step}."
            raise SpaceError(msg)
        if self.log and self.low < 1:
            msg = f"A logarithmic Integer needs low >= 1, got {self.low}."
            raise SpaceError(msg)
        if not self.contains(self.default):
            msg = f"The default must be one of {self}, got {self.default}."
            raise SpaceError(msg)

    @property
    def size(self) -> int:
        """The number of values."""
        return (self.high - self.low) // self.step + 1

    @property
    def width(self) -> int:
        """The length of an encoded value."""
        return 1

    def contains(self, value: object) -> bool:
        """Return whether `value` is legal."""
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            return False
        return bool(self.low <= value <= self.high and (value - self.low) % self.step == 0)

    def normalize(self, value: Value) -> int:
        """Return a legal `value` as an int."""
        return int(cast("int", value))

    def from_unit(self, unit: float) -> int:
        """Map a number in [0, 1) to a value, uniformly (in the logarithm if `log`)."""
        if not self.log:
            return self.low + self.step * int(unit * self.size)
        # each value owns [value, value + step)
        low, high = math.log(self.low), math.log(self.high + self.step)
        index = int((math.exp(low + unit * (high - low)) - self.low) / self.step)
        return self.low + self.step * min(index, self.size - 1)

    def sample(self, rng: np.random.Generator) -> int:
        """Draw a value uniformly (in the logarithm if `log`)."""
        return self.from_unit(rng.random())

    def mutate(self, value: Value, rng: np.random.Generator) -> int:
        """Draw a value that differs from `value`, with the distribution of `sample`."""
        while (other := self.from_unit(rng.random())) == value:
            pass
        return other

    def enumerate(self) -> Iterator[int]:
        """Yield every value, in order."""
        return iter(range(self.low, self.high + 1, self.step))

    def neighbours(self, value: Value) -> Neighbours[int]:
        """Return all values except `value`."""
        own = (cast("int", value) - self.low) // self.step
        return all_but(range(self.low, self.high + self.step, self.step), self.size, own)

    def encode(self, value: Value) -> list[float]:
        """Return the position between `low` (0) and `high` (1), on the domain's scale."""
        return [position(cast("int", value), self.low, self.high, log=self.log)]

    def distance(self, a: Value, b: Value) -> float:
        """Return the difference of the encoded values."""
        return abs(self.encode(a)[0] - self.encode(b)[0])

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `domain_from_json` reads."""
        return {
            "type": "integer",
            "low": self.low,
            "high": self.high,
            "step": self.step,
            "log": self.log,
            "default": self.default,
        }

    def __str__(self) -> str:
        step = f" step {self.step}" if self.step > 1 else ""
        return f"{self.low}..{self.high}{step}{' log' if self.log else ''}"
