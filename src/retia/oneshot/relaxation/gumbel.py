"""The Gumbel-softmax: random weights of values, which are theirs in expectation and through which gradients
flow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from retia.nn import weighted

__all__ = ["Picked", "gumbel_softmax", "picked"]


def gumbel_softmax(weights: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Return a sample of the concrete distribution, shape (K,), with gradients to architecture weights of the
    same shape.

    Random numbers are drawn on the CPU, so that they are the same on every device.

    Reference:
        Jang et al., Categorical Reparameterization with Gumbel-Softmax, ICLR 2017.
    """
    noise = -torch.empty(weights.shape).exponential_(generator=generator).log()
    return ((weights.log_softmax(0) + noise.to(weights)) / temperature).softmax(0)


@dataclass(frozen=True, eq=False)
class Picked:
    """A mixture that runs one candidate alone.

    Attributes:
        weights: One for each value, shape (K,): 1 for the one that is picked and 0 for the others.
        position: Which one that is.
    """

    weights: Tensor
    position: int

    def combine(
        self, candidates: Sequence[nn.Module], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Run the candidate that is picked, times its weight, to which a gradient flows."""
        output = candidates[self.position](*args, **kwargs)
        return weighted(self.weights[self.position], output) if self.weights.requires_grad else output


def picked(soft: Tensor, position: int) -> Picked:
    """Pick a value: its weight is 1 exactly, and the gradient is that of the soft weights, shape (K,)."""
    hard = torch.zeros_like(soft).index_fill_(0, torch.tensor(position, device=soft.device), 1.0)
    return Picked(hard + (soft - soft.detach()), position)
