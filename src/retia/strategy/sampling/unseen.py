"""Proposals of architectures that have not been proposed yet."""

from collections.abc import Callable, Container, Mapping
from typing import Any, TypeAlias

import numpy as np

from retia.errors import SpaceError
from retia.space import Architecture, SearchSpace
from retia.trial import History, Proposal

__all__ = ["AnyOf", "Draw", "sample_unseen", "unseen_mutant", "unseen_proposals"]

TRIES = 100
"""Number of samples before `sample_unseen` enumerates a space."""
ENUMERABLE = 1_000_000
"""Size of the largest space that `sample_unseen` enumerates."""
MUTATIONS = 10
"""Number of mutations after which `unseen_mutant` gives up."""

Draw: TypeAlias = Callable[[Mapping[Architecture, Proposal]], Proposal | None]
"""Takes the proposals of this call, and returns an unseen one; None for a random architecture instead."""


class AnyOf(Container[Any]):
    """The union of containers for membership tests. It copies nothing.

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
    """Draw an architecture that is not in `seen`; return None if none is found.

    If 100 samples are all seen, a space of at most a million architectures is enumerated, and one of the
    unseen ones is drawn uniformly. A larger space is sampled 10,000 more times.
    """
    for _ in range(TRIES):
        architecture = space.sample(rng)
        if architecture not in seen:
            return architecture
    if space.size_before_restrictions() <= ENUMERABLE:
        left = [architecture for architecture in space.enumerate() if architecture not in seen]
        return left[int(rng.integers(len(left)))] if left else None
    for _ in range(100 * TRIES):
        architecture = space.sample(rng)
        if architecture not in seen:
            return architecture
    return None


def unseen_mutant(
    space: SearchSpace, seen: Container[Architecture], architecture: Architecture, rng: np.random.Generator
) -> Architecture | None:
    """Mutate an architecture until it is not in `seen`; return None after 10 mutations."""
    for _ in range(MUTATIONS):
        try:
            architecture = space.mutate(architecture, rng)
        except SpaceError:  # no parameter varies, or no mutant meets the restrictions
            return None
        if architecture not in seen:
            return architecture
    return None


def unseen_proposals(
    space: SearchSpace, history: History, n: int, rng: np.random.Generator, draw: Draw
) -> list[Proposal]:
    """Return `n` proposals of unseen architectures; fewer if the space is exhausted.

    Each is what `draw` returns, or a random architecture if `draw` returns None.
    """
    proposals: dict[Architecture, Proposal] = {}
    for _ in range(n):
        proposal = draw(proposals)
        if proposal is None:
            architecture = sample_unseen(space, AnyOf(history, proposals), rng)
            if architecture is None:
                break
            proposal = Proposal(architecture)
        proposals[proposal.architecture] = proposal
    return list(proposals.values())
