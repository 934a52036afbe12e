"""Tensors of weights whose shape is searched."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["tensor_parameter"]


def tensor_parameter(
    shape: int | Sequence[int], *, init: Callable[[Tensor], Any] = nn.init.zeros_
) -> nn.Parameter:
    """Make an `nn.Parameter` whose shape may depend on choices, such as a class token or a gate.

    Args:
        shape: Sizes of the tensor; each may be a choice, or arithmetic on choices.
        init: Function that fills the tensor in place, without gradients. Default: zeros.

    >>> tensor_parameter((1, 4), init=nn.init.ones_)
    Parameter containing:
    tensor([[1., 1., 1., 1.]], requires_grad=True)
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    weight = nn.Parameter(torch.empty(sizes))
    with torch.no_grad():
        init(weight)
    return weight
