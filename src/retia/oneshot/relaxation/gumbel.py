"""Gumbel-softmax: random weights of values, through which gradients flow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from retia.errors import EvaluationError
from retia.nn import weighted

__all__ = ["LinearTemperature", "Picked", "gumbel_softmax", "picked"]


def gumbel_softmax(weights: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Return a sample of the Gumbel-softmax distribution, shape (K,), with gradients to `weights`.

    `softmax((log_softmax(weights) + g) / temperature)`, with `g = -log(e)` and `e ~ Exp(1)`. The random
    numbers are drawn on the CPU, so that they are the same on every device.

    Args:
        weights: Architecture weights, shape (K,).
        temperature: Positive temperature; the sample approaches one-hot as it approaches 0.
        generator: CPU generator of the noise.

    Reference:
        Jang et al., Categorical Reparameterization with Gumbel-Softmax, ICLR 2017.
    """
    noise = -torch.empty(weights.shape).exponential_(generator=generator).log()
    return ((weights.log_softmax(0) + noise.to(weights)) / temperature).softmax(0)


@dataclass(frozen=True)
class LinearTemperature:
    """A temperature that falls linearly over the training.

    Args:
        method: Name of the method, for the error.
        initial: Temperature at the start.
        final: Temperature at the end, above 0 and at most `initial`.

    Raises:
        EvaluationError: If `final` is not above 0, or above `initial`.
    """

    method: str
    initial: float
    final: float

    def __post_init__(self) -> None:
        if not 0 < self.final <= self.initial:
            msg = (
                f"{self.method} needs temperature >= final_temperature > 0, got {self.initial} and "
                f"{self.final}. Give two such numbers."
            )
            raise EvaluationError(msg)

    def at(self, progress: float) -> float:
        """Return the temperature at a share of the training, from 0 to 1."""
        return self.initial + (self.final - self.initial) * progress


@dataclass(frozen=True, eq=False)
class Picked:
    """A mixture that runs one candidate only.

    Attributes:
        weights: One-hot weights of the values, shape (K,), with gradients.
        position: Position of the candidate that runs.
    """

    weights: Tensor
    position: int

    def combine(
        self, candidates: Sequence[nn.Module], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Return the output of the picked candidate times its weight."""
        output = candidates[self.position](*args, **kwargs)
        return weighted(self.weights[self.position], output) if self.weights.requires_grad else output


def picked(soft: Tensor, position: int) -> Picked:
    """Return a straight-through mixture: one-hot weights with the gradient of `soft`, shape (K,)."""
    hard = torch.zeros_like(soft).index_fill_(0, torch.tensor(position, device=soft.device), 1.0)
    return Picked(hard + (soft - soft.detach()), position)
