"""Copies of models on the `meta` device, which have no memory."""

import copy
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from retia.nn import gc_paused

__all__ = ["meta_copy"]

M = TypeVar("M", bound=nn.Module)


def meta_copy(model: M) -> M:
    """Return a copy of a model on `meta`, without copying its tensors."""
    copies: dict[int, Any] = {}
    for module in model.modules():
        for tensor in (*module._parameters.values(), *module._buffers.values(), *module.__dict__.values()):
            if isinstance(tensor, nn.Parameter):
                copies[id(tensor)] = nn.Parameter(_without_memory(tensor), requires_grad=tensor.requires_grad)
            elif isinstance(tensor, Tensor):
                copies[id(tensor)] = _without_memory(tensor)
    with gc_paused():
        return copy.deepcopy(model, copies)


def _without_memory(tensor: Tensor) -> Tensor:
    # This is faster than torch.empty_like.
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
