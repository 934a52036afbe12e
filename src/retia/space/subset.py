"""The domain of a choice of several items."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import combinations
from typing import Any, cast

import numpy as np

from retia.errors import SpaceError
from retia.space.neighbours import Neighbours
from retia.space.value import UNSET, Value, freeze, jsonable

__all__ = ["Subset"]


@dataclass(frozen=True)
class Subset:
    """Some of several items, in the items' order.

    Args:
        items: Distinct items.
        least: Least number of items to take. Default 0.
        most: Greatest number of items to take. Default: all of them.
        default: Value in the default architecture. Default: the first `least` items, but at least one if
            `most` allows it.

    Raises:
        SpaceError: If `items` are empty or not distinct, the bounds are not in order, or `default` is not a
            legal subset.
    """

    items: tuple[Value, ...]
    least: int = field(default=0, kw_only=True)
    most: int = field(default=UNSET, kw_only=True)
    default: tuple[Value, ...] = field(default=UNSET, kw_only=True)

    def __post_init__(self) -> None:
        items = tuple(freeze(item) for item in self.items)
        if not items or len(set(items)) < len(items):
            msg = f"A subset needs distinct items, at least one, got {list(items)}."
            raise SpaceError(msg)
        most = len(items) if self.most is UNSET else self.most
        if not 0 <= self.least <= most <= len(items):
            msg = (
                f"A subset of {len(items)} items needs 0 <= least <= most <= {len(items)}, "
                f"got least={self.least}, most={most}."
            )
            raise SpaceError(msg)
        object.__setattr__(self, "items", items)
        object.__setattr__(self, "most", most)
        default = (
            items[: min(max(self.least, 1), most)] if self.default is UNSET else freeze(list(self.default))
        )
        if not self.contains(default):
            msg = f"The default must contain {self.least} to {most} of {list(items)}, got {default!r}."
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
        """Return whether `value` is legal, in any order."""
        if not isinstance(value, tuple | list):
            return False
        try:
            items = cast("tuple[Value, ...]", freeze(value))
        except SpaceError:
            return False
        return (
            len(set(items)) == len(items)
            and self.least <= len(items) <= self.most
            and self._index.keys() >= set(items)
        )

    def normalize(self, value: Value) -> tuple[Value, ...]:
        """Return a legal `value` as a tuple in the items' order."""
        chosen = sorted(self._index[item] for item in cast("tuple[Value, ...]", freeze(value)))
        return tuple(self.items[i] for i in chosen)

    def from_unit(self, unit: float) -> tuple[Value, ...]:
        """Map a number in [0, 1) to a subset, uniformly."""
        return self._unrank(min(int(unit * self.size), self.size - 1))

    def sample(self, rng: np.random.Generator) -> tuple[Value, ...]:
        """Draw a subset uniformly."""
        return self.from_unit(rng.random())

    def mutate(self, value: Value, rng: np.random.Generator) -> tuple[Value, ...]:
        """Draw one of the neighbours uniformly."""
        options = self.neighbours(value)
        return options.at(int(rng.random() * options.count))

    def enumerate(self) -> Iterator[tuple[Value, ...]]:
        """Yield every subset, the small ones first."""
        return (
            subset for count in range(self.least, self.most + 1) for subset in combinations(self.items, count)
        )

    def neighbours(self, value: Value) -> Neighbours[tuple[Value, ...]]:
        """Return the subsets with one item more, one fewer, or one exchanged."""
        chosen = cast("tuple[Value, ...]", value)
        taken = set(chosen)
        others = tuple(item for item in self.items if item not in taken)
        more = len(others) if len(chosen) < self.most else 0
        fewer = int(len(chosen) > self.least)
        count = more + len(chosen) * (fewer + len(others))
        return Neighbours(count, partial(self._neighbour, chosen, others, more, fewer))

    def _neighbour(
        self, chosen: tuple[Value, ...], others: tuple[Value, ...], more: int, fewer: int, index: int
    ) -> tuple[Value, ...]:
        if index < more:
            return self.normalize((*chosen, others[index]))
        gone, instead = divmod(index - more, fewer + len(others))
        kept = (*chosen[:gone], *chosen[gone + 1 :])
        return kept if instead < fewer else self.normalize((*kept, others[instead - fewer]))

    def encode(self, value: Value) -> list[float]:
        """Return one number per item: 1 if it is taken, else 0."""
        chosen = cast("tuple[Value, ...]", value)
        return [float(item in chosen) for item in self.items]

    def distance(self, a: Value, b: Value) -> float:
        """Return the fraction of the items in which the two differ."""
        differing = set(cast("tuple[Value, ...]", a)) ^ set(cast("tuple[Value, ...]", b))
        return len(differing) / len(self.items)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `domain_from_json` reads."""
        return {
            "type": "subset",
            "items": jsonable(self.items),
            "least": self.least,
            "most": self.most,
            "default": jsonable(self.default),
        }

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
