"""The trials of an earlier study and those of the present one as one history."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from retia.errors import StudyError
from retia.space import SearchSpace
from retia.strategy.protocol import Strategy
from retia.strategy.views.cursor import Cursor
from retia.trial import History, Proposal, Trial

__all__ = ["JoinedHistory"]


class JoinedHistory:
    """A history that starts with the trials of an earlier study. Its trials are numbered consecutively.

    Args:
        earlier: Trials of the earlier study. Completed and infeasible ones are used.
        source: The history of the present study.

    Attributes:
        history: The joined history.

    Raises:
        StudyError: If an earlier trial lacks a metric of an objective or a constraint of `source`.
    """

    def __init__(self, earlier: Sequence[Trial], source: History) -> None:
        self.source = source
        self.history = History(source.objectives, source.constraints)
        taken = [trial for trial in earlier if trial.state in ("completed", "infeasible")]
        places = {trial.number: place for place, trial in enumerate(taken)}
        for place, trial in enumerate(taken):
            _require_metrics(trial, source)
            parent = None if trial.parent is None else places.get(trial.parent)
            self.history.record(replace(trial, number=place, parent=parent))
        self._earlier = len(taken)
        self._cursor = Cursor(source)

    def propose(
        self, strategy: Strategy, space: SearchSpace, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return the proposals of a strategy, given the joined history; earlier trials are no parents."""
        offset = self._earlier
        begun, ended = self._cursor.read()
        for trial in (*begun, *ended):
            parent = None if trial.parent is None else trial.parent + offset
            self.history.record(replace(trial, number=trial.number + offset, parent=parent))
        return [
            replace(one, parent=None if one.parent is None or one.parent < offset else one.parent - offset)
            for one in strategy.propose(space, self.history, n, rng)
        ]


def _require_metrics(trial: Trial, source: History) -> None:
    needed = [one.metric for one in (*source.objectives, *source.constraints)]
    lacking = [metric for metric in needed if metric not in trial.metrics]
    if trial.state == "completed" and lacking:
        msg = (
            f"The recorded trial {trial.number} has no metric '{lacking[0]}', which this study requires; "
            f"it has {sorted(trial.metrics)}. Leave out recorded=True to evaluate its architecture again."
        )
        raise StudyError(msg)
