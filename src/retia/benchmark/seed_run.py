"""One strategy with one seed on a benchmark."""

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
"""What is reported beside the regret, of the best by the objective."""

ROUNDING = 1e-12
"""Below which share a volume that is missing is none."""

Factory: TypeAlias = Callable[[], Strategy]


@dataclass(frozen=True, eq=False)
class SeedRun:
    """What a strategy reached with one seed, after each of T trials.

    Args:
        strategy: Its name.
        seed: The seed.
        regret: How far the best so far is from the table's best, (T,); NaN before the first trial that
            counts. With several objectives the share of the hypervolume of the table's front that the trials'
            front lacks.
        tested: The test accuracy of the best so far, (T,); NaN where it isn't known, and with several
            objectives.
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

    def regret_at(self, hours: float) -> float:
        """Return the regret after some simulated hours, by the trials that had ended by then; NaN if none had
        that counts.
        """
        ended = self._ended_by(hours)
        return float(self.regret[ended - 1]) if ended else math.nan

    def tested_at(self, hours: float) -> float:
        """Return the test accuracy of the best after some simulated hours; NaN if it isn't known."""
        ended = self._ended_by(hours)
        return float(self.tested[ended - 1]) if ended else math.nan

    @property
    def evaluations_to_optimum(self) -> float:
        """After how many trials the regret was 0; infinite if never."""
        reached = np.flatnonzero(self.regret <= 0)
        return float(reached[0] + 1) if len(reached) else math.inf

    @property
    def hours_to_optimum(self) -> float:
        """After how many simulated hours the regret was 0; infinite if never."""
        reached = self.evaluations_to_optimum
        return float(self.ended_s[int(reached) - 1] / 3600) if math.isfinite(reached) else math.inf

    def _ended_by(self, hours: float) -> int:
        return int(np.searchsorted(self.ended_s, hours * 3600, side="right"))


@dataclass(frozen=True, eq=False)
class SimulatedSeed:
    """Simulates one strategy with one seed; travels to a process once, with the table."""

    benchmark: Benchmark
    strategies: Mapping[str, Factory]
    objectives: tuple[Objective, ...]
    reference: Mapping[str, float] | None
    evaluations: int | None
    hours: float | None
    workers: int

    def __call__(self, name: str, seed: int) -> SeedRun:
        """Return what the strategy reached.

        Raises:
            EvaluationError: If it proposes nothing, or the simulation can't be (see `simulate`).
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
            msg = (
                f"'{name}' proposed nothing with seed {seed}, so there is nothing to compare. "
                "A strategy proposes at least one architecture."
            )
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
    """A strategy, and the processor time that it has taken."""

    strategy: Strategy
    seconds: float = 0.0

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Propose what the strategy does."""
        started_s = time.process_time()
        proposals = self.strategy.propose(space, history, n, rng)
        self.seconds += time.process_time() - started_s
        return proposals
