"""Optimizers and learning-rate schedules by name."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias

from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from retia.errors import EvaluationError

__all__ = ["OptimizerLike", "ScheduleLike", "make_optimizers", "make_schedule"]

OptimizerLike: TypeAlias = (
    Literal["adamw", "sgd"] | Callable[[Iterable[nn.Parameter], float], Optimizer | Sequence[Optimizer]]
)
"""A name, or a function of parameters and learning rate that makes an optimizer, or several for parameters of
their own.
"""

ScheduleLike: TypeAlias = Literal["cosine", "constant"] | Callable[[Optimizer, int], LRScheduler]
"""A name, or a function of optimizer and number of steps; it is stepped after each batch."""


def make_optimizers(
    kind: OptimizerLike,
    model: nn.Module,
    *,
    lr: float,
    weight_decay: float,
    momentum: float,
    partial: bool = False,
) -> tuple[Optimizer, ...]:
    """Make the optimizers, mostly one; biases and normalization weights (of one dimension or none) are not
    decayed.

    Args:
        kind: Which.
        model: Whose weights it trains.
        lr: The learning rate.
        weight_decay: Of weights of two or more dimensions.
        momentum: Of "sgd".
        partial: Whether a step may leave weights without gradients, as in a supernet.

    Raises:
        EvaluationError: If the model has nothing to train.
    """
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not weights:
        msg = (
            f"{type(model).__name__} has no parameter that requires a gradient, "
            "so there is nothing to train. Does a choice leave out every layer with weights?"
        )
        raise EvaluationError(msg)
    if callable(kind):
        made = kind(weights, lr)
        return (made,) if isinstance(made, Optimizer) else tuple(made)
    groups = [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": weight_decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    # The fused step takes a third of the time for the small models that a search tries.
    fused = all(weight.is_floating_point() and weight.device.type in ("cpu", "cuda") for weight in weights)
    if kind == "adamw":
        return (AdamW(groups, lr=lr, fused=fused),)
    # Torch's fused step takes all momenta to be there, or none.
    return (SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0, fused=fused and not partial),)


def make_schedule(kind: ScheduleLike, optimizer: Optimizer, *, steps: int, warmup: int) -> LRScheduler:
    """Make the schedule: a linear rise over `warmup` steps, then constant, or half a cosine down to 0 at
    `steps`.
    """
    if callable(kind):
        return kind(optimizer, steps)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        if kind == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

    return LambdaLR(optimizer, factor)
