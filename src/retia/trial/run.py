"""What an evaluator is told about the trial it serves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from retia.errors import EvaluationError
from retia.rng import stream
from retia.space import Architecture, SearchSpace
from retia.trial.building import WeightKeeping

__all__ = ["CHECKPOINT", "Parent", "Run"]

CHECKPOINT = "training.safetensors"
"""The name of the file with the state of a training that may go on, in the trial's folder."""


def _nobody(metrics: Mapping[str, float], step: float | None) -> None:
    del metrics, step


@dataclass(frozen=True)
class Parent:
    """The trial that an architecture was derived from, for an evaluator that starts from its weights.

    Args:
        architecture: Its architecture.
        directory: Its folder; what is kept there is up to the evaluator, and may be gone.
    """

    architecture: Architecture
    directory: Path


@dataclass(frozen=True)
class Run:
    """The circumstances of one evaluation.

    Args:
        space: The space that the architecture is of; a `ModelSpace` builds it:
            `run.space.build(architecture)`.
        seed: The trial's own seed; the same trial of the same study always gets the same, and one that goes
            on from another has that one's.
        device: Where to train, such as "cpu" or "cuda:0"; None leaves it to the evaluator.
        fidelity: How much budget to spend, in the evaluator's own unit; None means all.
        directory: A folder of the trial's own for files that should outlive it, made on demand; None where
            nothing is kept.
        resume_from: The folder of the trial that this one goes on from, which had the same architecture, the
            same seed and a lower fidelity; None if it begins anew. What that trial kept there is up to the
            evaluator, and may be gone.
        resumed_fidelity: The fidelity of that trial.
        parent: The trial of another architecture that this one's was derived from; None if there is none, or
            it has not completed.
        began: When the trial began, in seconds since 1970, if its study is stored; the same when it is taken
            up again after its process has died, so that an evaluator can tell what it kept of this very
            trial.
        listener: Who hears what is reported.
        keep_weights: Whether to save the weights of the model; the study then removes those that it does not
            keep.
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
    listener: Callable[[Mapping[str, float], float | None], None] = field(default=_nobody, repr=False)
    keep_weights: bool = True

    @cached_property
    def rng(self) -> np.random.Generator:
        """The trial's own random numbers."""
        return stream(self.seed, "run")

    def report(self, metrics: Mapping[str, float], step: float | None = None) -> None:
        """Tell how far the evaluation has come: metrics so far, after `step` epochs or the like.

        Raises:
            TrialStopped: If they are so bad that the trial ends here; let it pass.
        """
        self.listener(metrics, step)

    def save(self, *parts: Any, step: int) -> None:
        """Save the state of a training, for this trial should its process die, and for a trial of a higher
        fidelity that goes on from it.

        In a generator, call it before `yield`. There is a whole file at any moment. Nothing is saved where no
        trial can go on from it.

        Args:
            parts: The model, the optimizer, and whatever else has a state: objects with `state_dict()` and
                `load_state_dict()`.
            step: How many epochs, or other units of the fidelity, are done.

        Raises:
            EvaluationError: If a part has no state, or the space builds no models.
        """
        self._resumption.save(parts, step)

    def resume(self, *parts: Any) -> int:
        """Go on where a training has stopped: load the state of the parts, and of torch's random numbers, and
        return how many epochs are done.

        Args:
            parts: What was given to `save`, in the same order.

        Returns:
            The `step` of the latest `save` of this trial, should its process have died, or of the trial that
            it goes on from; 0 if no state was saved.

        Raises:
            EvaluationError: If a part has no state, or the space builds no models.

        Warns:
            RuntimeWarning: If there should be a state, and it can't be used.
        """
        return self._resumption.resume(parts)

    @property
    def resumed_step(self) -> int:
        """What `resume` has returned; 0 before."""
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
