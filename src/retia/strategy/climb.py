"""One climb of a local search, read from the history."""

from collections.abc import Iterator, Sequence

from retia.rng import stream
from retia.space import Architecture, Neighbours, SearchSpace
from retia.trial import History, Trial

__all__ = ["Climb"]


class Climb:
    """The last climb of a history: some starts without a parent, and the trials that follow from them.

    A trial without a parent that comes after one with a parent begins a new climb. All of it follows from the
    history; only the trials that are new since the last call of `follow` are read.

    Args:
        space: What is searched.
        history: The study's trials.
    """

    def __init__(self, space: SearchSpace, history: History) -> None:
        self.space = space
        self.history = history
        self._last: Trial | None = None
        self._read = 0
        self._begin()

    def _begin(self) -> None:
        self.running: list[int] = []
        self._trials = History(self.history.objectives, self.history.constraints)
        self._nearest: Trial | None = None  # to the bounds, of the trials that miss them
        self._usable = 0  # starts that neither failed nor were rejected
        self._front: tuple[Sequence[Trial], Sequence[int]] = ((), ())
        self._around: tuple[int, Neighbours[Architecture]] | None = None
        self._exhausted: set[int] = set()

    def follow(self) -> None:
        """Read what has begun and ended since the last call."""
        for number in self.history.numbers_from(self._read):
            trial = self.history[number]
            if trial.parent is None:
                if self._last is not None and self._last.parent is not None:
                    self._begin()
                self._usable += 1
            self._last = trial
            self.running.append(number)
        self._read = self.history.next_number
        running: list[int] = []
        for number in self.running:
            trial = self.history[number]
            if trial.finished:
                self._take_up(trial)
            else:
                running.append(number)
        self.running = running

    def _take_up(self, trial: Trial) -> None:
        self._trials.record(trial)
        if trial.parent is None and trial.state != "completed":
            self._usable -= 1
        if trial.state != "failed" and not self._trials.feasible(trial):
            candidates = [trial] if self._nearest is None else [self._nearest, trial]
            self._nearest = self._trials.best_of(candidates)

    @property
    def present(self) -> int | None:
        """The centre around which the last trial lies; None while there are only starts."""
        return None if self._last is None else self._last.parent

    def missing_starts(self, starts: int) -> int:
        """Return how many of the starts are still to be proposed; a start that failed or was rejected is
        replaced.
        """
        if self.present is not None and (self._trials.evaluated or self.running):
            return 0
        return max(starts - self._usable, 0)

    def optima(self) -> Sequence[int]:
        """Return the numbers of the best trials so far: one for one objective; else the front, its lonely
        points first.
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
        """Yield the neighbours of a trial that the history does not have, in random order.

        The order follows from the seed and the centre alone, so that it does not matter whether an exhausted
        centre is known as such.
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
