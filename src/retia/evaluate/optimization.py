"""Optimizers and learning-rate schedules by name."""

import math
from collections.abc import Callable, Iterable, Sequence
from inspect import signature
from typing import Any, Literal, TypeAlias

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
    """Make the optimizers of a model's weights; those of fewer than two dimensions are not decayed.

    Args:
        kind: Name, or function that makes the optimizers.
        model: Model to train.
        lr: Learning rate.
        weight_decay: Weight decay of weights with two or more dimensions.
        momentum: Nesterov momentum of "sgd".
        partial: Whether a step may leave weights without gradients, as in a supernet.

    Raises:
        EvaluationError: If no parameter of the model requires a gradient, or the function makes an optimizer
            whose step takes a closure, such as LBFGS.
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
        optimizers = (made,) if isinstance(made, Optimizer) else tuple(made)
        for optimizer in optimizers:
            _require_step("optimizer", optimizer, "torch.optim.AdamW")
        return optimizers
    groups = [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": weight_decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    # The fused step takes a third of the time for the small models that a search tries.
    fused = all(weight.is_floating_point() and weight.device.type in ("cpu", "cuda") for weight in weights)
    if kind == "adamw":
        return (AdamW(groups, lr=lr, fused=fused),)
    # Torch's fused step expects momenta for either all weights or no weight.
    return (SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0, fused=fused and not partial),)


def make_schedule(kind: ScheduleLike, optimizer: Optimizer, *, steps: int, warmup: int) -> LRScheduler:
    """Make the learning-rate schedule of an optimizer.

    The rate rises linearly over `warmup` steps. After that it is constant, or a half cosine that reaches 0 at
    `steps`.

    Raises:
        EvaluationError: If the function makes a schedule whose step takes a metric, such as
            `ReduceLROnPlateau`.
    """
    if callable(kind):
        schedule = kind(optimizer, steps)
        _require_step("schedule", schedule, "torch.optim.lr_scheduler.OneCycleLR")
        return schedule

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        if kind == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

    return LambdaLR(optimizer, factor)


def _require_step(name: str, stepped: Any, instead: str) -> None:
    """Check that what the function of a field has made can be stepped without arguments."""
    step = getattr(stepped, "step", None)
    taken = [
        parameter.name
        for parameter in (signature(step).parameters.values() if callable(step) else ())
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    if step is None or taken:
        msg = (
            f"'{name}' makes a {type(stepped).__name__}, "
            f"{f'whose step takes {taken[0]!r}' if taken else 'which has no step'}, but it is stepped after "
            f"each batch without arguments. Make another one, such as {instead}."
        )
        raise EvaluationError(msg)
