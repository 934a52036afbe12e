"""Strategies side by side: each with many seeds on one benchmark, on the simulated clock."""

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
from retia.benchmark.standing import Spread, Standing, known
from retia.benchmark.statistics import Band, CriticalDifference, average_ranks, band, critical_difference
from retia.errors import EvaluationError
from retia.trial import objectives_from

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """What came of a comparison; strategies are in the order in which they were named.

    Args:
        benchmark: What was searched, as JSON.
        metric: In what regret counts.
        evaluations: How many trials a strategy had; None where the hours alone decided.
        workers: On how many simulated workers.
        runs: By strategy, a run for each seed.
        hours: How many simulated hours a strategy had; None where the trials alone decided. If there are any,
            the standings are those after so many hours.
    """

    benchmark: Mapping[str, Any]
    metric: str
    evaluations: int | None
    workers: int
    runs: Mapping[str, tuple[SeedRun, ...]]
    hours: float | None = None

    @property
    def seeds(self) -> int:
        """How many seeds every strategy had."""
        return len(next(iter(self.runs.values())))

    @property
    def half(self) -> float:
        """Half of the evaluations, at least one, or of the hours."""
        return max(1, (self.evaluations or 1) // 2) if self.hours is None else self.hours / 2

    @property
    def full(self) -> float:
        """All of the evaluations, or of the hours."""
        return (self.evaluations or 1) if self.hours is None else self.hours

    @cached_property
    def standings(self) -> dict[str, Standing]:
        """How each strategy did."""
        ranks = average_ranks(self._losses)
        return {name: self._standing(name, runs, ranks[name]) for name, runs in self.runs.items()}

    @cached_property
    def significance(self) -> CriticalDifference | None:
        """Which strategies differ by their final regrets; None for less than three strategies or two seeds,
        which the test can't take.
        """
        return critical_difference(self._losses) if len(self.runs) >= 3 and self.seeds >= 2 else None

    def over_evaluations(self, strategy: str) -> Band:
        """Return the regret of a strategy after each trial, over seeds."""
        return band([run.regret for run in self.runs[strategy]])

    def over_hours(self, strategy: str, points: int = 200) -> tuple[NDArray[np.float64], Band]:
        """Return simulated hours (H,), evenly spaced, and the regret of a strategy then, over seeds.

        They begin when every seed has a result, and end with the hours of the comparison, or else when half
        of the seeds have ended.
        """
        runs = self.runs[strategy]
        first = max(float(run.ended_s[np.argmax(~np.isnan(run.regret))]) for run in runs)
        last = (
            float(np.median([run.ended_s[-1] for run in runs])) if self.hours is None else 3600 * self.hours
        )
        seconds = np.linspace(first, max(first, last), points)
        return seconds / 3600, band(
            [run.regret[np.searchsorted(run.ended_s, seconds, side="right") - 1] for run in runs]
        )

    def table(self) -> str:
        """Return the standings as text, with what the differences in rank are worth below."""
        unit = "" if self.hours is None else " h"
        headings = ["strategy"]
        headings += [
            f"{kind}@{at:g}{unit}"
            for at in (self.half, self.full)
            for kind in ("mean", "median", "quartiles")
        ]
        headings += [
            "to optimum",
            "found",
            "test",
            "rank",
            *(() if self.hours is None else ("trials",)),
            "propose",
        ]
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
        """Return a JSON object: the standings, the test, the medians and quartiles of regret after each
        trial, and the final regret of each seed.
        """
        test = self.significance
        return {
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
                    "final_by_seed": [known(self.regret(run)) for run in self.runs[name]],
                    "regret": {
                        kind: [known(value) for value in curve.tolist()]
                        for kind, curve in vars(self.over_evaluations(name)).items()
                    },
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

    def regret(self, run: SeedRun, *, halfway: bool = False) -> float:
        """Return the regret of a run after all of its evaluations, or of the hours; or after half of them."""
        after = self.half if halfway else self.full
        return run.regret_after(int(after)) if self.hours is None else run.regret_at(after)

    @cached_property
    def _losses(self) -> dict[str, list[float]]:
        """The final regrets by seed; what has no result after all evaluations is last."""
        final = {name: [self.regret(run) for run in runs] for name, runs in self.runs.items()}
        return {
            name: [math.inf if math.isnan(value) else value for value in values]
            for name, values in final.items()
        }

    def _standing(self, name: str, runs: Sequence[SeedRun], rank: float) -> Standing:
        counts = [
            self.hours is None or run.hours_to_optimum <= self.hours for run in runs
        ]  # a trial may end after the hours
        return Standing(
            name,
            Spread.of([self.regret(run, halfway=True) for run in runs]),
            Spread.of([self.regret(run) for run in runs]),
            sum(
                counted and math.isfinite(run.evaluations_to_optimum)
                for counted, run in zip(counts, runs, strict=True)
            ),
            _median(
                [
                    run.evaluations_to_optimum if counted else math.inf
                    for counted, run in zip(counts, runs, strict=True)
                ]
            ),
            _median(
                [
                    run.hours_to_optimum if counted else math.inf
                    for counted, run in zip(counts, runs, strict=True)
                ]
            ),
            float(
                np.mean([run.tested[-1] if self.hours is None else run.tested_at(self.hours) for run in runs])
            ),
            rank,
            float(np.mean([len(run.regret) for run in runs])),
            1000 * sum(run.propose_s for run in runs) / sum(len(run.regret) for run in runs),
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
            f"Friedman: p = {test.p:.2g}; mean ranks differ if {test.difference:.2f} apart (Nemenyi, "
            f"alpha = {test.alpha:g})."
        )
        groups = "; ".join(", ".join(group) for group in test.groups)
        yield f"Not to be told apart: {groups}." if groups else "All of them can be told apart."


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
    """Run every strategy with every seed on a benchmark's simulated clock, and say how they did.

    With one objective regret is the distance to the table's best. With several it is the share of the
    hypervolume of the table's front that is lacking, up to the reference. The results do not depend on the
    executor, apart from how long proposing took.

    Args:
        benchmark: Where the results come from.
        strategies: By name, what makes a fresh strategy.
        evaluations: How many trials each has.
        hours: How many simulated hours each has, where trials cost different amounts, as those of several
            fidelities do.
        seeds: With how many seeds, from 0 on.
        workers: How many trials run at once on the simulated clock.
        maximize: The metrics to maximize; the benchmark's objective if there is nothing to minimize either.
        minimize: The metrics to minimize.
        reference: Up to which value of each of several objectives to measure; the worst of the table if not
            given.
        executor: Where the simulations run, such as `retia.Processes(2)`; in this process if not given. It is
            left open.
        progress: Hears of each run that has ended, how many have, and of how many.

    Raises:
        EvaluationError: If `strategies` makes none by name, there is no strategy or no seed, a reference for
            a single objective, a metric that the table has not, a strategy proposes nothing, or the
            simulation can't be (see `simulate`).
        StudyError: If a metric is named twice, or the reference lacks one.
    """
    given: object = strategies
    if not isinstance(given, Mapping) or not all(map(callable, strategies.values())):
        msg = (
            f"A comparison takes what makes a fresh strategy for each seed, by name, such as {{'random': "
            "retia.Random, 'small': lambda: "
            f"retia.RegularizedEvolution(population=10)}}, got {given!r}."
        )
        raise EvaluationError(msg)
    if not strategies or seeds < 1:
        msg = (
            f"A comparison needs at least one strategy and one seed, got {list(strategies)} and "
            f"seeds={seeds}."
        )
        raise EvaluationError(msg)
    objectives = objectives_from(maximize or (None if minimize else benchmark.objective), minimize)
    names = [one.metric for one in objectives]
    if reference is not None and len(names) < 2:
        msg = (
            f"A reference is for the hypervolume of several objectives, got {dict(reference)} for "
            f"'{names[0]}' alone. Leave it out."
        )
        raise EvaluationError(msg)
    for name in names:
        benchmark.column(name)  # a metric that there is not is said here, and not by a process
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
    finally:  # what has not begun when one fails need not
        for future in futures:
            future.cancel()


def _median(values: Sequence[float]) -> float:
    """Return the median of numbers that may be infinite: of an even number the mean of the two in the middle,
    infinite if one of them is.
    """
    return float(np.mean(sorted(values)[(len(values) - 1) // 2 : len(values) // 2 + 1]))


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows of text in columns, the first to the left and the others to the right."""
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
