"""What a method needs that trains a supernet itself: data, loss, optimizer, and how a model is judged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from retia.evaluate.data import LoadedData, TensorData

__all__ = ["Teaching", "Trainable"]


def _anything(outputs: Tensor, targets: Tensor) -> None:
    del outputs, targets


@dataclass(frozen=True, kw_only=True, eq=False)
class Teaching:
    """How a model is taught, for those who write the loop themselves: one-shot methods.

    Attributes:
        train: The training data: what `as_data` makes of tensors, a `Dataset` or a `DataLoader`.
        valid: The validation data.
        loss: Of outputs and targets, a number to minimize.
        optimizer: Makes the optimizer of a model's weights, or several, each for weights of its own, which step together.
        schedule: Makes the schedule of the learning rate of an optimizer, given the number of steps; it is stepped after each.
        judge: Returns the metrics of a model as it is, in evaluation mode, on the validation data.
        check: Looks at the first outputs and targets, before anything is trained on them, and raises an `EvaluationError` if they don't fit.
        epochs: How often the training data is seen.
        batch_size: Of tensors and `Dataset`s.
        clip_norm: The greatest norm of the gradient; None for any.
        precision: What autocast computes in; None for float32.
        device: Where.
    """

    train: TensorData | LoadedData
    valid: TensorData | LoadedData
    loss: Callable[[Tensor, Tensor], Tensor]
    optimizer: Callable[[nn.Module], Optimizer | Sequence[Optimizer]]
    schedule: Callable[[Optimizer, int], LRScheduler]
    judge: Callable[[nn.Module], Mapping[str, float]]
    check: Callable[[Tensor, Tensor], None] = _anything
    epochs: int = 10
    batch_size: int = 64
    clip_norm: float | None = None
    precision: torch.dtype | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


@runtime_checkable
class Trainable(Protocol):
    """An evaluator that says how it trains, so that a one-shot method can train a supernet the same way."""

    def teaching(self, device: str | None = None) -> Teaching:
        """Return how models are taught, on a device or where the evaluator would."""
        ...
