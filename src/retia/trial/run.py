"""The circumstances of one evaluation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from retia.errors import EvaluationError
from retia.rng import stream
from retia.space import Architecture, SearchSpace
from retia.trial.buildable import WeightKeeping

__all__ = ["CHECKPOINT", "Parent", "Run"]

CHECKPOINT = "training.safetensors"
"""File name of a checkpoint of the training, in the trial's folder."""


def _ignored(metrics: Mapping[str, float], step: float | None) -> None:
    del metrics, step


@dataclass(frozen=True)
class Parent:
    """The trial that an architecture was derived from, for an evaluator that starts from its weights.

    Args:
        architecture: Architecture of the parent.
        directory: Folder of the parent. The evaluator decides what it keeps there; files may be missing.
    """

    architecture: Architecture
    directory: Path


@dataclass(frozen=True)
class Run:
    """The circumstances of one evaluation.

    Args:
        space: Search space of the architecture. A `ModelSpace` builds it: `run.space.build(architecture)`.
        seed: Seed of the trial. It is the same whenever the trial runs; a trial that continues another has
            the seed of that trial.
        device: Device of the training, such as "cpu" or "cuda:0". None leaves it to the evaluator.
        fidelity: Budget in the evaluator's unit, such as epochs. None means the full budget.
        directory: Folder of the trial for files that outlive it; it may not exist yet. None if no files are
            kept.
        resume_from: Folder of the trial that this one continues, which has the same architecture and seed and
            a lower fidelity; its files may be missing. None if the training starts from the beginning.
        resumed_fidelity: Fidelity of that trial.
        parent: Completed trial of another architecture that this one was derived from. None if there is no
            such trial.
        began: Start time of a stored trial in seconds since 1970. It stays the same when another process
            continues the trial.
        listener: Callback for reported metrics.
        keep_weights: Whether to save the weights of the model. The study removes those that it does not keep.
    """

    space: SearchSpace
    seed: int = 0
    device: str | None = None
    fidelity: float | None = None
    directory: Path | None = None
    resume_from: Path | None = None
    resumed_fidelity: float | None = None
    parent: Parent | None = None
    began: float | None = None
    listener: Callable[[Mapping[str, float], float | None], None] = field(default=_ignored, repr=False)
    keep_weights: bool = True

    @cached_property
    def rng(self) -> np.random.Generator:
        """Random generator of the trial."""
        return stream(self.seed, "run")

    def report(self, metrics: Mapping[str, float], step: float | None = None) -> None:
        """Report metrics after `step` steps, such as epochs.

        Raises:
            TrialStopped: If the metrics exceed the trial's limits. Do not catch it.
        """
        self.listener(metrics, step)

    def save(self, *parts: Any, step: int) -> None:
        """Save a checkpoint of the training.

        This trial resumes from it if its process dies, and a trial of a higher fidelity continues from it. In
        a generator, call it before `yield`. The file is replaced atomically; no file is written if no trial
        can resume from it.

        Args:
            parts: Model, optimizer and other objects with `state_dict()` and `load_state_dict()`.
            step: Number of epochs, or other units of the fidelity, that are done.

        Raises:
            EvaluationError: If there is no part, a part has no `state_dict`, or the space builds no models.
        """
        self._resumption.save(parts, step)

    def resume(self, *parts: Any) -> int:
        """Load the checkpoint into the parts and torch's random generators; return the number of epochs done.

        Args:
            parts: The same objects as in `save`, in the same order.

        Returns:
            The `step` of the latest `save` of this trial, or else of the trial that it continues; 0 if there
            is no checkpoint.

        Raises:
            EvaluationError: If there is no part, a part has no `state_dict`, or the space builds no models.

        Warns:
            RuntimeWarning: If a checkpoint is missing or can't be used.
        """
        return self._resumption.resume(parts)

    @property
    def resumed_step(self) -> int:
        """The latest result of `resume`; 0 before the first call."""
        return self._resumption.step if "_resumption" in vars(self) else 0

    @cached_property
    def _resumption(self) -> Any:
        if not isinstance(self.space, WeightKeeping):
            msg = (
                "run.save and run.resume keep the states of models, but the space "
                f"({type(self.space).__name__}) builds none. Search a ModelSpace."
            )
            raise EvaluationError(msg)
        return self.space.resumption(self, CHECKPOINT)
