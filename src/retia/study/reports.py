"""The reports of a running trial, and its early stop."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from retia.trial import STOPPED_STEP, Limits, TrialStopped

__all__ = ["Reports"]


@dataclass
class Reports:
    """The reports of one trial; called with a report, it stops the trial at its limits.

    A trial stops if its best report exceeds the limits, and its reports and costs contain all needed metrics.
    It is then a completed trial, with the step as the metric `STOPPED_STEP`.

    Attributes:
        limits: Limits of the trial; None if it never stops early.
        named: Function that returns the metrics of a report with their names in the study.
        completed: Function that returns the metrics with the costs, or None if a needed metric is missing.
        progress: The reports, with "step" if it was given.
        stopped: Metrics of the trial after it has stopped early; None before.
    """

    limits: Limits | None
    named: Callable[[Mapping[str, float]], Mapping[str, float]]
    completed: Callable[[Mapping[str, float]], Mapping[str, float] | None]
    progress: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    stopped: Mapping[str, float] | None = None
    _best: float = math.inf

    def __call__(self, metrics: Mapping[str, float], step: float | None) -> None:
        """Add a report.

        Raises:
            TrialStopped: If the trial stops here.
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
