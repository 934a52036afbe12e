"""The rungs of asynchronous successive halving."""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

from retia.strategy.views.cursor import Cursor
from retia.trial import History, Proposal, Trial

__all__ = ["Rungs"]

Key: TypeAlias = tuple[bool, float, float, int]


class Rungs:
    """The completed trials at each fidelity.

    With one objective each rung is kept sorted, so that the time for a promotion hardly depends on the number
    of trials. With several objectives a rung is ranked in each call, because crowding distances depend on all
    of its trials.

    Args:
        history: The trials of the study.
        fidelities: Fidelity of each rung's trials, lowest first.
        eta: The best 1/eta of a rung is promoted.
    """

    def __init__(self, history: History, fidelities: Sequence[float | None], eta: float) -> None:
        self.history = history
        self._cursor = Cursor(history)
        self._fidelities = tuple(fidelities)
        self._eta = eta
        self._trials: dict[float | None, list[Trial]] = {one: [] for one in fidelities}
        self._ordered: dict[float | None, list[Key]] = {one: [] for one in fidelities}
        # The same without trials that are known to be promoted.
        self._waiting: dict[float | None, list[Key]] = {one: [] for one in fidelities}

    def __getitem__(self, fidelity: float | None) -> Sequence[Trial]:
        """The completed trials at a fidelity."""
        self._follow()
        return self._trials[fidelity]

    def promotions(self) -> Iterator[Proposal]:
        """Yield the promotions that are due: the highest rung first, and the best trial of a rung first."""
        self._follow()
        for lower, higher in reversed(list(pairwise(self._fidelities))):
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
        """Yield the first `room` trials of a rung without those promoted, which leave the waiting list."""
        waiting, place = self._waiting[lower], 0
        while place < len(waiting) and bisect_left(self._ordered[lower], waiting[place]) < room:
            trial = self.history[waiting[place][-1]]
            if self.history.find(trial.architecture, higher) is None:
                place += 1
                yield trial
            else:
                del waiting[place]

    def _follow(self) -> None:
        _, ended = self._cursor.read()
        for trial in ended:
            if trial.state == "completed" and trial.fidelity in self._trials:
                self._trials[trial.fidelity].append(trial)
                if len(self.history.objectives) == 1:
                    insort(self._ordered[trial.fidelity], self.history.order(trial))
                    insort(self._waiting[trial.fidelity], self.history.order(trial))
