"""Local search."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from retia.space import Architecture, SearchSpace
from retia.strategy.unseen import sample_unseen
from retia.trial import History, Proposal, Trial

__all__ = ["LocalSearch"]


@dataclass
class LocalSearch:
    """Evaluate all neighbours of the best architecture, move to the best of them, and start anew where none is better.

    The first start is the first trial of the history (the baseline); the others are random. With several objectives the
    search moves to the first by `History.ranked` that no trial since the start dominates and whose neighbours it has not seen.

    Reference:
        White et al., Exploring the Loss Landscape in Neural Architecture Search, UAI 2021, algorithm 1 (query all). Deviations: a
        restart at a local optimum, as their section 5 does; parameters that a move makes active are at their defaults.
    """

    _history: History | None = field(default=None, init=False, repr=False, compare=False)
    _center: int | None = field(default=None, init=False, repr=False, compare=False)
    _around: list[Architecture] = field(default_factory=list[Architecture], init=False, repr=False, compare=False)
    _read: int = field(default=0, init=False, repr=False, compare=False)
    _started: int = field(default=0, init=False, repr=False, compare=False)

    def propose(self, space: SearchSpace, history: History, n: int, rng: np.random.Generator) -> Sequence[Proposal]:
        """Return up to `n` unseen neighbours of the present centre, or a new start when there is nowhere better to go."""
        if not len(history):
            return self._start(space, history, rng)
        start = self._last_start(history)
        last = history[len(history) - 1]
        center = last.number if last.parent is None else last.parent
        while True:
            around = self._unseen_around(space, history, center) if history[center].state == "completed" else []
            if around:
                return [Proposal(architecture, parent=center) for architecture in around[:n]]
            climb = [history[number] for number in range(start, len(history))]
            if any(not trial.finished for trial in climb):
                return []  # the best of them may still be the next centre
            following = _better(history, climb, center)
            if following is None:
                return self._start(space, history, rng)
            center = following

    def _start(self, space: SearchSpace, history: History, rng: np.random.Generator) -> Sequence[Proposal]:
        architecture = sample_unseen(space, history.architectures, rng)
        return [] if architecture is None else [Proposal(architecture)]

    def _last_start(self, history: History) -> int:
        """Return the number of the last trial without a parent."""
        if history is not self._history:
            self._history, self._read, self._center = history, 0, None
        for number in range(self._read, len(history)):
            if history[number].parent is None:
                self._started = number
        self._read = len(history)
        return self._started

    def _unseen_around(self, space: SearchSpace, history: History, center: int) -> list[Architecture]:
        if center != self._center:
            self._center = center
            # Sorted by hash: an order without a bias, which needs no random numbers and so is the same for a fresh instance.
            self._around = sorted(space.neighbours(history[center].architecture), key=lambda architecture: architecture.key)
        self._around = [architecture for architecture in self._around if architecture not in history]
        return self._around


def _better(history: History, climb: Sequence[Trial], center: int) -> int | None:
    """Return the trial to move to from an exhausted centre: the best of the climb, if its own neighbours are still to be seen."""
    expanded = {trial.parent for trial in climb} | {center}
    evaluated = [trial for trial in climb if trial.state == "completed"]
    if not evaluated:
        return None
    ranked = history.ranked(evaluated)
    if len(history.objectives) == 1:
        return None if ranked[0].number in expanded else ranked[0].number
    front = {trial.number for trial in History(history.objectives, history.constraints, evaluated).front}
    return next((trial.number for trial in ranked if trial.number in front - expanded), None)
