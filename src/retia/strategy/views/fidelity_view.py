"""One fidelity of a history."""

from dataclasses import replace

import numpy as np

from retia.space import SearchSpace
from retia.strategy.protocol import Strategy
from retia.strategy.views.cursor import Cursor
from retia.trial import History, Proposal

__all__ = ["FidelityView"]

ASKS = 10
"""Number of times a strategy that proposes known architectures is asked for twice as many."""


class FidelityView:
    """The trials at one fidelity as a history, for the strategy inside a multi-fidelity strategy.

    The trials are numbered from 0, and their fidelity is None. A parent at another fidelity becomes None. An
    architecture tried at another fidelity only counts as proposed.

    Args:
        source: The history of the study.
        fidelity: The fidelity.

    Attributes:
        history: The history that the strategy gets.
    """

    def __init__(self, source: History, fidelity: float | None) -> None:
        self.source = source
        self.fidelity = fidelity
        self.history = History(source.objectives, source.constraints)
        self._cursor = Cursor(source)
        self._numbers: list[int] = []
        self._places: dict[int, int] = {}

    def follow(self) -> None:
        """Read the changes since the last call."""
        begun, ended = self._cursor.read()
        for trial in begun:
            if trial.fidelity == self.fidelity:
                self._places[trial.number] = len(self._numbers)
                self._numbers.append(trial.number)
            else:
                self.history.note(trial.architecture)
        for trial in (*begun, *ended):
            if (place := self._places.get(trial.number)) is not None:
                parent = None if trial.parent is None else self._places.get(trial.parent)
                self.history.record(replace(trial, number=place, fidelity=None, parent=parent))

    def propose(
        self,
        strategy: Strategy,
        space: SearchSpace,
        n: int,
        rng: np.random.Generator,
        *,
        fidelity: float | None,
    ) -> list[Proposal]:
        """Return up to `n` proposals of the strategy, given this view.

        A strategy that looks up trials, such as `Listed`, may propose architectures that were tried at
        another fidelity. It is then asked for more.

        Args:
            strategy: The strategy.
            space: The search space.
            n: Number of proposals.
            rng: Random generator of the strategy.
            fidelity: Fidelity of the proposals.
        """
        self.follow()
        wanted, asked, fresh = n, list[Proposal](), list[Proposal]()
        for _ in range(ASKS):
            asked = list(strategy.propose(space, self.history, wanted, rng))
            fresh = [one for one in asked if one.architecture not in self.source]
            if len(fresh) >= n or len(asked) < wanted:
                break
            wanted *= 2
        proposals = (fresh or asked)[:n]  # the study deals with repetitions
        return [
            replace(one, fidelity=fidelity, parent=None if one.parent is None else self._numbers[one.parent])
            for one in proposals
        ]
