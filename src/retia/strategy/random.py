"""Random search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from retia.space import Architecture, SearchSpace
from retia.strategy.requirements import require_one_of
from retia.strategy.sampling.unseen import unseen_proposals
from retia.trial import History, Proposal

__all__ = ["Random"]

TRIES = 100


@dataclass(frozen=True)
class Random:
    """Draw architectures at random, without repetition, until the space is exhausted.

    Args:
        uniform: "choices" (default) draws each active parameter uniformly; "architectures" gives every
            architecture the same probability (see `SearchSpace.sample`).

    Raises:
        SpaceError: If `uniform` is neither of them.

    Reference:
        Li and Talwalkar, Random Search and Reproducibility for Neural Architecture Search, 2019.
    """

    uniform: Literal["choices", "architectures"] = "choices"

    def __post_init__(self) -> None:
        require_one_of(self, "uniform", ("choices", "architectures"))

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return `n` random unseen architectures; fewer if the space is exhausted."""

        def draw(proposed: Mapping[Architecture, Proposal]) -> Proposal | None:
            for _ in range(TRIES if self.uniform == "architectures" else 0):
                architecture = space.sample(rng, uniform="architectures")
                if architecture not in history and architecture not in proposed:
                    return Proposal(architecture)
            return None

        return unseen_proposals(space, history, n, rng, draw)
