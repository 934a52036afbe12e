"""Evaluating an architecture several times, to see how much of a result is luck."""

import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from retia.errors import EvaluationError
from retia.rng import stream_seed
from retia.space import Architecture
from retia.study.model_function import as_evaluator
from retia.trial import Capabilities, Run, capabilities_of

__all__ = ["Repeated"]

_COSTS = ("params", "flops", "macs")
"""Metrics of the architecture, which have no spread."""

_FOLDER = "repeats"


@dataclass(frozen=True)
class Repeated:
    """Evaluate every architecture with several seeds, and return each metric's mean and its spread.

    The spread of `accuracy` is `accuracy_sd`, the sample standard deviation (of n - 1); costs (`params`,
    `flops`, `macs`) have none. Of the files that the evaluations keep, such as weights, those of the median
    one stay with the trial. What the first evaluation reports on its way is the trial's progress. It has the
    optional abilities that the evaluator has, such as fields that are searched.

    Args:
        evaluator: An evaluator, or a function of a model, as a study takes it.
        seeds: How often, at least twice; each seed follows from the trial's.
        by: The metric of which the median evaluation's files are kept (the lower of two in the middle); if
            not given, the first that differs between evaluations and is no time.

    Raises:
        EvaluationError: If `evaluator` is none, or `seeds` less than 2.

    >>> from retia.space import Integer, SearchSpace
    >>> from retia.study import architecture_evaluator
    >>> @architecture_evaluator
    ... def score(architecture):
    ...     return {"accuracy": architecture["width"] / 10}
    >>> Repeated(score)(Architecture({"width": 5}), Run(SearchSpace({"width": Integer(1, 9)})))
    {'accuracy': 0.5, 'accuracy_sd': 0.0}
    """

    evaluator: Any
    seeds: int = 3
    _: KW_ONLY
    by: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.seeds, bool) or not isinstance(self.seeds, int) or self.seeds < 2:
            msg = (
                "'seeds' is how often Repeated evaluates, a whole number of at least 2, "
                f"got {self.seeds!r}. A single evaluation has no spread."
            )
            raise EvaluationError(msg)
        object.__setattr__(self, "evaluator", as_evaluator(self.evaluator))

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Evaluate an architecture with each seed, and return means and spreads.

        Raises:
            EvaluationError: If two evaluations have different metrics, a metric has the name of another's
                spread, or there is no metric `by`.
        """
        results = [self._evaluate(architecture, run, index) for index in range(self.seeds)]
        first = results[0]
        for result in results[1:]:
            if result.keys() != first.keys():
                msg = (
                    f"Every evaluation returns the same metrics, got {sorted(first)} and then "
                    f"{sorted(result)}. Return all of them each time."
                )
                raise EvaluationError(msg)
        values = {name: [result[name] for result in results] for name in first}
        spreads = {
            f"{name}_sd": statistics.stdev(of_one) for name, of_one in values.items() if name not in _COSTS
        }
        if clash := spreads.keys() & values.keys():
            msg = (
                f"Repeated supplies {sorted(clash)} itself, as spreads, so a metric of the evaluator needs "
                "another name. Rename it."
            )
            raise EvaluationError(msg)
        if run.directory is not None:
            _keep(run.directory, self._median(values), all_of_them=run.fidelity is not None)
        return {**{name: statistics.fmean(of_one) for name, of_one in values.items()}, **spreads}

    def capabilities(self) -> Capabilities:
        """Return those of the evaluator, with the spreads among the metrics."""
        inner = capabilities_of(self.evaluator)
        spreads = [f"{name}_sd" for name in inner.metrics or () if name not in _COSTS]
        return replace(
            inner,
            metrics=None if inner.metrics is None else (*inner.metrics, *spreads),
            release=None if inner.release is None else partial(_release, inner.release, self.seeds),
            settings=self._settings,
        )

    def _settings(self) -> dict[str, Any]:
        inner = capabilities_of(self.evaluator).settings
        return {"type": "Repeated", "evaluator": inner and inner(), "seeds": self.seeds}

    def _evaluate(self, architecture: Architecture, run: Run, index: int) -> Mapping[str, float]:
        seed = stream_seed(run.seed, "repeat", index)
        own = replace(
            run,
            seed=seed,
            directory=_folder(run.directory, index),
            resume_from=_folder(run.resume_from, index),
        )
        if index:
            own = replace(own, listener=_unheard)
        with run.space.seeded(seed):
            return self.evaluator(architecture, own)

    def _median(self, values: Mapping[str, Sequence[float]]) -> int:
        """Return which evaluation is the median one."""
        varying = (
            name for name, of_one in values.items() if len({*of_one}) > 1 and not name.endswith("_seconds")
        )
        name = next(varying, next(iter(values))) if self.by is None else self.by
        if name not in values:
            msg = f"'by' of Repeated names one of the evaluator's metrics, {sorted(values)}, got {name!r}."
            raise EvaluationError(msg)
        return sorted(range(self.seeds), key=values[name].__getitem__)[(self.seeds - 1) // 2]


def _unheard(metrics: Mapping[str, float], step: float | None) -> None:
    del metrics, step


def _folder(directory: Path | None, index: int) -> Path | None:
    return None if directory is None else directory / _FOLDER / str(index)


def _release(release: Callable[[Path], None], seeds: int, directory: Path) -> None:
    for folder in (directory, *(directory / _FOLDER / str(index) for index in range(seeds))):
        release(folder)


def _keep(directory: Path, chosen: int, *, all_of_them: bool) -> None:
    """Copy the chosen evaluation's files to the trial's own; without a fidelity no trial goes on from here,
    and the others are removed.
    """
    folder = directory / _FOLDER
    if (folder / str(chosen)).is_dir():
        shutil.copytree(folder / str(chosen), directory, dirs_exist_ok=True)
    if not all_of_them:
        shutil.rmtree(folder, ignore_errors=True)
