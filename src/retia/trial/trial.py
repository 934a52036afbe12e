"""A trial: one evaluation of one architecture, as it is stored."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from retia.errors import StudyError
from retia.space import Architecture, SearchSpace
from retia.trial.attempt import Attempt, bounded
from retia.trial.buildable import Buildable
from retia.trial.limits import Limits
from retia.trial.owner import require_owner

__all__ = ["STOPPED_STEP", "WEIGHTS", "Progress", "State", "Trial"]

State: TypeAlias = Literal["running", "completed", "failed", "infeasible"]
"""State of a trial."""

Progress: TypeAlias = tuple[dict[str, float], ...]
"""The reports of an evaluation: one dictionary each, with "step" if it was given."""

WEIGHTS = "weights.safetensors"
"""File name of the trained weights, in the trial's folder."""

STOPPED_STEP = "stopped_step"
"""Metric with the step, such as the epoch, at which a trial stopped early."""

_STATES = ("running", "completed", "failed", "infeasible")


@dataclass(frozen=True)
class Trial:
    """The record of one evaluation.

    A completed trial has finite metrics, and a failed one has an error. An infeasible one has the costs that
    violate a constraint, or, as its error, the reason why the architecture is not a working model. A trial
    that was started again keeps its earlier `attempts`; its other fields are those of the last attempt.

    Raises:
        StudyError: If `state` is not valid, a completed or infeasible trial lacks finite metrics, or a failed
            trial lacks an error.
    """

    number: int
    architecture: Architecture
    state: State = "running"
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    fidelity: float | None = None
    parent: int | None = None
    error: str | None = None
    started: float = 0.0
    ended: float | None = None
    progress: Progress = ()
    limits: Limits | None = None
    attempts: tuple[Attempt, ...] = ()
    directory: Path | None = field(default=None, compare=False, repr=False)
    space: SearchSpace | None = field(default=None, compare=False, repr=False)
    study: str | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.state not in _STATES:
            msg = f"The state of trial {self.number} is one of {list(_STATES)}, got {self.state!r}."
            raise StudyError(msg)
        if self.state in ("completed", "infeasible"):
            wrong = {name: value for name, value in self.metrics.items() if not math.isfinite(value)}
            if wrong or not (self.metrics or self.rejected):
                msg = (
                    f"Trial {self.number} can't be {self.state} with {wrong or 'no metrics'}: "
                    "metrics are finite numbers, at least one."
                )
                raise StudyError(msg)
        if self.state == "failed" and not self.error:
            msg = f"Trial {self.number} can't have failed without an error."
            raise StudyError(msg)

    def __hash__(self) -> int:
        return hash((self.number, self.state, self.architecture))

    @property
    def finished(self) -> bool:
        """Whether the trial has ended, in any state."""
        return self.state != "running"

    @property
    def rejected(self) -> bool:
        """Whether the architecture is not a working model, with the reason as `error`."""
        return self.state == "infeasible" and bool(self.error)

    @property
    def reached(self) -> float:
        """The fidelity, infinite for the full budget; the step of a trial that stopped early."""
        if STOPPED_STEP in self.metrics:
            return self.metrics[STOPPED_STEP]
        return math.inf if self.fidelity is None else self.fidelity

    @property
    def seconds(self) -> float | None:
        """Seconds from start to end; None while the trial runs."""
        return None if self.ended is None else self.ended - self.started

    def end(
        self,
        state: State,
        *,
        at: float,
        metrics: Mapping[str, float] | None = None,
        error: str | None = None,
        progress: Progress = (),
    ) -> "Trial":
        """Return the trial as ended at time `at`; a very long error is shortened."""
        return Trial(
            self.number,
            self.architecture,
            state,
            metrics or {},
            self.fidelity,
            self.parent,
            error if error is None else bounded(error),
            self.started,
            at,
            progress,
            self.limits,
            self.attempts,
            self.directory,
            self.space,
            self.study,
        )

    def placed(self, space: SearchSpace, study: str, directory: Path) -> "Trial":
        """Return the trial with its space, the id of its study, and its folder below `directory`."""
        return Trial(
            self.number,
            self.architecture,
            self.state,
            self.metrics,
            self.fidelity,
            self.parent,
            self.error,
            self.started,
            self.ended,
            self.progress,
            self.limits,
            self.attempts,
            directory / f"{self.number:05d}",
            space,
            study,
        )

    def again(self, error: str, *, at: float) -> "Trial":
        """Return the trial as it starts again at time `at`, with the last attempt among its attempts."""
        attempt = Attempt(bounded(error), self.started, at if self.ended is None else self.ended)
        attempts = (*self.attempts, attempt)
        return replace(
            self,
            state="running",
            metrics={},
            error=None,
            started=at,
            ended=None,
            progress=(),
            attempts=attempts,
        )

    def build(self, device: str | None = None, seed: int | None = None) -> Any:
        """Build the trial's model, a plain `nn.Module` with new weights.

        Raises:
            StudyError: If the study was opened without the space that made it.
        """
        return self._model_space("build").build(self.architecture, device=device, seed=seed)

    def load(self, device: str | None = None) -> Any:
        """Build the trial's model with its trained weights, in evaluation mode.

        Raises:
            StudyError: If the study was opened without its space, it kept no weights, or the
                folder holds another study's files.
            StorageError: If the file of the weights can't be read or is damaged.
        """
        space = self._model_space("load")
        if self.directory is not None and self.study is not None:
            require_owner(self.directory.parent, self.study)
        path = None if self.directory is None else self.directory / WEIGHTS
        if path is None or not path.exists():
            msg = (
                f"Trial {self.number} has no trained weights (looked for {path}). "
                "The study's keep_weights= decides which trials keep weights: 'front' (the Pareto front) "
                "unless it says otherwise, or 'all'. An evaluator object saves them by "
                "retia.save_weights(model, run). Otherwise build() the model and train it."
            )
            raise StudyError(msg)
        return space.load(self.architecture, path, device=device)

    def _model_space(self, verb: str) -> Any:
        if not isinstance(self.space, Buildable):
            msg = (
                f"Trial {self.number} can't {verb} a model: its space ({type(self.space).__name__}) builds "
                "none. "
                "Open the study with the ModelSpace that made it: retia.Study(space, evaluator, "
                "storage=..., name=...)."
            )
            raise StudyError(msg)
        return self.space

    def __str__(self) -> str:
        metrics = ", ".join(f"{name} {value:.6g}" for name, value in self.metrics.items())
        return (
            f"trial {self.number} ({self.state}): "
            f"{metrics or (self.error or '').strip().rpartition(chr(10))[2]}\n{self.architecture}"
        )
