"""One climb of a local search, read from the history."""

from collections.abc import Sequence

from retia.space import Architecture, SearchSpace
from retia.trial import History, Trial

__all__ = ["Climb"]


class Climb:
    """The last climb of a history: some starts without a parent, and the trials that follow from them.

    A trial without a parent that comes after one with a parent begins a new climb. All of it follows from the history; only the
    trials that are new since the last call of `follow` are read.

    Args:
        space: What is searched.
        history: The study's trials.
    """

    def __init__(self, space: SearchSpace, history: History) -> None:
        self.space = space
        self.history = history
        self.running: list[int] = []
        self._trials = History(history.objectives, history.constraints)
        self._starts: list[int] = []
        self._last: Trial | None = None
        self._read = 0
        self._around: dict[int, list[Architecture]] = {}

    def follow(self) -> None:
        """Read what has begun and ended since the last call."""
        for number in self.history.numbers_from(self._read):
            trial = self.history[number]
            if trial.parent is None:
                if self._last is not None and self._last.parent is not None:
                    self._trials = History(self.history.objectives, self.history.constraints)
                    self._starts, self.running, self._around = [], [], {}
                self._starts.append(number)
            self._last = trial
            self.running.append(number)
        self._read = self.history.next_number
        running: list[int] = []
        for number in self.running:
            trial = self.history[number]
            if trial.finished:
                self._trials.record(trial)
            else:
                running.append(number)
        self.running = running

    @property
    def present(self) -> int | None:
        """The centre around which the last trial lies; None while there are only starts."""
        return None if self._last is None else self._last.parent

    def missing_starts(self, starts: int) -> int:
        """Return how many of the starts are still to be proposed; a start that failed or was rejected is replaced."""
        if self.present is not None and (self._trials.evaluated or self.running):
            return 0
        usable = sum(self.history[number].state in ("running", "completed") for number in self._starts)
        return max(starts - usable, 0)

    def optima(self) -> Sequence[int]:
        """Return the numbers of the best trials so far: one for one objective; else the front, its lonely points first."""
        trials = self._trials
        if not trials.evaluated:
            return []
        if trials.best is None or len(trials.objectives) == 1:
            return [(trials.best or trials.best_of(trials.evaluated)).number]
        return [trial.number for trial in trials.ranked(trials.front)]

    def unseen_around(self, center: int) -> list[Architecture]:
        """Return the neighbours of a trial that the history does not have."""
        around = self._around.get(center)
        if around is None:
            around = list(self.space.neighbours(self.history[center].architecture))
        self._around[center] = around = [architecture for architecture in around if architecture not in self.history]
        return around
