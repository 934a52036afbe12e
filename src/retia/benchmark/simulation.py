"""A simulated clock: strategies run on as many workers as one likes, in the time that a table says, without
waiting for it.
"""

import heapq
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
"""How many times in a row a strategy may propose what is known already; as in a study."""


@dataclass(frozen=True)
class Simulated:
    """What a strategy did, trial by trial.

    Args:
        trials: The completed trials, in the order in which they ended; `started` and `ended` are simulated
            seconds.
        objectives: What was searched for.
        benchmark: Where the results come from.
    """

    trials: tuple[Trial, ...]
    objectives: tuple[Objective, ...]
    benchmark: Benchmark

    @cached_property
    def ends_s(self) -> NDArray[np.float64]:
        """When each trial ended, in simulated seconds: (T,)."""
        return np.array([trial.ended for trial in self.trials], float)

    @cached_property
    def incumbents(self) -> list[Trial | None]:
        """The best trial so far by the first objective, after each: (T,). Trials of less than the benchmark's
        epochs don't count.
        """
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
        """Return a metric of the best trial so far, after each trial: (T,); NaN before the first one that
        counts.

        Args:
            metric: Which; the first objective's if not given. The trial is the best by the first objective,
                whatever the metric.
        """
        name = metric or self.objectives[0].metric
        return np.array([np.nan if trial is None else trial.metrics[name] for trial in self.incumbents])

    def regret(self) -> NDArray[np.float64]:
        """Return how far the best so far is from the table's best in the first objective, after each trial:
        (T,).
        """
        objective = self.objectives[0]
        minimize = objective.direction == "minimize"
        return np.abs(self.benchmark.optimum(objective.metric, minimize=minimize) - self.curve())

    def at(
        self, hours: Sequence[float] | NDArray[np.float64], curve: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return a curve (T,) of the trials at some simulated hours (H,), as (H,): its value after the last
        trial that ended by then.

        It is NaN before the first trial has ended.
        """
        ended = np.searchsorted(self.ends_s, np.asarray(hours, float) * 3600, side="right")
        return np.where(ended > 0, curve[np.maximum(ended - 1, 0)], np.nan)

    def hypervolume_share(self, reference: Mapping[str, float] | None = None) -> float:
        """Return which share of the volume that the table's front dominates the trials' front does, after all
        of them.

        Args:
            reference: Up to which value of each objective to measure; the worst of the table if not given.

        Raises:
            StudyError: If the reference lacks the value of an objective.
            EvaluationError: If nothing in the table is better than the reference.
        """
        return float(self.hypervolume_shares(reference)[-1])

    def hypervolume_shares(self, reference: Mapping[str, float] | None = None) -> NDArray[np.float64]:
        """Return the share of the volume after each trial: (T,). See `hypervolume_share`."""
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
        """Return after how many trials the regret was at most so much; None if never."""
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
    """Run a strategy on a benchmark, asynchronously on some simulated workers, and return what it did.

    A trial takes the benchmark's `train_seconds`; where it goes on from a parent of the same architecture and
    a lower fidelity, only what that has not trained, if trainings of the benchmark do continue. A worker that
    is free gets the next proposal at once; the strategy sees what runs as running. The random numbers are
    those of a study with this seed: with one worker and a study's baseline, the trials are the study's.

    Args:
        benchmark: Where the results come from.
        strategy: What proposes.
        evaluations: How many trials to run; as many as the hours are enough for, if not given.
        seed: Where the randomness comes from.
        workers: How many trials run at once.
        maximize: The metrics to maximize; the benchmark's objective if there is nothing to minimize either.
        minimize: The metrics to minimize.
        hours: The simulated hours after which no more trials are started.
        baseline: The architecture of trial 0; the strategy's own proposal if not given.

    Raises:
        EvaluationError: If there are no evaluations, hours or workers, or the table doesn't know how long
            training takes and there are hours to keep or workers to fill.
    """
    most = np.inf if evaluations is None else evaluations
    if most < 1 or workers < 1:
        msg = (
            f"A simulation needs at least one evaluation and one worker, got evaluations={evaluations}, "
            f"workers={workers}."
        )
        raise EvaluationError(msg)
    if not (np.isfinite(most) if hours is None else hours > 0):
        msg = (
            f"A simulation ends after some evaluations or some hours, got evaluations={evaluations}, "
            f"hours={hours}. Give one of them, or both."
        )
        raise EvaluationError(msg)
    if (workers > 1 or hours is not None) and "train_seconds" not in benchmark.metrics:
        msg = (
            f"{benchmark} has no 'train_seconds', without which trials take no time. "
            "Leave out workers= and hours=."
        )
        raise EvaluationError(msg)
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


def _is_full(trial: Trial, benchmark: Benchmark) -> bool:
    """Whether the trial was trained as long as the benchmark says."""
    return trial.fidelity is None or trial.fidelity >= benchmark.epochs


@lru_cache(maxsize=8)
def _front_volume(
    benchmark: Benchmark, objectives: tuple[Objective, ...], reference: tuple[float, ...] | None
) -> tuple[tuple[float, ...], float]:
    """Return up to which losses to measure, and the volume that the table's front dominates there."""
    losses = benchmark.losses(objectives)
    worst = tuple(np.nanmax(losses, 0).tolist()) if reference is None else reference
    volume = hypervolume(losses[front_rows(losses)].tolist(), worst)
    if volume <= 0:
        stated = {
            one.metric: one.loss({one.metric: limit}) for one, limit in zip(objectives, worst, strict=True)
        }
        msg = (
            f"Nothing in {benchmark} is better than the reference {stated} in all objectives, "
            "so there is no volume to measure. Take a worse reference."
        )
        raise EvaluationError(msg)
    return worst, volume


class _Clock:
    """The trials that run, and the time, which moves on to the end of the next."""

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
        """Move on to the end of the next trial, and record it."""
        self.now_s, _, trial = heapq.heappop(self._ends)
        self._history.record(trial)
        self.ended.append(trial)

    def _trained_s(self, proposal: Proposal) -> float:
        """Return the seconds of training that a promoted trial takes over from its parent."""
        if proposal.parent is None or not self._benchmark.continues:
            return 0.0
        parent = self._history[proposal.parent]
        full = self._benchmark.epochs
        goes_on = parent.architecture == proposal.architecture and (parent.fidelity or full) < (
            proposal.fidelity or full
        )
        return parent.metrics.get("train_seconds", 0.0) if goes_on else 0.0


def _proposals(strategy: Strategy, space: SearchSpace, history: History, n: int, seed: int) -> list[Proposal]:
    """Ask the strategy for what has not been evaluated, with the random numbers of a study; none if it waits
    or has no more.
    """
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
