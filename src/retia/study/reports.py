"""What hears a running evaluation, and ends it where its limits say so."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from retia.trial import STOPPED_STEP, Limits, TrialStopped

__all__ = ["Reports"]


@dataclass
class Reports:
    """Listens to the reports of one trial.

    A trial is stopped if the best that it has reported is worse than its limits allow, and what it has
    reported, with the costs, has all metrics that the study needs: then it is a completed trial, marked by
    the step at which it was stopped.

    Attributes:
        limits: How bad the trial may be; None for any.
        named: Gives a report's metrics their names in the study.
        completed: Returns the metrics with the costs added, or None if the study needs others as well.
        progress: What was reported, with "step" where it was given.
        stopped: The metrics of the trial, once it has been stopped.
    """

    limits: Limits | None
    named: Callable[[Mapping[str, float]], Mapping[str, float]]
    completed: Callable[[Mapping[str, float]], Mapping[str, float] | None]
    progress: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    stopped: Mapping[str, float] | None = None
    _best: float = math.inf

    def __call__(self, metrics: Mapping[str, float], step: float | None) -> None:
        """Take up a report.

        Raises:
            TrialStopped: If the trial ends here.
        """
        named = self.named({name: float(value) for name, value in metrics.items()})
        self.progress.append({**({} if step is None else {"step": step}), **named})
        if self.limits is None or self.limits.objective.metric not in named:
            return
        self._best = min(self._best, self.limits.objective.loss(named))
        reached = float(len(self.progress) if step is None else step)
        if self.limits.exceeded(self._best, reached):
            reported = {name: value for one in self.progress for name, value in one.items() if name != "step"}
            if (completed := self.completed(reported)) is not None:
                self.stopped = {**completed, STOPPED_STEP: reached}
                raise TrialStopped
