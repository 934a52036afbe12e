"""Sessions: how a method trains a supernet and ranks architectures."""

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
    """What stays the same during a training.

    Attributes:
        supernet: Supernet to train. `supernet.space` is the search space, with its restrictions.
        training: Training recipe; its data is on its device.
        steps: Number of training steps in all epochs.
        steps_per_epoch: Number of training steps in an epoch.
        seed: Seed of all randomness.
        allows: Function that returns whether an architecture meets the bounds on costs.
        penalties: Penalties for the loss or reward by which the method learns choices. Default: no penalty.
            Those that multiply are moved to the front: another penalty can make a reward negative, and
            multiplying a negative reward would favour a higher cost.
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
        """Optimizers of the supernet's weights. The training loop steps them; a method may read them."""
        return self.training.optimizers(self.supernet, partial=True)

    def outputs(self, batch: Batch, model: nn.Module | None = None) -> Any:
        """Return the outputs of `model`, or of the supernet in its active state, for a batch."""
        return self.training.outputs(self.supernet if model is None else model, batch)

    def loss(self, batch: Batch) -> Tensor:
        """Return the training loss of the supernet in its active state."""
        return self.training.loss_of(self.outputs(batch), batch)

    def require_distillation(self, method: str, without: str) -> None:
        """Reject a training without a distillation loss.

        Args:
            method: Name of the method, for the message.
            without: Call of the method with settings that need no distillation, for the message.

        Raises:
            EvaluationError: If `distill` of the training is None.
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
    """A batch of a training step, with its random numbers.

    The gradients of the batches of a step are averaged, in one or several processes. Everything random
    follows from the number of the batch, so the losses do not depend on the number of processes.

    Attributes:
        number: Number of the batch, from 0, over all steps and processes.
        step: Number of its training step, from 0.
        batch: Batch of the training data.
        held_out: Function that returns the step's held-out batch, for architecture weights.
        seed: Seed of this batch.
        scale: Function that returns the loss to back-propagate: `item.scale(loss).backward()`. It averages
            over the batches of a step and scales for half precision. Default: the identity.
    """

    number: int
    step: int
    batch: Batch
    held_out: Callable[[], Batch]
    seed: int
    scale: Callable[[Tensor], Tensor] = lambda loss: loss

    @property
    def rng(self) -> np.random.Generator:
        """A numpy generator with the seed of this batch; each access returns a new one."""
        return stream(self.seed, "lesson")

    @property
    def generator(self) -> torch.Generator:
        """A torch generator with the seed of this batch; each access returns a new one."""
        return torch.Generator().manual_seed(stream_seed(self.seed, "lesson"))


class Session(ABC):
    """The state of one training by a method, apart from the supernet's weights.

    In each training step the loop calls `search` once and `train_batch` for each batch. Change the state in
    `search` only: with several processes, `train_batch` gets a part of the batches in each.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.supernet = setting.supernet

    @abstractmethod
    def train_batch(self, item: TrainingBatch) -> float:
        """Add the gradients for one batch to those of the supernet's weights, and return the loss."""

    def counts(self, *batches: Batch) -> bool:
        """Return whether each batch has a target that counts. Without one, its mean loss is undefined."""
        return all(self.setting.training.weigh(batch) for batch in batches)

    def search(self, item: TrainingBatch) -> Mapping[str, float]:
        """Update what chooses architectures, and return metrics to report.

        It is called before the weights are trained on the step; the gradients of the weights are dropped
        afterwards. By default it does nothing.
        """
        return {}

    @abstractmethod
    def ranked(self) -> Iterator[Architecture]:
        """Yield every allowed architecture once, the best first."""

    def probabilities(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """Return the probability of each value, shape (K,), by label; empty without preferences."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Return the state of this session as tensors and JSON values by name."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        del state
