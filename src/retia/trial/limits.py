"""Limits at which a trial stops early."""

import math
from bisect import bisect_right
from dataclasses import dataclass

from retia.trial.objective import Objective

__all__ = ["Limits", "TrialStopped"]


class TrialStopped(BaseException):  # no Exception, so that an evaluator's own handlers let it pass
    """Ends an evaluation that has come to its limits; raised by `Run.report`, and caught by the study."""


@dataclass(frozen=True)
class Limits:
    """How bad a trial may be as it goes; fixed when it starts, so that a worker needs no word from the study.

    Args:
        objective: What is looked at.
        steps: Pairs of a step and the greatest loss that the best so far may have from then on, by step.
        best: The least loss of what the trial goes on from.

    >>> limits = Limits(Objective("accuracy", "maximize"), ((2, -0.5), (4, -0.7)))
    >>> limits.exceeded(-0.6, 3), limits.exceeded(-0.6, 4), limits.exceeded(-0.1, 1)
    (False, True, False)
    """

    objective: Objective
    steps: tuple[tuple[float, float], ...]
    best: float = math.inf

    def exceeded(self, loss: float, step: float) -> bool:
        """Whether the best loss of the trial up to a step is worse than it may be."""
        place = bisect_right(self.steps, (step, math.inf))
        return place > 0 and min(loss, self.best) > self.steps[place - 1][1]
