"""A simulated clock: strategies run on simulated workers in the time that a table records."""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from retia.benchmark.benchmark import Benchmark
from retia.benchmark.front import front_rows
from retia.errors import EvaluationError
from retia.rng import stream
from retia.space import Architecture, SearchSpace
from retia.strategy import Strategy
from retia.trial import (
    History,
    Objective,
    Proposal,
    Trial,
    dominates,
    hypervolume,
    objectives_from,
    reference_point,
)

__all__ = ["Simulated", "simulate"]

REPEATS = 100
"""The maximum number of consecutive attempts to get a new proposal, as in a study."""


@dataclass(frozen=True)
class Simulated:
    """The trials of a strategy on a benchmark.

    Args:
        trials: The T completed trials, sorted by their end; `started` and `ended` are in simulated seconds.
        objectives: The objectives of the search.
        benchmark: The benchmark.
    """

    trials: tuple[Trial, ...]
    objectives: tuple[Objective, ...]
    benchmark: Benchmark

    @cached_property
    def ends_s(self) -> NDArray[np.float64]:
        """The end of each trial in simulated seconds, shape (T,)."""
        return np.array([trial.ended for trial in self.trials], float)

    @cached_property
    def incumbents(self) -> list[Trial | None]:
        """The best trial so far by the first objective after each trial, at the benchmark's epochs."""
        best: Trial | None = None
        so_far: list[Trial | None] = []
        for trial in self.trials:
            if _is_full(trial, self.benchmark) and (
                best is None or self.objectives[0].loss(trial.metrics) < self.objectives[0].loss(best.metrics)
            ):
                best = trial
            so_far.append(best)
        return so_far

    def curve(self, metric: str | None = None) -> NDArray[np.float64]:
        """Return a metric of the best trial so far after each trial, shape (T,).

        It is NaN before the first trial at the benchmark's epochs.

        Args:
            metric: Name of the metric. Default: the first objective, by which the best trial is chosen in
                any case.
        """
        name = metric or self.objectives[0].metric
        return np.array([np.nan if trial is None else trial.metrics[name] for trial in self.incumbents])

    def regret(self) -> NDArray[np.float64]:
        """Return the difference in the first objective to the table's best after each trial, shape (T,)."""
        objective = self.objectives[0]
        minimize = objective.direction == "minimize"
        return np.abs(self.benchmark.optimum(objective.metric, minimize=minimize) - self.curve())

    def at(
        self, hours: Sequence[float] | NDArray[np.float64], curve: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the values (H,) of a curve (T,) at simulated hours (H,); NaN before the first end."""
        ended = np.searchsorted(self.ends_s, np.asarray(hours, float) * 3600, side="right")
        return np.where(ended > 0, curve[np.maximum(ended - 1, 0)], np.nan)

    def hypervolume_share(self, reference: Mapping[str, float] | None = None) -> float:
        """Return the hypervolume of the trials' front as a share of that of the table's front.

        Args:
            reference: Reference point by objective. Default: the worst values of the table.

        Raises:
            StudyError: If `reference` lacks an objective.
            EvaluationError: If no row of the table dominates `reference`.
        """
        return float(self.hypervolume_shares(reference)[-1])

    def hypervolume_shares(self, reference: Mapping[str, float] | None = None) -> NDArray[np.float64]:
        """Return `hypervolume_share` after each trial, shape (T,)."""
        worst = None if reference is None else tuple(reference_point(self.objectives, reference))
        limit, whole = _front_volume(self.benchmark, self.objectives, worst)
        front: list[tuple[float, ...]] = []
        volume, shares = 0.0, np.empty(len(self.trials))
        for i, trial in enumerate(self.trials):
            if _is_full(trial, self.benchmark):
                point = tuple(one.loss(trial.metrics) for one in self.objectives)
                if not any(other == point or dominates(other, point) for other in front):
                    front = [other for other in front if not dominates(point, other)] + [point]
                    volume = hypervolume(front, limit)
            shares[i] = volume / whole
        return shares

    def evaluations_to(self, regret: float = 0.0) -> int | None:
        """Return the number of trials until the regret was at most `regret`; None if it never was."""
        reached = np.flatnonzero(self.regret() <= regret)
        return int(reached[0]) + 1 if len(reached) else None


def simulate(
    benchmark: Benchmark,
    strategy: Strategy,
    *,
    evaluations: int | None = None,
    seed: int = 0,
    workers: int = 1,
    maximize: str | Sequence[str] | None = None,
    minimize: str | Sequence[str] | None = None,
    hours: float | None = None,
    baseline: Architecture | None = None,
) -> Simulated:
    """Run a strategy asynchronously on simulated workers, and return its trials.

    A trial takes the benchmark's `train_seconds`. If the benchmark's trainings continue each other, a trial
    with a parent of the same architecture and a lower fidelity takes only the additional seconds. A free
    worker gets the next proposal at once. The random numbers are those of a study with this seed: with one
    worker and the study's baseline, the trials are equal.

    Args:
        benchmark: The benchmark.
        strategy: The strategy.
        evaluations: Maximum number of trials. Default: unlimited within `hours`.
        seed: Seed of the random numbers.
        workers: Number of trials that run at once.
        maximize: Metrics to maximize. Default: the benchmark's objective, unless `minimize` is given.
        minimize: Metrics to minimize.
        hours: Simulated hours after which no trial starts. Default: unlimited.
        baseline: Architecture of trial 0. Default: the first proposal.

    Raises:
        EvaluationError: If `evaluations`, `hours` or `workers` is not positive, neither `evaluations` nor
            `hours` is given, or the table has no `train_seconds` with `hours` or several workers.
    """
    most = _limit(benchmark, evaluations, hours, workers)
    objectives = objectives_from(maximize or (None if minimize else benchmark.objective), minimize)
    history = History(objectives)
    clock = _Clock(benchmark, history)
    deadline = np.inf if hours is None else hours * 3600
    first = None if baseline is None else Proposal(baseline)
    while True:
        while clock.running < workers and len(history) < most and clock.now_s < deadline:
            room = int(min(workers - clock.running, most - len(history)))
            proposals = (
                [first] if first is not None else _proposals(strategy, benchmark.space, history, room, seed)
            )
            first = None
            for proposal in proposals:
                clock.start(proposal)
            if not proposals:
                break
        if not clock.running:
            return Simulated(tuple(clock.ended), objectives, benchmark)
        clock.advance()


def _limit(benchmark: Benchmark, evaluations: int | None, hours: float | None, workers: int) -> float:
    """Return the maximum number of trials, which may be infinite."""
    if (evaluations is not None and evaluations < 1) or workers < 1:
        msg = (
            f"A simulation needs at least one evaluation and one worker, got evaluations={evaluations}, "
            f"workers={workers}. Give positive numbers."
        )
        raise EvaluationError(msg)
    if evaluations is None if hours is None else hours <= 0:
        msg = (
            f"A simulation needs a number of evaluations or positive hours, got evaluations={evaluations}, "
            f"hours={hours}. Give one of them, or both."
        )
        raise EvaluationError(msg)
    if (workers > 1 or hours is not None) and "train_seconds" not in benchmark.metrics:
        msg = f"{benchmark} has no 'train_seconds', so trials have no duration. Omit workers= and hours=."
        raise EvaluationError(msg)
    return math.inf if evaluations is None else evaluations


def _is_full(trial: Trial, benchmark: Benchmark) -> bool:
    """Whether the trial was trained for the benchmark's epochs."""
    return trial.fidelity is None or trial.fidelity >= benchmark.epochs


@lru_cache(maxsize=8)
def _front_volume(
    benchmark: Benchmark, objectives: tuple[Objective, ...], reference: tuple[float, ...] | None
) -> tuple[tuple[float, ...], float]:
    """Return the reference point as losses, and the hypervolume of the table's front."""
    losses = benchmark.losses(objectives)
    worst = tuple(np.nanmax(losses, 0).tolist()) if reference is None else reference
    volume = hypervolume(losses[front_rows(losses)].tolist(), worst)
    if volume <= 0:
        stated = {
            one.metric: one.loss({one.metric: limit}) for one, limit in zip(objectives, worst, strict=True)
        }
        msg = (
            f"No row of {benchmark} is better than the reference {stated} in all objectives, so the "
            "hypervolume is 0. Give a worse reference."
        )
        raise EvaluationError(msg)
    return worst, volume


class _Clock:
    """The running trials and the simulated time, which advances to the end of the next trial."""

    def __init__(self, benchmark: Benchmark, history: History) -> None:
        self.now_s = 0.0
        self.ended: list[Trial] = []
        self._benchmark = benchmark
        self._history = history
        self._ends: list[tuple[float, int, Trial]] = []  # a heap by end, then by number

    @property
    def running(self) -> int:
        return len(self._ends)

    def start(self, proposal: Proposal) -> None:
        number = len(self._history)
        metrics = self._benchmark.query(proposal.architecture, proposal.fidelity)
        trial = Trial(
            number,
            proposal.architecture,
            fidelity=proposal.fidelity,
            parent=proposal.parent,
            started=self.now_s,
        )
        self._history.record(trial)
        end = self.now_s + metrics.get("train_seconds", 0.0) - self._trained_s(proposal)
        heapq.heappush(self._ends, (end, number, trial.end("completed", at=end, metrics=metrics)))

    def advance(self) -> None:
        """Advance to the end of the next trial, and record it."""
        self.now_s, _, trial = heapq.heappop(self._ends)
        self._history.record(trial)
        self.ended.append(trial)

    def _trained_s(self, proposal: Proposal) -> float:
        """Return the seconds of training that a promoted trial inherits from its parent."""
        if proposal.parent is None or not self._benchmark.continues:
            return 0.0
        parent = self._history[proposal.parent]
        full = self._benchmark.epochs
        longer = (parent.fidelity or full) < (proposal.fidelity or full)
        continued = longer and parent.architecture == proposal.architecture
        return parent.metrics.get("train_seconds", 0.0) if continued else 0.0


def _proposals(strategy: Strategy, space: SearchSpace, history: History, n: int, seed: int) -> list[Proposal]:
    """Return new proposals with the random numbers of a study; empty if the strategy waits or is done."""
    for attempt in range(REPEATS):
        rng = stream(seed, "propose", len(history), attempt)
        proposals = strategy.propose(space, history, n, rng)
        fresh: dict[tuple[Architecture, float | None], Proposal] = {}
        for one in proposals:
            if history.find(one.architecture, one.fidelity) is None:
                fresh.setdefault((one.architecture, one.fidelity), one)
        if fresh:
            return list(fresh.values())[:n]
        if not proposals:
            break
    return []
