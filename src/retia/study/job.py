"""What runs where the trials run: one evaluation, whatever comes of it."""

import math
import pickle
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path

from retia.errors import EvaluationError, InfeasibleArchitecture, TrainingDiverged
from retia.execute import copies_ended, dumps
from retia.space import Architecture, SearchSpace
from retia.study.kept_weights import KeepWeights
from retia.study.metrics import COUNTED, SCORE, as_metrics
from retia.study.watch import Watch
from retia.trial import CostEvaluator, Evaluator, Limits, Parent, Progress, Run, TrialStopped, bounded

__all__ = ["Job", "Outcome", "Task"]


@dataclass(frozen=True)
class Task:
    """One evaluation to do: all that differs from trial to trial; see `Run` and `Proposal`."""

    architecture: Architecture
    seed: int
    fidelity: float | None = None
    directory: Path | None = None
    resume_from: Path | None = None
    resumed_fidelity: float | None = None
    parent: Parent | None = None
    costs: Mapping[str, float] | None = None
    limits: Limits | None = None
    began: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of it: metrics, an error, or the reason why the architecture is not a working model.

    Args:
        metrics: Finite numbers, the objectives among them; empty if there is an error or a reason.
        error: The error with its traceback.
        broken: In a line, how the evaluator broke its contract, if that is what the error is about.
        rejected: Why the architecture is not a working model.
        progress: What was reported on the way.
    """

    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    error: str | None = None
    broken: str | None = None
    rejected: str | None = None
    progress: Progress = ()


@dataclass(frozen=True)
class Job:
    """Evaluates tasks of one study. It is sent to a worker once."""

    space: SearchSpace
    evaluator: Evaluator
    costs: CostEvaluator | None
    needed: tuple[str, ...]
    device: str | None = None
    keep_weights: KeepWeights = "all"

    def __call__(self, task: Task) -> Outcome:
        """Evaluate an architecture; whatever it raises but an interrupt is part of the outcome.

        Its costs are counted first, so that a model whose shapes do not fit is not trained.
        """
        costs: Mapping[str, float] = task.costs or {}
        watch = Watch(task.limits, self._named_report, lambda reported: self._whole(costs, reported))
        run = Run(
            self.space,
            task.seed,
            self.device,
            task.fidelity,
            task.directory,
            task.resume_from,
            task.resumed_fidelity,
            task.parent,
            task.began,
            watch,
            self.keep_weights != "none",
        )
        try:
            if task.costs is None and self.costs is not None:
                costs = self.costs(task.architecture, run)
            with copies_ended(), self.space.seeded(task.seed):
                returned = as_metrics(
                    self.evaluator(task.architecture, run), f"The evaluator {type(self.evaluator).__name__}"
                )
            metrics = self._named({**costs, **returned}, self.needed)
            broken = self._broken(metrics)
        except TrialStopped:
            return Outcome(metrics=watch.stopped or {}, progress=tuple(watch.progress))
        except InfeasibleArchitecture as error:
            return Outcome(rejected=bounded(str(error)), progress=tuple(watch.progress))
        except Exception as error:  # noqa: BLE001  # an evaluator may raise anything, and it costs its own trial only
            return Outcome(
                error=bounded(traceback.format_exc()), broken=_breach(error), progress=tuple(watch.progress)
            )
        if broken is not None:
            return Outcome(error=broken, broken=broken, progress=tuple(watch.progress))
        return Outcome(metrics=metrics, progress=tuple(watch.progress))

    def __reduce__(self) -> tuple[Callable[[bytes], "Job"], tuple[bytes]]:
        # By value where it must be, so that lambdas and marked functions reach the worker of any executor.
        return _unpickled, (dumps(tuple(getattr(self, one.name) for one in fields(self))),)

    def _named(self, metrics: Mapping[str, float], needed: Sequence[str]) -> Mapping[str, float]:
        """Give a bare number the name of the objective that nothing else supplies, if that is one."""
        missing = [name for name in needed if name not in metrics]
        if SCORE in metrics and SCORE not in needed and len(missing) == 1:
            return {missing[0] if name == SCORE else name: value for name, value in metrics.items()}
        return metrics

    def _named_report(self, metrics: Mapping[str, float]) -> Mapping[str, float]:
        """Do so with a report, which comes before the costs."""
        costs = (*COUNTED, *(self.costs.metrics if self.costs is not None else ()))
        return self._named(metrics, [name for name in self.needed if name not in costs])

    def _whole(self, costs: Mapping[str, float], reported: Mapping[str, float]) -> Mapping[str, float] | None:
        """Return what a trial has reported with its costs; None if that is not all that the study needs."""
        metrics = {**costs, **reported}
        return metrics if self._broken(metrics) is None else None

    def _broken(self, metrics: Mapping[str, float]) -> str | None:
        for name in self.needed:
            if name not in metrics:
                remedy = "Return it, or name one of these as the objective or constraint."
                if name in ("flops", "macs"):
                    remedy += (
                        " To have it counted, give the shape of an input: costs=retia.Costs((3, 32, 32))."
                    )
                return (
                    f"The study needs the metric '{name}', but the evaluator returns {sorted(metrics)}. "
                    f"{remedy}"
                )
        for name, value in metrics.items():
            if not math.isfinite(value):
                return (
                    f"The evaluator returned {name}={value}. Metrics are finite numbers: "
                    "has the training diverged (lower the learning rate)?"
                )
        return None


def _breach(error: Exception) -> str | None:
    """Return what an error says about how the evaluator is used, if it says that it can't judge this study's
    models at all.
    """
    of_use = (
        isinstance(error, EvaluationError)
        and not isinstance(error, TrainingDiverged)
        and error.__cause__ is None
    )
    return bounded(str(error)) if of_use else None


@lru_cache(maxsize=1)
def _unpickled(pickled: bytes) -> Job:
    """Return the job, the same object for the same bytes: an executor of the standard library sends it with
    every task.
    """
    return Job(*pickle.loads(pickled))  # noqa: S301  # from the process that runs the study
