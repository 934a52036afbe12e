"""The step that an optimizer takes with each weight, as a linear function of its gradient."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.optim import SGD, Optimizer

__all__ = ["WeightStep", "weight_steps"]


@dataclass(frozen=True, eq=False)
class WeightStep:
    """How a weight w moves, given its gradient g: to w - rate (g + decay w) - shift.

    Attributes:
        parameter: The weight.
        rate: How far it moves along its gradient.
        decay: The weight decay.
        shift: By what its momentum moves it besides; None for nothing.
    """

    parameter: nn.Parameter
    rate: float
    decay: float
    shift: Tensor | None = None

    def applied(self, slope: Tensor) -> Tensor:
        """Return the weight after the step, through which a gradient flows to its own gradient alone."""
        weight = self.parameter.detach()
        moved = weight - self.rate * (slope + self.decay * weight)
        return moved if self.shift is None else moved - self.shift


def weight_steps(optimizers: Iterable[Optimizer], xi: float | None = None) -> list[WeightStep]:
    """Return the steps that optimizers are about to take, for each weight that is trained.

    A step is exactly that of `torch.optim.SGD`, with momentum, dampening and Nesterov's variant; for any
    other optimizer it is one of gradient descent with the learning rate and weight decay of the weight's
    group.

    Args:
        optimizers: The optimizers; they are not changed.
        xi: The learning rate, if not theirs.
    """
    steps: list[WeightStep] = []
    for optimizer, group in ((one, group) for one in optimizers for group in one.param_groups):
        rate = float(group["lr"]) if xi is None else xi
        decay = float(group.get("weight_decay", 0))
        for parameter in group["params"]:
            if parameter.requires_grad:
                gain, shift = (
                    _momentum(group, optimizer.state.get(parameter, {}))
                    if isinstance(optimizer, SGD)
                    else (1.0, None)
                )
                steps.append(
                    WeightStep(parameter, rate * gain, decay, None if shift is None else rate * shift)
                )
    return steps


def _momentum(group: dict[str, Any], state: dict[str, Any]) -> tuple[float, Tensor | None]:
    """Return what momentum multiplies the gradient by, and what it adds, for a learning rate of 1."""
    momentum, buffer = float(group["momentum"]), state.get("momentum_buffer")
    nesterov = bool(group["nesterov"])
    if buffer is None:  # in the first step the buffer becomes the gradient itself
        return (1 + momentum if nesterov else 1.0), None
    if nesterov:  # which has no dampening
        return 1 + momentum, momentum**2 * buffer
    return 1 - float(group["dampening"]), momentum * buffer
