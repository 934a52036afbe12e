"""Local search."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

import numpy as np

from retia.space import SearchSpace
from retia.strategy.random import Random
from retia.strategy.requirements import require_one_of, require_whole
from retia.strategy.views.climb import Climb
from retia.trial import History, Proposal

__all__ = ["LocalSearch"]


@dataclass(kw_only=True)
class LocalSearch:
    """Evaluate neighbours of the best architecture, move to a better one, and restart at a local optimum.

    A climb begins at the best of some starts. The starts of the first climb are the first trials of the
    history (the baseline, given architectures) and random ones; those of later climbs are random. Infeasible
    trials are climbed too, towards the bounds.

    With several objectives this is Pareto local search: the centre is the first trial of the climb's Pareto
    front, in the order of `History.ranked`, that has an unseen neighbour.

    Args:
        starts: Number of architectures that a climb begins with. Default 10.
        move: When to move: to the "first" (default) neighbour that is better, or to the "best" when all
            neighbours have been evaluated.

    Raises:
        SpaceError: If `starts` is below 1, or `move` is neither "first" nor "best".

    Reference:
        White et al., Exploring the Loss Landscape in Neural Architecture Search, UAI 2021, algorithm 1
        (`starts=1, move="best"`); Paquete et al., Pareto Local Optimum Sets in the Biobjective Traveling
        Salesman Problem, 2004. Deviations: the defaults; another climb follows a local optimum; parameters
        that a move activates have their defaults.
    """

    starts: int = 10
    move: Literal["first", "best"] = "first"
    _climb: Climb | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_whole(self, starts=1)
        require_one_of(self, "move", ("first", "best"))

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return up to `n` unseen neighbours of the centre, or random starts at a local optimum."""
        climb = self._climb
        if climb is None or climb.space is not space or climb.history is not history:
            climb = self._climb = Climb(space, history)
        climb.follow()
        if (missing := climb.missing_starts(self.starts)) > 0:
            return Random().propose(space, history, min(n, missing), rng)
        seed = int(rng.integers(2**63))
        for center in self._centers(climb):
            if drawn := list(islice(climb.unseen_around(center, seed), n)):
                return [Proposal(architecture, parent=center) for architecture in drawn]
            if self.move == "best" and climb.running:
                return []  # a running neighbour may still be the best
        if climb.running:
            return []
        return Random().propose(space, history, min(n, self.starts), rng)

    def _centers(self, climb: Climb) -> Iterator[int]:
        """Yield the numbers of the trials whose neighbours are proposed, in this order."""
        if self.move == "best" and climb.present is not None:
            yield climb.present
        yield from climb.optima()
