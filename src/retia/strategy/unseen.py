"""Architectures that have not been proposed yet."""

from collections.abc import Container
from typing import Any

import numpy as np

from retia.space import Architecture, SearchSpace

__all__ = ["AnyOf", "sample_unseen"]

TRIES = 100
LISTABLE = 1_000_000
"""The largest space that is listed to find what is left of it."""


class AnyOf(Container[Any]):
    """Contains what any of some containers contains. Unlike a union of sets it copies nothing, however long
    the history is.

    >>> 3 in AnyOf({1, 2}, {3}), 4 in AnyOf({1, 2}, {3})
    (True, False)
    """

    def __init__(self, *containers: Container[Any]) -> None:
        self._containers = containers

    def __contains__(self, item: object) -> bool:
        return any(item in one for one in self._containers)


def sample_unseen(
    space: SearchSpace, seen: Container[Architecture], rng: np.random.Generator
) -> Architecture | None:
    """Draw an architecture that is not in `seen`; None if there is none left.

    It samples until one is new. Where that does not come about, in a space of at most a million
    architectures, one of those that are left is drawn uniformly. In a larger space, whose samples repeat
    themselves, it tries a hundred times longer.
    """
    for _ in range(TRIES):
        architecture = space.sample(rng)
        if architecture not in seen:
            return architecture
    if space.size_before_restrictions() <= LISTABLE:
        left = [architecture for architecture in space.enumerate() if architecture not in seen]
        return left[int(rng.integers(len(left)))] if left else None
    for _ in range(100 * TRIES):
        architecture = space.sample(rng)
        if architecture not in seen:
            return architecture
    return None
