"""Early stopping of trials that are worse than the median."""

import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from retia.space import SearchSpace
from retia.strategy.protocol import Strategy
from retia.strategy.requirements import require_number, require_strategy, require_whole
from retia.strategy.views.cursor import Cursor
from retia.trial import (
    STOPPED_STEP,
    History,
    Limits,
    Proposal,
    StrategyCapabilities,
    Trial,
    strategy_capabilities_of,
)

__all__ = ["MedianStop"]


@dataclass
class MedianStop:
    """Propose with another strategy, and stop trials that are worse than the median of the completed ones.

    A trial stops at a step if its best loss so far is above the median over completed trials of the running
    average of their losses up to that step. The limits are fixed when a trial starts, so that it needs no
    communication. The loss is that of the first objective, as reported by the evaluator (`run.report`, or a
    generator). A stopped trial is completed with its last report, ranks after trials that were not stopped,
    and has the metric `stopped_step`. With several objectives no trial is stopped.

    Args:
        strategy: Strategy that proposes.
        warmup_steps: First step at which a trial may be stopped, at least 0. Default 1.
        min_trials: Number of completed trials that must have reached a step, at least 1. Default 5.

    Raises:
        StudyError: If `strategy` is not a strategy that only proposes.
        SpaceError: If `warmup_steps` or `min_trials` is out of its range.

    Reference:
        Golovin et al., Google Vizier: A Service for Black-Box Optimization, KDD 2017, section 3.2.2.
        Deviations: trials that end while a trial is running don't change its limits; stopped trials, steps of
        the warm-up, and steps with few trials are ignored.
    """

    strategy: Strategy
    warmup_steps: float = field(default=1, kw_only=True)
    min_trials: int = field(default=5, kw_only=True)
    _averages: "_Averages | None" = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_strategy(self, self.strategy)
        require_number(self, "warmup_steps", least=0)
        require_whole(self, min_trials=1)

    def capabilities(self) -> StrategyCapabilities:
        """Return the capabilities of the wrapped strategy."""
        return replace(strategy_capabilities_of(self.strategy), wraps=self.strategy)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return the proposals of the strategy, with the present limits."""
        proposals = self.strategy.propose(space, history, n, rng)
        if len(history.objectives) > 1 or not proposals:
            return proposals
        if self._averages is None or self._averages.history is not history:
            self._averages = _Averages(history)
        averages = self._averages
        averages.follow()
        steps = tuple(
            (step, _median(ordered))
            for step, ordered in sorted(averages.at.items())
            if len(ordered) >= self.min_trials and step >= self.warmup_steps
        )
        limits = Limits(averages.objective, steps)
        return [replace(one, limits=replace(limits, best=averages.best_before(one))) for one in proposals]


class _Averages:
    """The running averages of completed trials at each step, in ascending order."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.at: dict[float, list[float]] = {}
        self.objective = history.objectives[0]
        self._cursor = Cursor(history)

    def follow(self) -> None:
        """Read the changes since the last call."""
        _, ended = self._cursor.read()
        for trial in ended:
            if trial.state == "completed" and STOPPED_STEP not in trial.metrics:
                self._add(trial)

    def best_before(self, proposal: Proposal) -> float:
        """Return the least loss of the trials that a proposal continues; infinite for a new trial."""
        before = self.history.continued(proposal)
        losses = [] if before is None else self._losses(before)
        return min((loss for _, loss in losses), default=math.inf)

    def _add(self, trial: Trial) -> None:
        """Add the running averages of a trial, without the steps of the trial that it continues."""
        own = len(_reports(trial, self.objective.metric))
        losses = self._losses(trial)
        total = 0.0
        for count, (step, loss) in enumerate(losses, 1):
            total += loss
            if count > len(losses) - own:
                insort(self.at.setdefault(step, []), total / count)

    def _losses(self, trial: Trial) -> list[tuple[float, float]]:
        """Return the steps and losses that were reported by a trial and those that it continues."""
        before = self.history.continued(trial)
        earlier = [] if before is None else self._losses(before)
        reports = [
            (step, self.objective.loss(metrics)) for step, metrics in _reports(trial, self.objective.metric)
        ]
        # A trial that lost its checkpoint starts from the beginning, and reports early steps again.
        first = reports[0][0] if reports else math.inf
        return [*(one for one in earlier if one[0] < first), *reports]


def _median(ordered: Sequence[float]) -> float:
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _reports(trial: Trial, metric: str) -> list[tuple[float, dict[str, float]]]:
    """Return the reports with a finite metric, and their steps: as reported, or counted from 1."""
    numbered = ((report.get("step", float(count)), report) for count, report in enumerate(trial.progress, 1))
    return [(step, report) for step, report in numbered if metric in report and math.isfinite(report[metric])]
