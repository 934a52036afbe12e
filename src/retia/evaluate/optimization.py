"""Optimizers and learning-rate schedules by name."""

import math
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from retia.errors import EvaluationError

__all__ = ["OptimizerLike", "ScheduleLike", "make_optimizer", "make_schedule"]

OptimizerLike: TypeAlias = Literal["adamw", "sgd"] | Callable[[Iterable[nn.Parameter], float], Optimizer]
"""A name, or a function of parameters and learning rate."""

ScheduleLike: TypeAlias = Literal["cosine", "constant"] | Callable[[Optimizer, int], LRScheduler]
"""A name, or a function of optimizer and number of steps; it is stepped after each batch."""


def make_optimizer(kind: OptimizerLike, model: nn.Module, *, lr: float, weight_decay: float, momentum: float) -> Optimizer:
    """Make the optimizer; biases and normalization weights (of one dimension or none) are not decayed.

    Raises:
        EvaluationError: If the name is unknown.
    """
    if callable(kind):
        return kind(model.parameters(), lr)
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": weight_decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    if kind == "adamw":
        return AdamW(groups, lr=lr)
    if kind == "sgd":
        return SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0)
    msg = f"'optimizer' is 'adamw', 'sgd' or a function (parameters, lr) -> Optimizer, got {kind!r}."
    raise EvaluationError(msg)


def make_schedule(kind: ScheduleLike, optimizer: Optimizer, *, steps: int, warmup: int) -> LRScheduler:
    """Make the schedule: a linear rise over `warmup` steps, then constant, or half a cosine down to 0 at `steps`.

    Raises:
        EvaluationError: If the name is unknown.
    """
    if callable(kind):
        return kind(optimizer, steps)
    if kind not in ("cosine", "constant"):
        msg = f"'schedule' is 'cosine', 'constant' or a function (optimizer, steps) -> LRScheduler, got {kind!r}."
        raise EvaluationError(msg)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        if kind == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

    return LambdaLR(optimizer, factor)
