"""A tensor of weights whose shape is searched."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["parameter"]


def parameter(shape: int | Sequence[int], *, init: Callable[[Tensor], Any] = nn.init.zeros_) -> nn.Parameter:
    """Make an `nn.Parameter` whose shape may hold choices: a class token, a positional embedding, a gate.

    Args:
        shape: The sizes; any of them may be a choice, or arithmetic on choices.
        init: Fills the tensor in place; no gradient is recorded.

    >>> parameter((1, 4), init=nn.init.ones_)
    Parameter containing:
    tensor([[1., 1., 1., 1.]], requires_grad=True)
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    weight = nn.Parameter(torch.empty(sizes))
    with torch.no_grad():
        init(weight)
    return weight
