"""Strategies side by side: each with many seeds on one benchmark, on the simulated clock."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retia.benchmark.benchmark import Benchmark
from retia.benchmark.simulation import simulate
from retia.benchmark.statistics import Band, CriticalDifference, average_ranks, band, critical_difference
from retia.errors import EvaluationError
from retia.space import SearchSpace
from retia.strategy import Strategy
from retia.trial import History, Proposal

__all__ = ["Comparison", "SeedRun", "Spread", "Standing", "compare"]

TEST = "test_accuracy"
"""What is reported beside the regret, of the best by the objective."""

Factory: TypeAlias = Callable[[], Strategy]


@dataclass(frozen=True, eq=False)
class SeedRun:
    """What a strategy reached with one seed, after each of T trials.

    Args:
        strategy: Its name.
        seed: The seed.
        regret: How far the best so far is from the table's best, (T,); NaN before the first trial that counts.
        tested: The test accuracy of that trial, (T,); NaN where it isn't known.
        ended_s: When the trials ended, in simulated seconds, (T,).
        propose_s: The processor time that the strategy took for all its proposals, in seconds.
    """

    strategy: str
    seed: int
    regret: NDArray[np.float64]
    tested: NDArray[np.float64]
    ended_s: NDArray[np.float64]
    propose_s: float

    def regret_after(self, evaluations: int) -> float:
        """Return the regret after some trials; of a run that ended earlier, the last."""
        return float(self.regret[min(evaluations, len(self.regret)) - 1])

    @property
    def evaluations_to_optimum(self) -> float:
        """After how many trials the regret was 0; infinite if never."""
        reached = np.flatnonzero(self.regret <= 0)
        return float(reached[0] + 1) if len(reached) else math.inf


@dataclass(frozen=True)
class Spread:
    """The mean of S numbers, their median, and the quartiles below and above it."""

    mean: float
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of some numbers; NaN if one of them is."""
        low, median, high = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
        return cls(float(np.mean(values)), median, low, high)


@dataclass(frozen=True)
class Standing:
    """How one strategy did over all seeds.

    Args:
        strategy: Its name.
        halfway: The regret after half of the evaluations.
        final: The regret after all of them.
        found: How many seeds found the optimum.
        evaluations_to_optimum: The median over seeds; infinite if less than half of them found it.
        test_accuracy: The mean test accuracy of the best by the objective; NaN if the table has none.
        rank: The mean rank among the strategies by the final regret, 1 for the best.
        propose_ms: The mean processor time to propose a trial, in milliseconds.
    """

    strategy: str
    halfway: Spread
    final: Spread
    found: int
    evaluations_to_optimum: float
    test_accuracy: float
    rank: float
    propose_ms: float

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object, with null for what is infinite or not known."""
        plain = {name: value for name, value in vars(self).items() if name not in ("halfway", "final")}
        return {
            **{name: _known(value) for name, value in plain.items()},
            "halfway": {name: _known(value) for name, value in vars(self.halfway).items()},
            "final": {name: _known(value) for name, value in vars(self.final).items()},
        }


@dataclass(frozen=True)
class Comparison:
    """What came of a comparison; strategies are in the order in which they were named.

    Args:
        benchmark: What was searched, as JSON.
        metric: In which metric regret counts.
        evaluations: How many trials a strategy had.
        workers: On how many simulated workers.
        runs: By strategy, a run for each seed.
    """

    benchmark: Mapping[str, Any]
    metric: str
    evaluations: int
    workers: int
    runs: Mapping[str, tuple[SeedRun, ...]]

    @property
    def seeds(self) -> int:
        """How many seeds every strategy had."""
        return len(next(iter(self.runs.values())))

    @property
    def half(self) -> int:
        """Half of the evaluations, at least one."""
        return max(1, self.evaluations // 2)

    @cached_property
    def standings(self) -> dict[str, Standing]:
        """How each strategy did."""
        ranks = average_ranks(self._losses)
        return {name: self._standing(name, runs, ranks[name]) for name, runs in self.runs.items()}

    @cached_property
    def significance(self) -> CriticalDifference | None:
        """Which strategies differ by their final regrets; None for less than three strategies or two seeds, which the test can't take."""
        return critical_difference(self._losses) if len(self.runs) >= 3 and self.seeds >= 2 else None

    def over_evaluations(self, strategy: str) -> Band:
        """Return the regret of a strategy after each trial, over seeds."""
        return band([run.regret for run in self.runs[strategy]])

    def over_hours(self, strategy: str, points: int = 200) -> tuple[NDArray[np.float64], Band]:
        """Return simulated hours (H,), evenly spaced, and the regret of a strategy then, over seeds.

        They begin when every seed has a result, and end when half of the seeds have ended.
        """
        runs = self.runs[strategy]
        first = max(float(run.ended_s[np.argmax(~np.isnan(run.regret))]) for run in runs)
        last = float(np.median([run.ended_s[-1] for run in runs]))
        seconds = np.linspace(first, max(first, last), points)
        return seconds / 3600, band([run.regret[np.searchsorted(run.ended_s, seconds, side="right") - 1] for run in runs])

    def table(self) -> str:
        """Return the standings as text, with what the differences in rank are worth below."""
        half, full = f"@{self.half}", f"@{self.evaluations}"
        headings = ["strategy"]
        headings += [f"{kind}{at}" for at in (half, full) for kind in ("mean", "median", "quartiles")]
        headings += ["to optimum", "found", "test", "rank", "propose"]
        rows = [self._row(standing) for standing in self.standings.values()]
        settings = ", ".join(f"{name}={value}" for name, value in self.benchmark.items() if name != "benchmark" and isinstance(value, str | int))
        workers = "" if self.workers == 1 else f" on {self.workers} workers"
        title = f"{self.benchmark.get('benchmark', 'table')} ({settings}): regret in {self.metric}, {self.seeds} seeds, {self.evaluations} evaluations{workers}"
        return "\n".join([title, *_aligned([headings, *rows]), *self._verdict()])

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object: the standings, the test, the medians and quartiles of regret after each trial, and the final regret of each seed."""
        test = self.significance
        return {
            "benchmark": dict(self.benchmark),
            "metric": self.metric,
            "evaluations": self.evaluations,
            "halfway": self.half,
            "workers": self.workers,
            "seeds": self.seeds,
            "strategies": {
                name: {
                    **standing.to_json(),
                    "final_by_seed": [_known(run.regret_after(self.evaluations)) for run in self.runs[name]],
                    "regret": {kind: [_known(value) for value in curve.tolist()] for kind, curve in vars(self.over_evaluations(name)).items()},
                }
                for name, standing in self.standings.items()
            },
            "significance": None
            if test is None
            else {"p": test.p, "critical_difference": test.difference, "alpha": test.alpha, "groups": [list(group) for group in test.groups]},
        }

    @cached_property
    def _losses(self) -> dict[str, list[float]]:
        """The final regrets by seed; what has no result after all evaluations is last."""
        final = {name: [run.regret_after(self.evaluations) for run in runs] for name, runs in self.runs.items()}
        return {name: [math.inf if math.isnan(value) else value for value in values] for name, values in final.items()}

    def _standing(self, name: str, runs: Sequence[SeedRun], rank: float) -> Standing:
        to_optimum = [run.evaluations_to_optimum for run in runs]
        return Standing(
            name,
            Spread.of([run.regret_after(self.half) for run in runs]),
            Spread.of([run.regret_after(self.evaluations) for run in runs]),
            sum(map(math.isfinite, to_optimum)),
            # Of an even number the lower and the upper median may be finite and infinite; the mean of the two is then infinite.
            float(np.mean(sorted(to_optimum)[(len(runs) - 1) // 2 : len(runs) // 2 + 1])),
            float(np.mean([run.tested[-1] for run in runs])),
            rank,
            1000 * sum(run.propose_s for run in runs) / sum(len(run.regret) for run in runs),
        )

    def _row(self, standing: Standing) -> list[str]:
        regrets = [text for one in (standing.halfway, standing.final) for text in (_digits(one.mean), _digits(one.median), _quartiles(one))]
        reached = standing.evaluations_to_optimum
        return [
            standing.strategy,
            *regrets,
            f"{reached:g}" if math.isfinite(reached) else f">{self.evaluations}",
            f"{standing.found}/{self.seeds}",
            "-" if math.isnan(standing.test_accuracy) else f"{standing.test_accuracy:.2f}",
            f"{standing.rank:.2f}",
            f"{standing.propose_ms:.2f} ms",
        ]

    def _verdict(self) -> Iterator[str]:
        test = self.significance
        if test is None:
            return
        yield f"Friedman: p = {test.p:.2g}; mean ranks differ if {test.difference:.2f} apart (Nemenyi, alpha = {test.alpha:g})."
        groups = "; ".join(", ".join(group) for group in test.groups)
        yield f"Not to be told apart: {groups}." if groups else "All of them can be told apart."


def compare(
    benchmark: Benchmark,
    strategies: Mapping[str, Factory],
    *,
    evaluations: int,
    seeds: int = 60,
    workers: int = 1,
    executor: Executor | None = None,
    progress: Callable[[SeedRun, int, int], None] | None = None,
) -> Comparison:
    """Run every strategy with every seed on a benchmark's simulated clock, and say how they did in its objective.

    The results do not depend on the executor, apart from how long proposing took.

    Args:
        benchmark: Where the results come from.
        strategies: By name, what makes a fresh strategy.
        evaluations: How many trials each has.
        seeds: With how many seeds, from 0 on.
        workers: How many trials run at once on the simulated clock.
        executor: Where the simulations run, such as `retia.Processes(2)`; in this process if not given. It is left open.
        progress: Hears of each run that has ended, how many have, and of how many.

    Raises:
        EvaluationError: If there is no strategy or no seed, a strategy proposes nothing, or the simulation can't be (see `simulate`).
    """
    if not strategies or seeds < 1:
        msg = f"A comparison needs at least one strategy and one seed, got {list(strategies)} and seeds={seeds}."
        raise EvaluationError(msg)
    job = _Job(benchmark, dict(strategies), evaluations, workers)
    pairs = [(name, seed) for name in strategies for seed in range(seeds)]
    ended: dict[tuple[str, int], SeedRun] = {}
    for run in _runs(job, pairs, executor):
        ended[run.strategy, run.seed] = run
        if progress is not None:
            progress(run, len(ended), len(pairs))
    runs = {name: tuple(ended[name, seed] for seed in range(seeds)) for name in strategies}
    return Comparison(benchmark.identity(), benchmark.objective, evaluations, workers, runs)


@dataclass(frozen=True, eq=False)
class _Job:
    """Simulates one strategy with one seed; travels to a process once, with the table."""

    benchmark: Benchmark
    strategies: Mapping[str, Factory]
    evaluations: int
    workers: int

    def __call__(self, name: str, seed: int) -> SeedRun:
        strategy = _Timed(self.strategies[name]())
        simulated = simulate(self.benchmark, strategy, evaluations=self.evaluations, seed=seed, workers=self.workers)
        if not simulated.trials:
            msg = f"'{name}' proposed nothing with seed {seed}, so there is nothing to compare. A strategy proposes at least one architecture."
            raise EvaluationError(msg)
        tested = [math.nan if trial is None else trial.metrics.get(TEST, math.nan) for trial in simulated.incumbents]
        return SeedRun(name, seed, simulated.regret(), np.array(tested), simulated.ends_s, strategy.seconds)


@dataclass
class _Timed:
    """A strategy, and the processor time that it has taken."""

    strategy: Strategy
    seconds: float = 0.0

    def propose(self, space: SearchSpace, history: History, n: int, rng: np.random.Generator) -> Sequence[Proposal]:
        """Propose what the strategy does."""
        started_s = time.process_time()
        proposals = self.strategy.propose(space, history, n, rng)
        self.seconds += time.process_time() - started_s
        return proposals


def _runs(job: _Job, pairs: Sequence[tuple[str, int]], executor: Executor | None) -> Iterator[SeedRun]:
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


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows of text in columns, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        yield "  ".join([first.ljust(widths[0]), *(text.rjust(width) for text, width in zip(others, widths[1:], strict=True))])


def _digits(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}"


def _quartiles(spread: Spread) -> str:
    return "-" if math.isnan(spread.low) else f"{spread.low:.2g}..{spread.high:.2g}"


def _known(value: Any) -> Any:
    """Return a value as JSON has it: null for a number that is none."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
