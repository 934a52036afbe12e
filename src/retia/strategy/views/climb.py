"""The present climb of a local search."""

from collections.abc import Iterator, Sequence

from retia.rng import stream
from retia.space import Architecture, Neighbours, SearchSpace
from retia.strategy.views.cursor import Cursor
from retia.trial import History, Trial

__all__ = ["Climb"]


class Climb:
    """The last climb in a history: its starts, which have no parent, and the trials that descend from them.

    A trial without a parent after a trial with a parent begins a new climb.

    Args:
        space: The search space.
        history: The trials of the study.
    """

    def __init__(self, space: SearchSpace, history: History) -> None:
        self.space = space
        self.history = history
        self._cursor = Cursor(history)
        self._last: Trial | None = None
        self._begin(0)

    def _begin(self, first: int) -> None:
        self._first = first
        self._trials = History(self.history.objectives, self.history.constraints)
        self._nearest: Trial | None = None  # the infeasible trial with the least violation
        self._usable = 0  # number of starts that neither failed nor were rejected
        self._front: tuple[Sequence[Trial], Sequence[int]] = ((), ())
        self._around: tuple[int, Neighbours[Architecture]] | None = None
        self._exhausted: set[int] = set()

    @property
    def running(self) -> bool:
        """Whether a trial of the climb is running."""
        return any(number >= self._first for number in self._cursor.running)

    def follow(self) -> None:
        """Read the changes since the last call."""
        begun, ended = self._cursor.read()
        for trial in begun:
            if trial.parent is None:
                if self._last is not None and self._last.parent is not None:
                    self._begin(trial.number)
                self._usable += 1
            self._last = trial
        for trial in ended:
            if trial.number >= self._first:
                self._add(trial)

    def _add(self, trial: Trial) -> None:
        self._trials.record(trial)
        if trial.parent is None and trial.state != "completed":
            self._usable -= 1
        if trial.state != "failed" and not self._trials.feasible(trial):
            candidates = [trial] if self._nearest is None else [self._nearest, trial]
            self._nearest = self._trials.best_of(candidates)

    @property
    def present(self) -> int | None:
        """Number of the trial whose neighbour was tried last; None while there are only starts."""
        return None if self._last is None else self._last.parent

    def missing_starts(self, starts: int) -> int:
        """Return how many starts are left to propose. A failed or rejected start is replaced."""
        if self.present is not None and (self._trials.evaluated or self.running):
            return 0
        return max(starts - self._usable, 0)

    def optima(self) -> Sequence[int]:
        """Return the number of the best trial; with several objectives those of the Pareto front.

        The front is in the order of `History.ranked`: by crowding distance, largest first.
        """
        best = self._trials.best or self._nearest
        if best is None:
            return []
        if best is self._nearest or len(self._trials.objectives) == 1:
            return [best.number]
        front = self._trials.front
        if front != self._front[0]:
            self._front = front, [trial.number for trial in self._trials.ranked(front)]
        return self._front[1]

    def unseen_around(self, center: int, seed: int) -> Iterator[Architecture]:
        """Yield the neighbours of a trial that are not in the history, in random order.

        The order depends on `seed` and `center` only, so that a fresh instance yields the same.
        """
        if center in self._exhausted:
            return
        if self._around is None or self._around[0] != center:
            self._around = center, self.space.neighbours(self.history[center].architecture)
        found = False
        for architecture in self._around[1].shuffled(stream(seed, center)):
            if architecture not in self.history:
                found = True
                yield architecture
        if not found:
            self._exhausted.add(center)
