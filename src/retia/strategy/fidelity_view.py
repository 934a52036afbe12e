"""The past at one fidelity, as the strategy within a multi-fidelity one sees it."""

from dataclasses import replace

import numpy as np

from retia.space import SearchSpace
from retia.strategy.protocol import Strategy
from retia.trial import History, Proposal, Trial

__all__ = ["FidelityView"]

ASKS = 10
"""How many times a strategy that proposes what has been tried is asked for twice as many."""


class FidelityView:
    """A history of the trials at one fidelity, as if there were no other.

    They are numbered anew, have the fidelity None, and a parent only if that is among them. Architectures
    that have been tried at other fidelities alone count as proposed. All of it follows from the whole
    history; only what is new since the last call is read.

    Args:
        source: The whole history.
        fidelity: Which.

    Attributes:
        history: What the strategy sees.
    """

    def __init__(self, source: History, fidelity: float | None) -> None:
        self.source = source
        self.fidelity = fidelity
        self.history = History(source.objectives, source.constraints)
        self._numbers: list[int] = []
        self._places: dict[int, int] = {}
        self._running: list[int] = []
        self._read = 0

    def follow(self) -> None:
        """Read what has begun and ended since the last call."""
        for number in self.source.numbers_from(self._read):
            trial = self.source[number]
            if trial.fidelity == self.fidelity:
                self._places[number] = len(self._numbers)
                self._numbers.append(number)
                self._running.append(number)
                self.history.record(self._seen(trial))
            else:
                self.history.note(trial.architecture)
        self._read = self.source.next_number
        running: list[int] = []
        for number in self._running:
            if (trial := self.source[number]).finished:
                self.history.record(self._seen(trial))
            else:
                running.append(number)
        self._running = running

    def propose(
        self,
        strategy: Strategy,
        space: SearchSpace,
        n: int,
        rng: np.random.Generator,
        *,
        fidelity: float | None,
    ) -> list[Proposal]:
        """Return what the strategy proposes for this past, at a fidelity; a parent is one of the whole
        history.

        A strategy that asks for trials, such as `Listed`, may propose what has been tried at another
        fidelity; it is asked for more then.
        """
        self.follow()
        wanted, asked, fresh = n, list[Proposal](), list[Proposal]()
        for _ in range(ASKS):
            asked = list(strategy.propose(space, self.history, wanted, rng))
            fresh = [one for one in asked if one.architecture not in self.source]
            if len(fresh) >= n or len(asked) < wanted:
                break
            wanted *= 2
        proposals = (fresh or asked)[:n]  # what repeats itself is for the study to deal with
        return [
            replace(one, fidelity=fidelity, parent=None if one.parent is None else self._numbers[one.parent])
            for one in proposals
        ]

    def _seen(self, trial: Trial) -> Trial:
        parent = None if trial.parent is None else self._places.get(trial.parent)
        return replace(trial, number=self._places[trial.number], fidelity=None, parent=parent)
