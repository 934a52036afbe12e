"""The rungs of asynchronous successive halving, read from the history."""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

from retia.trial import History, Proposal, Trial

__all__ = ["Rungs"]

Key: TypeAlias = tuple[bool, float, float, int]


class Rungs:
    """The completed trials at each fidelity. Only what is new since the last call is read.

    With one objective each rung is kept in order, so that a promotion takes about as long after 100,000
    trials as after a thousand. With several the crowding in the fronts depends on all trials of a rung, and
    it is ranked for each call.

    Args:
        history: The study's trials.
        labels: The fidelities of the rungs, as trials have them, the lowest first.
        eta: One in so many is promoted.
    """

    def __init__(self, history: History, labels: Sequence[float | None], eta: float) -> None:
        self.history = history
        self._labels = tuple(labels)
        self._eta = eta
        self._trials: dict[float | None, list[Trial]] = {label: [] for label in labels}
        self._ordered: dict[float | None, list[Key]] = {label: [] for label in labels}
        self._waiting: dict[float | None, list[Key]] = {
            label: [] for label in labels
        }  # those that are not known to be promoted, in order
        self._read = 0
        self._running: list[int] = []

    def __getitem__(self, label: float | None) -> Sequence[Trial]:
        """The completed trials at a fidelity."""
        self._follow()
        return self._trials[label]

    def promotions(self) -> Iterator[Proposal]:
        """Yield every promotion that is due: of the highest rung first, and in a rung of the best first."""
        self._follow()
        for lower, higher in reversed(list(pairwise(self._labels))):
            room = int(len(self._trials[lower]) / self._eta + 1e-9)
            best = (
                self._first_waiting(lower, higher, room)
                if len(self.history.objectives) == 1
                else self.history.ranked(self._trials[lower])[:room]
            )
            for trial in best:
                if self.history.find(trial.architecture, higher) is None:
                    yield Proposal(trial.architecture, higher, trial.number)

    def _first_waiting(self, lower: float | None, higher: float | None, room: int) -> Iterator[Trial]:
        """Yield the trials among the first `room` of a rung that have not been promoted, and forget those
        that have.
        """
        waiting, place = self._waiting[lower], 0
        while place < len(waiting) and bisect_left(self._ordered[lower], waiting[place]) < room:
            trial = self.history[waiting[place][-1]]
            if self.history.find(trial.architecture, higher) is None:
                place += 1
                yield trial
            else:
                del waiting[place]

    def _follow(self) -> None:
        running: list[int] = []
        for number in (*self._running, *self.history.numbers_from(self._read)):
            trial = self.history[number]
            if not trial.finished:
                running.append(number)
            elif trial.state == "completed" and trial.fidelity in self._trials:
                self._trials[trial.fidelity].append(trial)
                if len(self.history.objectives) == 1:
                    insort(self._ordered[trial.fidelity], self.history.order(trial))
                    insort(self._waiting[trial.fidelity], self.history.order(trial))
        self._running, self._read = running, self.history.next_number
