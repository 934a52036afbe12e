"""Limits at which a trial stops early."""

import math
from bisect import bisect_right
from dataclasses import dataclass

from retia.trial.objective import Objective

__all__ = ["Limits", "TrialStopped"]


class TrialStopped(BaseException):  # BaseException: an evaluator's `except Exception` must not catch it
    """Ends an evaluation that exceeds its limits. `Run.report` raises it, and the study catches it."""


@dataclass(frozen=True)
class Limits:
    """The greatest losses at which a trial continues, fixed when it starts.

    Args:
        objective: Objective that the limits apply to.
        steps: Pairs (step, loss) in ascending order: from that step on, the trial stops if its lowest loss so
            far exceeds the loss.
        best: Lowest loss of the trial whose training this one continues. Default: infinite.

    >>> limits = Limits(Objective("accuracy", "maximize"), ((2, -0.5), (4, -0.7)))
    >>> limits.exceeded(-0.6, 3), limits.exceeded(-0.6, 4), limits.exceeded(-0.1, 1)
    (False, True, False)
    """

    objective: Objective
    steps: tuple[tuple[float, float], ...]
    best: float = math.inf

    def exceeded(self, loss: float, step: float) -> bool:
        """Whether the trial stops at `step`, if `loss` is its lowest loss so far."""
        place = bisect_right(self.steps, (step, math.inf))
        return place > 0 and min(loss, self.best) > self.steps[place - 1][1]
