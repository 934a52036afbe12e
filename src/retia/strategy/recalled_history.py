"""A past that begins with the trials of an earlier study."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from retia.errors import StudyError
from retia.space import SearchSpace
from retia.strategy.protocol import Strategy
from retia.trial import History, Proposal, Trial

__all__ = ["RecalledHistory"]


class RecalledHistory:
    """The history of a study after that of an earlier one, numbered through.

    Args:
        earlier: The earlier trials; the completed and the infeasible ones are taken.
        source: The study's history; only what is new since the last call is read.

    Attributes:
        history: What the strategy sees.

    Raises:
        StudyError: If an earlier trial lacks a metric that this study needs.
    """

    def __init__(self, earlier: Sequence[Trial], source: History) -> None:
        self.source = source
        self.history = History(source.objectives, source.constraints)
        taken = [trial for trial in earlier if trial.state in ("completed", "infeasible")]
        places = {trial.number: place for place, trial in enumerate(taken)}
        for place, trial in enumerate(taken):
            self._check(trial)
            parent = None if trial.parent is None else places.get(trial.parent)
            self.history.record(replace(trial, number=place, parent=parent))
        self._earlier = len(taken)
        self._read = 0
        self._running: list[int] = []

    def propose(
        self, strategy: Strategy, space: SearchSpace, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return what the strategy proposes for this past; a parent is one of the study's own trials, or
        none.
        """
        running: list[int] = []
        for number in (*self._running, *self.source.numbers_from(self._read)):
            trial = self.source[number]
            parent = None if trial.parent is None else trial.parent + self._earlier
            self.history.record(replace(trial, number=number + self._earlier, parent=parent))
            if not trial.finished:
                running.append(number)
        self._running, self._read = running, self.source.next_number
        return [
            replace(
                one,
                parent=None
                if one.parent is None or one.parent < self._earlier
                else one.parent - self._earlier,
            )
            for one in strategy.propose(space, self.history, n, rng)
        ]

    def _check(self, trial: Trial) -> None:
        needed = [one.metric for one in self.source.objectives] if trial.state == "completed" else []
        needed += [one.metric for one in self.source.constraints] if trial.state == "completed" else []
        if lacking := [metric for metric in needed if metric not in trial.metrics]:
            msg = (
                f"The recorded trial {trial.number} has no '{lacking[0]}', which this study needs; "
                f"it has {sorted(trial.metrics)}. "
                f"Let it be evaluated anew, by leaving out recorded=True."
            )
            raise StudyError(msg)
