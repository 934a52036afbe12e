"""The update of each weight by an optimizer, as a linear function of the gradient."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.optim import SGD, Optimizer

__all__ = ["WeightStep", "weight_steps"]


@dataclass(frozen=True, eq=False)
class WeightStep:
    """Update of one weight by its gradient: `w' = w - rate * (slope + decay * w) - shift`.

    Attributes:
        parameter: The weight, w.
        rate: Learning rate times the factor that momentum gives to the gradient.
        decay: Weight decay.
        shift: Update by the momentum of earlier steps; None without momentum.

    Reference:
        Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019, section 2.3, eq. 6.
    """

    parameter: nn.Parameter
    rate: float
    decay: float
    shift: Tensor | None = None

    def applied(self, slope: Tensor) -> Tensor:
        """Return the updated weight, through which gradients flow to `slope` only."""
        weight = self.parameter.detach()
        moved = weight - self.rate * (slope + self.decay * weight)
        return moved if self.shift is None else moved - self.shift


def weight_steps(optimizers: Iterable[Optimizer], xi: float | None = None) -> list[WeightStep]:
    """Return the next update of each trainable weight.

    For `torch.optim.SGD` it is exact, with momentum, dampening and Nesterov momentum. For other optimizers
    it is a step of gradient descent with the learning rate and weight decay of the parameter group.

    Args:
        optimizers: Optimizers of the weights; they are not changed.
        xi: Learning rate of the update. Default None: that of each parameter group.
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
    """Return the factor of the gradient and the added term of momentum, for a learning rate of 1."""
    momentum, buffer = float(group["momentum"]), state.get("momentum_buffer")
    nesterov = bool(group["nesterov"])
    if buffer is None:  # the first step sets the buffer to the gradient
        return (1 + momentum if nesterov else 1.0), None
    if nesterov:  # requires a dampening of 0
        return 1 + momentum, momentum**2 * buffer
    return 1 - float(group["dampening"]), momentum * buffer
