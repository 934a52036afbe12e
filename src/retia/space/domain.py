"""Domains: the legal values of one parameter, as frozen dataclasses of JSON scalars."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any, TypeAlias, cast

import numpy as np

from retia.errors import SpaceError

__all__ = ["Categorical", "Domain", "Integer", "Real", "Subset", "Value", "domain_from_json", "freeze"]

Value: TypeAlias = "None | bool | int | float | str | tuple[Value, ...]"
"""What a parameter may hold: a JSON scalar, or a tuple of them."""


def freeze(value: object) -> Value:
    """Return `value` as a JSON scalar, or as a tuple for a list of them.

    Raises:
        SpaceError: If `value` is neither.
    """
    if value is None or type(value) in (bool, int, float, str):
        return cast("Value", value)
    if isinstance(value, list | tuple):
        return tuple(freeze(item) for item in cast("Sequence[object]", value))
    if isinstance(value, np.generic):
        return freeze(value.item())
    for kind in (bool, int, float, str):  # subclasses, such as a symbolic number or an enum of strings
        if isinstance(value, kind):
            return kind(value)
    msg = (
        f"A parameter holds a number, a string, a bool, None or a tuple of these, got {value!r}. "
        f"To choose between modules use layer_choice; to choose between other objects, choose a name and look the object up."
    )
    raise SpaceError(msg)


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
    default: Value = field(default=cast("Value", ...), kw_only=True)

    def __post_init__(self) -> None:
        values = tuple(freeze(value) for value in self.values)
        if not values:
            msg = "A choice needs at least one value, got none."
            raise SpaceError(msg)
        if len(set(values)) < len(values):
            twice = next(value for i, value in enumerate(values) if value in values[:i])
            msg = f"The values of a choice must be distinct, got {twice!r} twice in {list(values)}. Remove one (1, 1.0 and True are equal)."
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
        return _hashable(value) and value in self._index

    def normalize(self, value: Value) -> Value:
        """Return the domain's own spelling of a legal `value`: 3 for 3.0."""
        return self.values[self._index[value]]

    def from_unit(self, unit: float) -> Value:
        """Map a number in [0, 1) to a value, uniformly."""
        return self.values[int(unit * len(self.values))]

    def sample(self, rng: np.random.Generator) -> Value:
        """Draw a value uniformly."""
        return self.from_unit(rng.random())

    def mutate(self, value: Value, rng: np.random.Generator) -> Value:
        """Draw another value than `value` uniformly."""
        index = int(rng.integers(len(self.values) - 1))
        return self.values[index + (index >= self._index[value])]

    def enumerate(self) -> Iterator[Value]:
        """Yield every value, in order."""
        return iter(self.values)

    def neighbours(self, value: Value) -> Iterator[Value]:
        """Yield every other value."""
        return (other for other in self.values if other != value)

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
        return {"type": "categorical", "values": _jsonable(self.values), "default": _jsonable(self.default)}

    def __str__(self) -> str:
        return "{" + ", ".join(str(value) for value in self.values) + "}"


@dataclass(frozen=True)
class Integer:
    """A whole number in [low, high], both included.

    Args:
        low: The least value.
        high: The greatest value; `high - low` is a multiple of `step`.
        step: The distance between two values.
        log: Whether to sample and measure distance on a logarithmic scale; needs `low >= 1`.
        default: The value of the default architecture; `low` if not given.

    Raises:
        SpaceError: If the bounds, the step or the default don't fit.
    """

    low: int
    high: int
    step: int = field(default=1, kw_only=True)
    log: bool = field(default=False, kw_only=True)
    default: int = field(default=cast("int", ...), kw_only=True)

    def __post_init__(self) -> None:
        if self.default is ...:
            object.__setattr__(self, "default", self.low)
        for name in ("low", "high", "step", "default"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                msg = f"'{name}' of an Integer must be a whole number, got {value!r}. For other numbers use Real or Categorical."
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
        """Whether `value` is legal."""
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
        low, high = math.log(self.low), math.log(self.high + self.step)  # each value owns [value, value + step)
        index = int((math.exp(low + unit * (high - low)) - self.low) / self.step)
        return self.low + self.step * min(index, self.size - 1)

    def sample(self, rng: np.random.Generator) -> int:
        """Draw a value uniformly (in the logarithm if `log`)."""
        return self.from_unit(rng.random())

    def mutate(self, value: Value, rng: np.random.Generator) -> int:
        """Draw another value than `value`, as `sample` does."""
        while (other := self.from_unit(rng.random())) == value:
            pass
        return other

    def enumerate(self) -> Iterator[int]:
        """Yield every value, in order."""
        return iter(range(self.low, self.high + 1, self.step))

    def neighbours(self, value: Value) -> Iterator[int]:
        """Yield every other value."""
        return (other for other in self.enumerate() if other != value)

    def encode(self, value: Value) -> list[float]:
        """The position between low (0) and high (1), on the domain's scale."""
        return [_unit(cast("int", value), self.low, self.high, log=self.log)]

    def distance(self, a: Value, b: Value) -> float:
        """The difference of the encoded values."""
        return abs(self.encode(a)[0] - self.encode(b)[0])

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `domain_from_json` reads."""
        return {"type": "integer", "low": self.low, "high": self.high, "step": self.step, "log": self.log, "default": self.default}

    def __str__(self) -> str:
        step = f" step {self.step}" if self.step > 1 else ""
        return f"{self.low}..{self.high}{step}{' log' if self.log else ''}"


@dataclass(frozen=True)
class Real:
    """A number in [low, high].

    Args:
        low: The least value.
        high: The greatest value.
        log: Whether to sample and measure distance on a logarithmic scale; needs `low > 0`.
        default: The value of the default architecture; the middle (of the scale) if not given.

    Raises:
        SpaceError: If the bounds or the default don't fit.
    """

    low: float
    high: float
    log: bool = field(default=False, kw_only=True)
    default: float = field(default=cast("float", ...), kw_only=True)

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating) or not math.isfinite(value):
                msg = f"'{name}' of a Real must be a finite number, got {value!r}."
                raise SpaceError(msg)
            object.__setattr__(self, name, float(value))
        if self.low >= self.high:
            msg = f"A Real needs low < high, got low={self.low}, high={self.high}."
            raise SpaceError(msg)
        if self.log and self.low <= 0:
            msg = f"A logarithmic Real needs low > 0, got {self.low}."
            raise SpaceError(msg)
        if self.default is ...:
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
        """Whether `value` is legal."""
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
        """Raise, for the values can't be counted.

        Raises:
            SpaceError: Always.
        """
        msg = f"The values of the real interval {self} can't be enumerated. Use an Integer or a Categorical, or space.discretize(points)."
        raise SpaceError(msg)

    def neighbours(self, value: Value) -> Iterator[float]:
        """Yield the values a tenth of the scale below and above, where they lie in the interval."""
        unit = self.encode(value)[0]
        return (self.from_unit(near) for near in (unit - 0.1, unit + 0.1) if 0 <= near <= 1)

    def encode(self, value: Value) -> list[float]:
        """The position between low (0) and high (1), on the domain's scale."""
        return [_unit(cast("float", value), self.low, self.high, log=self.log)]

    def distance(self, a: Value, b: Value) -> float:
        """The difference of the encoded values."""
        return abs(self.encode(a)[0] - self.encode(b)[0])

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `domain_from_json` reads."""
        return {"type": "real", "low": self.low, "high": self.high, "log": self.log, "default": self.default}

    def __str__(self) -> str:
        return f"[{self.low:g}, {self.high:g}]{' log' if self.log else ''}"


@dataclass(frozen=True)
class Subset:
    """Some of several items, in the items' order.

    Args:
        items: What may be taken, distinct.
        least: The fewest items that may be taken.
        most: The most items that may be taken; all of them if not given.
        default: The value of the default architecture; the first `least` items (at least one, where one may be taken) if not given.

    Raises:
        SpaceError: If the items are not distinct, or the bounds or the default don't fit.
    """

    items: tuple[Value, ...]
    least: int = field(default=0, kw_only=True)
    most: int = field(default=cast("int", ...), kw_only=True)
    default: tuple[Value, ...] = field(default=cast("tuple[Value, ...]", ...), kw_only=True)

    def __post_init__(self) -> None:
        items = tuple(freeze(item) for item in self.items)
        if not items or len(set(items)) < len(items):
            msg = f"A subset needs distinct items, at least one, got {list(items)}."
            raise SpaceError(msg)
        most = len(items) if self.most is ... else self.most
        if not 0 <= self.least <= most <= len(items):
            msg = f"A subset of {len(items)} items needs 0 <= least <= most <= {len(items)}, got least={self.least}, most={most}."
            raise SpaceError(msg)
        object.__setattr__(self, "items", items)
        object.__setattr__(self, "most", most)
        default = items[: min(max(self.least, 1), most)] if self.default is ... else freeze(list(self.default))
        if not self.contains(default):
            msg = f"The default must hold {self.least} to {most} of {list(items)}, got {default!r}."
            raise SpaceError(msg)
        object.__setattr__(self, "default", self.normalize(default))

    @cached_property
    def _index(self) -> dict[Value, int]:
        return {item: i for i, item in enumerate(self.items)}

    @cached_property
    def _cumulative(self) -> list[int]:
        total, sums = 0, list[int]()
        for count in range(self.least, self.most + 1):
            total += math.comb(len(self.items), count)
            sums.append(total)
        return sums

    @property
    def size(self) -> int:
        """The number of subsets."""
        return self._cumulative[-1]

    @property
    def width(self) -> int:
        """The length of an encoded value."""
        return len(self.items)

    def contains(self, value: object) -> bool:
        """Whether `value` is legal; its order does not matter."""
        if not isinstance(value, tuple | list):
            return False
        items = cast("Sequence[object]", value)
        if not all(_hashable(item) and item in self._index for item in items):
            return False
        return len(set(items)) == len(items) and self.least <= len(items) <= self.most

    def normalize(self, value: Value) -> tuple[Value, ...]:
        """Return a legal `value` as a tuple in the items' order."""
        chosen = sorted(self._index[item] for item in cast("tuple[Value, ...]", value))
        return tuple(self.items[i] for i in chosen)

    def from_unit(self, unit: float) -> tuple[Value, ...]:
        """Map a number in [0, 1) to a subset, uniformly."""
        return self._unrank(min(int(unit * self.size), self.size - 1))

    def sample(self, rng: np.random.Generator) -> tuple[Value, ...]:
        """Draw a subset uniformly."""
        return self.from_unit(rng.random())

    def mutate(self, value: Value, rng: np.random.Generator) -> tuple[Value, ...]:
        """Draw one of the neighbours uniformly."""
        options = list(self.neighbours(value))
        return options[int(rng.integers(len(options)))]

    def enumerate(self) -> Iterator[tuple[Value, ...]]:
        """Yield every subset, the small ones first."""
        return (subset for count in range(self.least, self.most + 1) for subset in combinations(self.items, count))

    def neighbours(self, value: Value) -> Iterator[tuple[Value, ...]]:
        """Yield the subsets with one item more, one fewer, or one exchanged."""
        chosen = cast("tuple[Value, ...]", value)
        others = [item for item in self.items if item not in chosen]
        if len(chosen) < self.most:
            yield from (self.normalize((*chosen, item)) for item in others)
        for gone in chosen:
            kept = tuple(item for item in chosen if item != gone)
            if len(kept) >= self.least:
                yield kept
            yield from (self.normalize((*kept, item)) for item in others)

    def encode(self, value: Value) -> list[float]:
        """One number an item: 1 if it is taken."""
        chosen = cast("tuple[Value, ...]", value)
        return [float(item in chosen) for item in self.items]

    def distance(self, a: Value, b: Value) -> float:
        """The share of the items on which the two differ."""
        differing = set(cast("tuple[Value, ...]", a)) ^ set(cast("tuple[Value, ...]", b))
        return len(differing) / len(self.items)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `domain_from_json` reads."""
        return {"type": "subset", "items": _jsonable(self.items), "least": self.least, "most": self.most, "default": _jsonable(self.default)}

    def __str__(self) -> str:
        bounds = f"{self.least}" if self.least == self.most else f"{self.least}..{self.most}"
        return f"{bounds} of {{{', '.join(str(item) for item in self.items)}}}"

    def _unrank(self, rank: int) -> tuple[Value, ...]:
        step = next(i for i, total in enumerate(self._cumulative) if rank < total)
        rank -= self._cumulative[step - 1] if step else 0
        left, chosen = self.least + step, list[Value]()
        for i, item in enumerate(self.items):
            with_item = math.comb(len(self.items) - i - 1, left - 1) if left else 0
            if rank < with_item:
                chosen.append(item)
                left -= 1
            else:
                rank -= with_item
        return tuple(chosen)


Domain: TypeAlias = Categorical | Integer | Real | Subset

_KINDS: dict[str, type[Domain]] = {"categorical": Categorical, "integer": Integer, "real": Real, "subset": Subset}


def domain_from_json(data: Mapping[str, Any]) -> Domain:
    """Read what a domain's `to_json` wrote."""
    fields = {name: value for name, value in data.items() if name != "type"}
    for name in ("values", "items"):
        if name in fields:
            fields[name] = freeze(fields[name])
    return _KINDS[data["type"]](**fields)


def _hashable(value: object) -> bool:
    return isinstance(value, tuple | str | int | float | bool | np.generic) or value is None


def _unit(value: float, low: float, high: float, *, log: bool) -> float:
    if low == high:
        return 0.0
    if log:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return (value - low) / (high - low)


def _jsonable(value: Value) -> Any:
    return [_jsonable(item) for item in value] if isinstance(value, tuple) else value
