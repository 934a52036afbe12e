"""Neighbours of a value or an architecture, made lazily."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np

__all__ = ["Neighbours", "all_but", "joined"]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Neighbours(Generic[T]):
    """The neighbours of a value or an architecture, each made on demand: neither order lists them.

    Args:
        count: Number of neighbours, including those that `allows` rejects.
        at: Function from an index below `count` to the neighbour of that index.
        allows: Predicate that a neighbour must meet. Default: no restriction.

    >>> from retia.space import Integer
    >>> around = Integer(1, 10**30).neighbours(7)
    >>> around.count == 10**30 - 1, next(iter(around))
    (True, 1)
    >>> 1 <= next(around.shuffled(np.random.default_rng(0))) <= 10**30
    True
    """

    count: int
    at: Callable[[int], T]
    allows: Callable[[T], bool] | None = None

    def __iter__(self) -> Iterator[T]:
        """Yield each neighbour once, in a stable order."""
        return self._allowed(range(self.count))

    def shuffled(self, rng: np.random.Generator) -> Iterator[T]:
        """Yield each neighbour once, in random order; all orders are equally likely."""
        return self._allowed(_shuffled(self.count, rng))

    def _allowed(self, indices: Sequence[int] | Iterator[int]) -> Iterator[T]:
        neighbours = map(self.at, indices)
        return neighbours if self.allows is None else filter(self.allows, neighbours)


def all_but(values: Sequence[T], size: int, index: int) -> Neighbours[T]:
    """Return all of `size` values except that at `index`; `values` may be a range too long for `len`."""
    return Neighbours(size - 1, partial(_skipping, values, index))


def joined(
    around: Sequence[tuple[str, Neighbours[Any]]],
    change: Callable[[str, Any], T],
    allows: Callable[[T], bool] | None,
) -> Neighbours[T]:
    """Return the results of `change(label, value)` for every neighbour of every parameter's value."""
    ends = list(accumulate(values.count for _, values in around))
    return Neighbours(ends[-1] if ends else 0, partial(_changed, around, ends, change), allows)


def _changed(
    around: Sequence[tuple[str, Neighbours[Any]]],
    ends: Sequence[int],
    change: Callable[[str, Any], T],
    index: int,
) -> T:
    i = bisect_right(ends, index)
    label, values = around[i]
    return change(label, values.at(index - (ends[i - 1] if i else 0)))


def _skipping(values: Sequence[T], left_out: int, index: int) -> T:
    return values[index + (index >= left_out)]


def _shuffled(count: int, rng: np.random.Generator) -> Iterator[int]:
    """Yield the numbers below `count` in the order of a Fisher-Yates shuffle that stores only its swaps."""
    moved: dict[int, int] = {}
    for i in range(count):
        drawn = i + int(rng.random() * (count - i))
        yield moved.pop(drawn, drawn)
        if drawn != i:
            moved[drawn] = moved.pop(i, i)
