"""Random search."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from retia.errors import SpaceError
from retia.space import Architecture, SearchSpace
from retia.strategy.unseen import AnyOf, sample_unseen
from retia.trial import History, Proposal

__all__ = ["Random"]


@dataclass(frozen=True)
class Random:
    """Draw architectures at random, without repetition, until the space is exhausted.

    Args:
        uniform: "choices" draws each active parameter uniformly; "architectures" gives every architecture the
            same probability (see `SearchSpace.sample`).

    Raises:
        SpaceError: If `uniform` is neither.

    Reference:
        Li and Talwalkar, Random Search and Reproducibility for Neural Architecture Search, 2019: the baseline
        that every strategy has to beat.
    """

    uniform: Literal["choices", "architectures"] = "choices"

    def __post_init__(self) -> None:
        if self.uniform not in ("choices", "architectures"):
            msg = f"uniform is 'choices' or 'architectures', got {self.uniform!r}."
            raise SpaceError(msg)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return `n` random architectures that are not in the history; fewer when no more are left."""
        drawn: dict[Architecture, None] = {}
        for _ in range(n):
            architecture = self._draw(space, history, drawn, rng)
            if architecture is None:
                break
            drawn[architecture] = None
        return [Proposal(architecture) for architecture in drawn]

    def _draw(
        self, space: SearchSpace, history: History, drawn: dict[Architecture, None], rng: np.random.Generator
    ) -> Architecture | None:
        seen = AnyOf(history, drawn)
        if self.uniform == "architectures":
            for _ in range(100):
                architecture = space.sample(rng, uniform="architectures")
                if architecture not in seen:
                    return architecture
        return sample_unseen(space, seen, rng)
