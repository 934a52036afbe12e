"""The run of one strategy with one seed on a benchmark."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from retia.benchmark.benchmark import Benchmark
from retia.benchmark.simulation import simulate
from retia.errors import EvaluationError
from retia.space import SearchSpace
from retia.strategy import Strategy
from retia.trial import History, Objective, Proposal

__all__ = ["Factory", "SeedRun", "SimulatedSeed"]

TEST = "test_accuracy"
"""The metric of the best trial that is reported with the regret."""

ROUNDING = 1e-12
"""A smaller missing share of the hypervolume counts as 0."""

Factory: TypeAlias = Callable[[], Strategy]


@dataclass(frozen=True, eq=False)
class SeedRun:
    """The results of a strategy with one seed after each of T trials.

    Args:
        strategy: Name of the strategy.
        seed: The seed.
        regret: Difference between the best trial so far and the table's best, shape (T,); NaN before the
            first trial at full fidelity. With several objectives, the share of the hypervolume of the table's
            front that the front of the trials lacks.
        tested: Test accuracy of the best trial so far, shape (T,); NaN if unknown.
        ended_s: End of each trial in simulated seconds, shape (T,).
        propose_s: Processor time of all proposals in seconds.
    """

    strategy: str
    seed: int
    regret: NDArray[np.float64]
    tested: NDArray[np.float64]
    ended_s: NDArray[np.float64]
    propose_s: float

    def regret_after(self, evaluations: int) -> float:
        """Return the regret after `evaluations` trials, or the last regret of a shorter run."""
        return float(self.regret[min(evaluations, len(self.regret)) - 1])

    def regret_at(self, hours: float) -> float:
        """Return the regret after simulated hours; NaN if no trial at full fidelity has ended by then."""
        ended = self._ended_by(hours)
        return float(self.regret[ended - 1]) if ended else math.nan

    def tested_at(self, hours: float) -> float:
        """Return the test accuracy of the best trial after simulated hours; NaN if unknown."""
        ended = self._ended_by(hours)
        return float(self.tested[ended - 1]) if ended else math.nan

    @property
    def evaluations_to_optimum(self) -> float:
        """The number of trials until the regret was 0; infinite if it never was."""
        reached = np.flatnonzero(self.regret <= 0)
        return float(reached[0] + 1) if len(reached) else math.inf

    @property
    def hours_to_optimum(self) -> float:
        """The simulated hours until the regret was 0; infinite if it never was."""
        reached = self.evaluations_to_optimum
        return float(self.ended_s[int(reached) - 1] / 3600) if math.isfinite(reached) else math.inf

    def _ended_by(self, hours: float) -> int:
        return int(np.searchsorted(self.ended_s, hours * 3600, side="right"))


@dataclass(frozen=True, eq=False)
class SimulatedSeed:
    """Simulation of one strategy with one seed, which is sent to a process once, with the table."""

    benchmark: Benchmark
    strategies: Mapping[str, Factory]
    objectives: tuple[Objective, ...]
    reference: Mapping[str, float] | None
    evaluations: int | None
    hours: float | None
    workers: int

    def __call__(self, name: str, seed: int) -> SeedRun:
        """Return the run of the strategy `name` with `seed`.

        Raises:
            EvaluationError: If the strategy proposes nothing, or `simulate` rejects the arguments.
        """
        strategy = _Timed(self.strategies[name]())
        simulated = simulate(
            self.benchmark,
            strategy,
            evaluations=self.evaluations,
            hours=self.hours,
            seed=seed,
            workers=self.workers,
            maximize=[one.metric for one in self.objectives if one.direction == "maximize"],
            minimize=[one.metric for one in self.objectives if one.direction == "minimize"],
        )
        if not simulated.trials:
            msg = f"'{name}' proposed nothing with seed {seed}. Return at least one proposal from `propose`."
            raise EvaluationError(msg)
        if len(self.objectives) > 1:
            lacking = 1 - simulated.hypervolume_shares(self.reference)
            return SeedRun(
                name,
                seed,
                np.where(lacking < ROUNDING, 0.0, lacking),
                np.full(len(lacking), np.nan),
                simulated.ends_s,
                strategy.seconds,
            )
        tested = [
            math.nan if trial is None else trial.metrics.get(TEST, math.nan) for trial in simulated.incumbents
        ]
        return SeedRun(name, seed, simulated.regret(), np.array(tested), simulated.ends_s, strategy.seconds)


@dataclass
class _Timed:
    """A strategy and the processor time of its proposals."""

    strategy: Strategy
    seconds: float = 0.0

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return the proposals of the strategy."""
        started_s = time.process_time()
        proposals = self.strategy.propose(space, history, n, rng)
        self.seconds += time.process_time() - started_s
        return proposals
