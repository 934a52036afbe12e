"""Local search."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

import numpy as np

from retia.errors import SpaceError
from retia.space import Architecture, SearchSpace
from retia.strategy.climb import Climb
from retia.strategy.settings import check_whole
from retia.strategy.unseen import AnyOf, sample_unseen
from retia.trial import History, Proposal

__all__ = ["LocalSearch"]


@dataclass(kw_only=True)
class LocalSearch:
    """Evaluate neighbours of the best architecture, move to a better one, and start anew where none is
    better.

    A climb begins at the best of some starts; those of the first climb are the first trials of the history
    (the baseline, known architectures) and random ones, those of a later climb are random. Infeasible trials
    are climbed, too: towards the bounds.

    With several objectives it is Pareto local search: a centre is a trial of the climb that none of the climb
    dominates, and it is the first by `History.ranked` (the ends of the front, then the loneliest) whose
    neighbours have not all been seen.

    Args:
        starts: How many architectures a climb begins with.
        move: When to move to a better neighbour: at the "first" that is better, or to the "best" once all
            have been evaluated.

    Raises:
        SpaceError: If an argument is out of its range.

    Reference:
        White et al., Exploring the Loss Landscape in Neural Architecture Search, UAI 2021, algorithm 1
        (`starts=1, move="best"`), and Paquete et al., Pareto Local Optimum Sets in the Biobjective Traveling
        Salesman Problem, 2004. Deviations: the defaults; a local optimum is followed by another climb;
        parameters that a move makes active are at their defaults.
    """

    starts: int = 10
    move: Literal["first", "best"] = "first"
    _climb: Climb | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_whole(self, starts=1)
        if self.move not in ("first", "best"):
            msg = (
                "Local search moves to the 'first' better neighbour or to the 'best', "
                f"got move={self.move!r}."
            )
            raise SpaceError(msg)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return up to `n` unseen neighbours of the present centre, or new starts when there is nowhere
        better to go.
        """
        climb = self._climb
        if climb is None or climb.space is not space or climb.history is not history:
            climb = self._climb = Climb(space, history)
        climb.follow()
        if (missing := climb.missing_starts(self.starts)) > 0:
            return _random(space, history, min(n, missing), rng)
        seed = int(rng.integers(2**63))
        for center in self._centers(climb):
            if drawn := list(islice(climb.unseen_around(center, seed), n)):
                return [Proposal(architecture, parent=center) for architecture in drawn]
            if self.move == "best" and climb.running:
                return []  # one of them may still be the best
        if climb.running:
            return []
        return _random(space, history, min(n, self.starts), rng)

    def _centers(self, climb: Climb) -> Iterator[int]:
        """Yield the numbers of the trials whose neighbours are to be seen, in this order."""
        if self.move == "best" and climb.present is not None:
            yield climb.present
        yield from climb.optima()


def _random(space: SearchSpace, history: History, n: int, rng: np.random.Generator) -> list[Proposal]:
    drawn: dict[Architecture, None] = {}
    for _ in range(n):
        architecture = sample_unseen(space, AnyOf(history, drawn), rng)
        if architecture is None:
            break
        drawn[architecture] = None
    return [Proposal(architecture) for architecture in drawn]
