"""What one-shot methods have in common: a supernet is trained, and then ranks architectures."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from retia.errors import EvaluationError
from retia.evaluate import Training
from retia.nn import Batch
from retia.oneshot.cost.penalty import BoundPenalty
from retia.rng import stream, stream_seed
from retia.space import Architecture
from retia.supernet import Supernet

__all__ = ["Batch", "Session", "Setting", "TrainingBatch"]


@dataclass(frozen=True, eq=False)
class Setting:
    """Where a method works: what stays the same from step to step.

    Attributes:
        supernet: The supernet; `supernet.space` is what is searched, with its restrictions.
        training: How it is trained; its data is on its device.
        steps: How many weight steps there are in all, and in each epoch.
        steps_per_epoch: How many weight steps an epoch has.
        seed: Where all randomness comes from.
        allows: Whether an architecture meets the bounds on costs, which are checked before anything of it is
            trained.
        penalties: What is added to, or multiplied into, the loss of what chooses architectures. Those that
            multiply come first, in whatever order they are given: what others subtract from a reward may
            leave it below 0, and to multiply that would make costs a merit.
    """

    supernet: Supernet
    training: Training
    steps: int
    steps_per_epoch: int
    seed: int
    allows: Callable[[Architecture], bool]
    penalties: Sequence[BoundPenalty] = ()

    def __post_init__(self) -> None:
        in_order = sorted(self.penalties, key=lambda bound: bound.penalty.form not in ("multiply", "hard"))
        object.__setattr__(self, "penalties", tuple(in_order))

    @cached_property
    def optimizers(self) -> tuple[Optimizer, ...]:
        """The optimizers of the supernet's weights, which whoever trains them steps, and a method may look
        at.
        """
        return self.training.optimizers(self.supernet, partial=True)

    def outputs(self, batch: Batch, model: nn.Module | None = None) -> Any:
        """Return the outputs of the supernet as it is, or of another model, for a batch."""
        return self.training.outputs(self.supernet if model is None else model, batch)

    def loss(self, batch: Batch) -> Tensor:
        """Return the training loss of the supernet as it is."""
        return self.training.loss_of(self.outputs(batch), batch)

    def require_distillation(self, method: str, without: str) -> None:
        """Reject a training without a loss for distillation.

        Args:
            method: Name of the method, for the message.
            without: The method with settings for which no distillation is needed.

        Raises:
            EvaluationError: If `distill` of the training is not given.
        """
        if self.training.distill is None:
            msg = (
                f"{method} trains subnets on the outputs of a larger network, but 'distill' of "
                f"{self.training.preset} is not given. "
                f"Give it distill=lambda outputs, teacher, batch: ..., or use {without}."
            )
            raise EvaluationError(msg)


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """One share of one step: a batch, and the random numbers that belong to it.

    A step may have several, whose gradients are averaged, in one process or in several: what a item does
    depends on its number alone, so that the losses are the same.

    Attributes:
        number: Counts the items from 0 on, over all steps and processes.
        step: The step that it belongs to.
        batch: Of the training data.
        held_out: Gives a batch of the data that architecture weights are trained on.
        seed: The batch's own.
        scale: Turns a loss into what is to be back-propagated: `item.scale(loss).backward()`.
    """

    number: int
    step: int
    batch: Batch
    held_out: Callable[[], Batch]
    seed: int
    scale: Callable[[Tensor], Tensor] = lambda loss: loss

    @property
    def rng(self) -> np.random.Generator:
        """The batch's own random numbers, the same each time that they are asked for."""
        return stream(self.seed, "lesson")

    @property
    def generator(self) -> torch.Generator:
        """The same for torch."""
        return torch.Generator().manual_seed(stream_seed(self.seed, "lesson"))


class Session(ABC):
    """One training of a supernet by a method: all that changes from step to step, apart from the supernet's
    weights.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.supernet = setting.supernet

    @abstractmethod
    def train_batch(self, item: TrainingBatch) -> float:
        """Add the gradients of a item to those of the supernet's weights, and return the loss."""

    def counts(self, *batches: Batch) -> bool:
        """Return whether each batch has a target that counts, without which its loss is not a number."""
        return all(self.setting.training.weigh(batch) for batch in batches)

    def search(self, item: TrainingBatch) -> Mapping[str, float]:
        """Take a step of what chooses architectures, before the weights are taught; return what is worth
        telling.

        The weights' gradients are dropped afterwards. A method without one does nothing.
        """
        return {}

    @abstractmethod
    def ranked(self) -> Iterator[Architecture]:
        """Yield architectures, the most promising first, each once, as long as there are any."""

    def probabilities(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """Return how likely each value of each parameter is chosen, by label; nothing where all are alike."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Return what changes from step to step, apart from the supernet, as tensors and JSON values by
        name.
        """
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        del state
