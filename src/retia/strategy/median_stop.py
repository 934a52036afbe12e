"""Stopping trials that do worse than half of the others."""

import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from retia.errors import SpaceError
from retia.space import SearchSpace
from retia.strategy.protocol import Strategy
from retia.strategy.wrapping import check_wrapped
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
    """Propose by another strategy, and let trials be stopped whose best score so far is worse than the median
    of what others had come to.

    At each step that is the median of the running averages of the completed trials up to there. It is fixed
    when a trial starts, so that one in another process needs no word from here. What is looked at is the
    first objective, where the evaluator reports it on the way (`run.report`, or a generator). A stopped trial
    is completed with what it has reported, and ranks after those that were not stopped; its metric
    `stopped_step` says when. With several objectives nothing is stopped: a trial may be worth its while for
    another one.

    Args:
        strategy: What proposes.
        warmup_steps: After how many steps a trial may be stopped, at the earliest.
        min_trials: How many completed trials must have reached a step before one is stopped there.

    Raises:
        StudyError: If `strategy` is none, or prepares something before it proposes.
        SpaceError: If a number is out of its range.

    Reference:
        Golovin et al., Google Vizier: A Service for Black-Box Optimization, KDD 2017, section 3.2.2.
        Deviations: trials that end while a trial runs don't change its limits; those that were stopped
        themselves don't count, and neither do steps before the warm-up, or those with few trials.
    """

    strategy: Strategy
    warmup_steps: float = field(default=1, kw_only=True)
    min_trials: int = field(default=5, kw_only=True)
    _past: "_Past | None" = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_wrapped(self, self.strategy)
        if not self.warmup_steps >= 0 or self.min_trials < 1:
            msg = (
                "MedianStop needs warmup_steps from 0 and min_trials from 1, "
                f"got warmup_steps={self.warmup_steps}, min_trials={self.min_trials}."
            )
            raise SpaceError(msg)

    def capabilities(self) -> StrategyCapabilities:
        """Return those of the wrapped strategy."""
        return replace(strategy_capabilities_of(self.strategy), wraps=self.strategy)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return what the strategy proposes, with the limits of now."""
        proposals = self.strategy.propose(space, history, n, rng)
        if len(history.objectives) > 1 or not proposals:
            return proposals
        if self._past is None or self._past.history is not history:
            self._past = _Past(history)
        self._past.follow()
        steps = tuple(
            (step, _median(averages))
            for step, averages in sorted(self._past.averages.items())
            if len(averages) >= self.min_trials
        )
        limits = Limits(
            self._past.objective, tuple((step, loss) for step, loss in steps if step >= self.warmup_steps)
        )
        return [replace(one, limits=replace(limits, best=self._past.best_before(one))) for one in proposals]


class _Past:
    """What the trials of a history had come to, by step and in ascending order; only what is new is read."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.averages: dict[float, list[float]] = {}
        self.objective = history.objectives[0]
        self._read = 0
        self._running: list[int] = []

    def follow(self) -> None:
        running: list[int] = []
        for number in (*self._running, *self.history.numbers_from(self._read)):
            trial = self.history[number]
            if not trial.finished:
                running.append(number)
            elif trial.state == "completed" and STOPPED_STEP not in trial.metrics:
                self._take_up(trial)
        self._running, self._read = running, self.history.next_number

    def best_before(self, proposal: Proposal) -> float:
        """Return the least loss that the trials from which a proposal goes on have reported; infinite if it
        begins anew.
        """
        before = self.history.continued(proposal)
        return (
            math.inf if before is None else min((loss for _, loss in self._losses(before)), default=math.inf)
        )

    def _take_up(self, trial: Trial) -> None:
        """Take up the running averages; of a trial that goes on from another, those after it."""
        own = len(_reports(trial, self.objective.metric))
        losses = self._losses(trial)
        total = 0.0
        for count, (step, loss) in enumerate(losses, 1):
            total += loss
            if count > len(losses) - own:
                insort(self.averages.setdefault(step, []), total / count)

    def _losses(self, trial: Trial) -> list[tuple[float, float]]:
        """Return the steps and losses that a trial, and those from which it goes on, have reported."""
        before = self.history.continued(trial)
        earlier = [] if before is None else self._losses(before)
        reports = [
            (step, self.objective.loss(metrics)) for step, metrics in _reports(trial, self.objective.metric)
        ]
        first = (
            reports[0][0] if reports else math.inf
        )  # a trial that began anew, for want of files, reports early steps once more
        return [*(one for one in earlier if one[0] < first), *reports]


def _median(ordered: Sequence[float]) -> float:
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _reports(trial: Trial, metric: str) -> list[tuple[float, dict[str, float]]]:
    """Return the reports that have the metric, each with its step: as given, or how many there have been."""
    numbered = ((report.get("step", float(count)), report) for count, report in enumerate(trial.progress, 1))
    return [(step, report) for step, report in numbered if metric in report and math.isfinite(report[metric])]
