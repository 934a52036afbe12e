"""What runs where the trials run: one evaluation, whatever comes of it."""

import math
import pickle
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path

from retia.errors import EvaluationError, TrainingDiverged
from retia.execute import dumps
from retia.space import Architecture, SearchSpace
from retia.study.evaluator import SCORE, CostEvaluator, Evaluator, as_metrics
from retia.trial import Progress, Run

__all__ = ["Job", "Outcome", "Task"]


@dataclass(frozen=True)
class Task:
    """One evaluation to do: all that differs from trial to trial."""

    architecture: Architecture
    seed: int
    fidelity: float | None = None
    directory: Path | None = None
    costs: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of it: metrics, or an error.

    Args:
        metrics: Finite numbers, the objectives among them; empty if there is an error.
        error: The error with its traceback.
        broken: In a line, how the evaluator broke its contract, if that is what the error is about.
        progress: What was reported on the way.
    """

    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    error: str | None = None
    broken: str | None = None
    progress: Progress = ()


@dataclass(frozen=True)
class Job:
    """Evaluates tasks of one study. It is sent to a worker once."""

    space: SearchSpace
    evaluator: Evaluator
    costs: CostEvaluator | None
    needed: tuple[str, ...]
    device: str | None = None

    def __call__(self, task: Task) -> Outcome:
        """Evaluate an architecture; whatever it raises but an interrupt is part of the outcome."""
        progress: list[dict[str, float]] = []

        def listen(metrics: Mapping[str, float], step: float | None) -> None:
            progress.append({**({} if step is None else {"step": step}), **{name: float(value) for name, value in metrics.items()}})

        run = Run(self.space, task.seed, self.device, task.fidelity, task.directory, listen)
        try:
            with self.space.seeded(task.seed):
                returned = as_metrics(self.evaluator(task.architecture, run), f"The evaluator {type(self.evaluator).__name__}")
            metrics = self._named({**self._missing_costs(task, run, returned), **returned})
            broken = self._broken(metrics)
        except Exception as error:  # noqa: BLE001  # an evaluator may raise anything, and it costs its own trial only
            return Outcome(error=traceback.format_exc(), broken=_breach(error), progress=tuple(progress))
        if broken is not None:
            return Outcome(error=broken, broken=broken, progress=tuple(progress))
        return Outcome(metrics=metrics, progress=tuple(progress))

    def __reduce__(self) -> tuple[Callable[[bytes], "Job"], tuple[bytes]]:
        # By value where it must be, so that lambdas and marked functions reach the worker of any executor.
        return _unpickled, (dumps(tuple(getattr(self, one.name) for one in fields(self))),)

    def _missing_costs(self, task: Task, run: Run, returned: Mapping[str, float]) -> Mapping[str, float]:
        if task.costs is not None:
            return task.costs
        if self.costs is None or all(name in returned for name in self.costs.metrics):
            return {}
        return self.costs(task.architecture, run)

    def _named(self, metrics: dict[str, float]) -> dict[str, float]:
        """Give a bare number the name of the objective that nothing else supplies, if that is one."""
        missing = [name for name in self.needed if name not in metrics]
        if SCORE in metrics and SCORE not in self.needed and len(missing) == 1:
            metrics[missing[0]] = metrics.pop(SCORE)
        return metrics

    def _broken(self, metrics: Mapping[str, float]) -> str | None:
        for name in self.needed:
            if name not in metrics:
                return (
                    f"The study needs the metric '{name}', but the evaluator returns {sorted(metrics)}. "
                    f"Return it, or name one of these as the objective or constraint."
                )
        for name, value in metrics.items():
            if not math.isfinite(value):
                return f"The evaluator returned {name}={value}. Metrics are finite numbers: has the training diverged (lower the learning rate)?"
        return None


def _breach(error: Exception) -> str | None:
    """Return what an error says about how the evaluator is used, if it says that it can't judge this study's models at all."""
    of_use = isinstance(error, EvaluationError) and not isinstance(error, TrainingDiverged) and error.__cause__ is None
    return str(error) if of_use else None


@lru_cache(maxsize=1)
def _unpickled(pickled: bytes) -> Job:
    """Return the job, the same object for the same bytes: an executor of the standard library sends it with every task."""
    return Job(*pickle.loads(pickled))  # noqa: S301  # from the process that runs the study
