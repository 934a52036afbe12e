"""A comparison of strategies with many seeds on one benchmark, on the simulated clock."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retia.benchmark.benchmark import Benchmark
from retia.benchmark.seed_run import Factory, SeedRun, SimulatedSeed
from retia.benchmark.standing import Spread, Standing, finite_json
from retia.benchmark.statistics import Band, CriticalDifference, average_ranks, band, critical_difference
from retia.errors import EvaluationError
from retia.trial import Objective, objectives_from

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison; strategies are in the given order.

    Args:
        benchmark: Identity of the benchmark, as JSON.
        metric: Metric of the regret.
        evaluations: Number of trials of a run; None if only `hours` limited it.
        workers: Number of simulated workers.
        runs: Runs of each strategy, one for each seed.
        hours: Simulated hours of a run; None if only `evaluations` limited it. If given, the standings are
            those after `hours`.
    """

    benchmark: Mapping[str, Any]
    metric: str
    evaluations: int | None
    workers: int
    runs: Mapping[str, tuple[SeedRun, ...]]
    hours: float | None = None

    @property
    def seeds(self) -> int:
        """The number of seeds of each strategy."""
        return len(next(iter(self.runs.values())))

    @property
    def half(self) -> float:
        """Half of the hours, or of the evaluations, at least one."""
        return max(1, (self.evaluations or 1) // 2) if self.hours is None else self.hours / 2

    @property
    def full(self) -> float:
        """The hours, or the evaluations."""
        return (self.evaluations or 1) if self.hours is None else self.hours

    @cached_property
    def standings(self) -> dict[str, Standing]:
        """The results of each strategy."""
        ranks = average_ranks(self._losses)
        return {name: self._standing(name, runs, ranks[name]) for name, runs in self.runs.items()}

    @cached_property
    def significance(self) -> CriticalDifference | None:
        """The test of the final regrets; None for fewer than three strategies or two seeds."""
        return critical_difference(self._losses) if len(self.runs) >= 3 and self.seeds >= 2 else None

    def over_evaluations(self, strategy: str) -> Band:
        """Return the band over seeds of a strategy's regret after each trial."""
        return band([run.regret for run in self.runs[strategy]])

    def over_hours(self, strategy: str, points: int = 200) -> tuple[NDArray[np.float64], Band]:
        """Return evenly spaced simulated hours (H,), and the band of a strategy's regret at these hours.

        The first is the hour at which every seed has a result. The last is `hours`, or the median end of the
        runs.
        """
        runs = self.runs[strategy]
        first = max(float(run.ended_s[np.argmax(~np.isnan(run.regret))]) for run in runs)
        ends = [run.ended_s[-1] if self.hours is None else 3600 * self.hours for run in runs]
        last = float(np.median(ends))
        seconds = np.linspace(first, max(first, last), points)
        return seconds / 3600, band(
            [run.regret[np.searchsorted(run.ended_s, seconds, side="right") - 1] for run in runs]
        )

    def table(self) -> str:
        """Return the standings as text, with the test of their differences."""
        unit = "" if self.hours is None else " h"
        kinds = ("mean", "median", "quartiles")
        regrets = [f"{kind}@{at:g}{unit}" for at in (self.half, self.full) for kind in kinds]
        trials = () if self.hours is None else ("trials",)
        headings = ["strategy", *regrets, "to optimum", "found", "test", "rank", *trials, "propose"]
        rows = [self._row(standing) for standing in self.standings.values()]
        settings = ", ".join(
            f"{name}={value}"
            for name, value in self.benchmark.items()
            if name != "benchmark" and isinstance(value, str | int)
        )
        budget = (
            f"{self.evaluations} evaluations" if self.hours is None else f"{self.hours:g} simulated hours"
        )
        workers = "" if self.workers == 1 else f" on {self.workers} workers"
        title = (
            f"{self.benchmark.get('benchmark', 'table')} ({settings}): regret in {self.metric}, "
            f"{self.seeds} seeds, {budget}{workers}"
        )
        return "\n".join([title, *_aligned([headings, *rows]), *self._verdict()])

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object: standings, test, and regret over trials and over seeds."""
        test = self.significance
        value = {
            "benchmark": dict(self.benchmark),
            "metric": self.metric,
            "evaluations": self.evaluations,
            "hours": self.hours,
            "halfway": self.half,
            "workers": self.workers,
            "seeds": self.seeds,
            "strategies": {
                name: {
                    **standing.to_json(),
                    "final_by_seed": [self.regret(run) for run in self.runs[name]],
                    "regret": self.over_evaluations(name).to_json(),
                }
                for name, standing in self.standings.items()
            },
            "significance": None
            if test is None
            else {
                "p": test.p,
                "critical_difference": test.difference,
                "alpha": test.alpha,
                "groups": [list(group) for group in test.groups],
            },
        }
        return finite_json(value)

    def regret(self, run: SeedRun, *, halfway: bool = False) -> float:
        """Return the regret of a run after the whole budget, or after half of it."""
        after = self.half if halfway else self.full
        return run.regret_after(int(after)) if self.hours is None else run.regret_at(after)

    @cached_property
    def _losses(self) -> dict[str, list[float]]:
        """The final regrets by seed; infinite for a run without a result."""
        final = {name: np.array([self.regret(run) for run in runs]) for name, runs in self.runs.items()}
        return {name: np.where(np.isnan(one), math.inf, one).tolist() for name, one in final.items()}

    def _standing(self, name: str, runs: Sequence[SeedRun], rank: float) -> Standing:
        hours = self.hours
        # A trial may end after the hours.
        counted = [run for run in runs if hours is None or run.hours_to_optimum <= hours]
        missed = [math.inf] * (len(runs) - len(counted))
        trials = [len(run.regret) for run in runs]
        return Standing(
            name,
            halfway=Spread.of([self.regret(run, halfway=True) for run in runs]),
            final=Spread.of([self.regret(run) for run in runs]),
            found=sum(math.isfinite(run.evaluations_to_optimum) for run in counted),
            evaluations_to_optimum=_median([*(run.evaluations_to_optimum for run in counted), *missed]),
            hours_to_optimum=_median([*(run.hours_to_optimum for run in counted), *missed]),
            test_accuracy=float(
                np.mean([run.tested[-1] if hours is None else run.tested_at(hours) for run in runs])
            ),
            rank=rank,
            trials=float(np.mean(trials)),
            propose_ms=1000 * sum(run.propose_s for run in runs) / sum(trials),
        )

    def _row(self, standing: Standing) -> list[str]:
        regrets = [
            text
            for one in (standing.halfway, standing.final)
            for text in (_digits(one.mean), _digits(one.median), _quartiles(one))
        ]
        reached, unit = (
            (standing.evaluations_to_optimum, "") if self.hours is None else (standing.hours_to_optimum, " h")
        )
        return [
            standing.strategy,
            *regrets,
            f"{reached:.4g}{unit}" if math.isfinite(reached) else f">{self.full:g}{unit}",
            f"{standing.found}/{self.seeds}",
            "-" if math.isnan(standing.test_accuracy) else f"{standing.test_accuracy:.2f}",
            f"{standing.rank:.2f}",
            *(() if self.hours is None else (f"{standing.trials:.0f}",)),
            f"{standing.propose_ms:.2f} ms",
        ]

    def _verdict(self) -> Iterator[str]:
        test = self.significance
        if test is None:
            return
        yield (
            f"Friedman test: p = {test.p:.2g}. Critical difference of mean ranks: {test.difference:.2f} "
            f"(Nemenyi, alpha = {test.alpha:g})."
        )
        groups = "; ".join(", ".join(group) for group in test.groups)
        yield (
            f"No significant difference within: {groups}."
            if groups
            else "All strategies differ significantly."
        )


def compare(
    benchmark: Benchmark,
    strategies: Mapping[str, Factory],
    *,
    evaluations: int | None = None,
    hours: float | None = None,
    seeds: int = 60,
    workers: int = 1,
    maximize: str | Sequence[str] | None = None,
    minimize: str | Sequence[str] | None = None,
    reference: Mapping[str, float] | None = None,
    executor: Executor | None = None,
    progress: Callable[[SeedRun, int, int], None] | None = None,
) -> Comparison:
    """Run each strategy with each seed on a benchmark's simulated clock.

    With one objective, the regret is the difference to the table's best. With several objectives, it is the
    share of the hypervolume of the table's front that the front of the trials lacks.

    Args:
        benchmark: The benchmark.
        strategies: Functions that make a fresh strategy, by name.
        evaluations: Maximum number of trials of a run.
        hours: Simulated hours of a run, for strategies whose trials have different fidelities.
        seeds: Number of seeds, counted from 0.
        workers: Number of trials that run at once on the simulated clock.
        maximize: Metrics to maximize. Default: the benchmark's objective, unless `minimize` is given.
        minimize: Metrics to minimize.
        reference: Reference point of the hypervolume. Default: the worst values of the table.
        executor: Executor of the simulations, such as `retia.Processes(2)`, which is not shut down. Default:
            this process.
        progress: Callback after each run, with the run, the number of finished runs and the total.

    Raises:
        EvaluationError: If `strategies` is not a nonempty mapping of functions, `seeds` is not positive, a
            single objective has a `reference`, the table lacks a metric, a strategy proposes nothing, or
            `simulate` rejects the arguments.
        StudyError: If a metric is named twice, or `reference` lacks an objective.
    """
    objectives = _objectives(benchmark, strategies, seeds, maximize, minimize, reference)
    names = [one.metric for one in objectives]
    job = SimulatedSeed(benchmark, dict(strategies), objectives, reference, evaluations, hours, workers)
    pairs = [(name, seed) for name in strategies for seed in range(seeds)]
    ended: dict[tuple[str, int], SeedRun] = {}
    for run in _runs(job, pairs, executor):
        ended[run.strategy, run.seed] = run
        if progress is not None:
            progress(run, len(ended), len(pairs))
    runs = {name: tuple(ended[name, seed] for seed in range(seeds)) for name in strategies}
    return Comparison(
        benchmark.identity(),
        names[0] if len(names) == 1 else f"hypervolume of {', '.join(names)}",
        evaluations,
        workers,
        runs,
        hours,
    )


def _objectives(
    benchmark: Benchmark,
    strategies: Mapping[str, Factory],
    seeds: int,
    maximize: str | Sequence[str] | None,
    minimize: str | Sequence[str] | None,
    reference: Mapping[str, float] | None,
) -> tuple[Objective, ...]:
    """Return the objectives of a comparison; raise `EvaluationError` for invalid arguments."""
    given: object = strategies
    if not isinstance(given, Mapping) or not all(map(callable, strategies.values())):
        msg = (
            "`strategies` maps a name to a function that makes a fresh strategy for each seed, "
            f"got {given!r}. Write for example {{'random': retia.Random, "
            "'small': lambda: retia.RegularizedEvolution(population=10)}."
        )
        raise EvaluationError(msg)
    if not strategies or seeds < 1:
        msg = (
            f"A comparison needs at least one strategy and one seed, got {list(strategies)} and "
            f"seeds={seeds}. Add them."
        )
        raise EvaluationError(msg)
    objectives = objectives_from(maximize or (None if minimize else benchmark.objective), minimize)
    first, *others = objectives
    if reference is not None and not others:
        msg = (
            "`reference` is the reference point of the hypervolume of several objectives, "
            f"got {dict(reference)} for '{first.metric}' alone. Leave it out."
        )
        raise EvaluationError(msg)
    benchmark.losses(objectives)  # raises for an unknown metric before any process starts
    return objectives


def _runs(
    job: SimulatedSeed, pairs: Sequence[tuple[str, int]], executor: Executor | None
) -> Iterator[SeedRun]:
    """Yield the runs as they end."""
    if executor is None:
        yield from (job(name, seed) for name, seed in pairs)
        return
    futures = [executor.submit(job, name, seed) for name, seed in pairs]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:  # after a failure, no further run starts
        for future in futures:
            future.cancel()


def _median(values: Sequence[float]) -> float:
    """Return the median of numbers that may be infinite."""
    return float(np.mean(sorted(values)[(len(values) - 1) // 2 : len(values) // 2 + 1]))


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows of text in columns: the first is left-aligned, the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        yield "  ".join(
            [
                first.ljust(widths[0]),
                *(text.rjust(width) for text, width in zip(others, widths[1:], strict=True)),
            ]
        )


def _digits(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}"


def _quartiles(spread: Spread) -> str:
    return "-" if math.isnan(spread.low) else f"{spread.low:.2g}..{spread.high:.2g}"
