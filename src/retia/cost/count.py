"""Counting what a model needs: parameters, floating-point operations, multiply-adds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_any
from torch.utils.flop_counter import flop_registry

from retia.cost.example import Example

__all__ = ["Count", "count", "count_parameters"]


@dataclass(frozen=True)
class Count:
    """What a model needs for one sample.

    Args:
        params: The number of parameters, trainable or not, shared ones once.
        flops: Floating-point operations of convolutions, matrix products and attention; a multiply-add is two.
        macs: Multiply-adds of the same.
        uncounted: The operators that ran and have no formula, such as activations and normalizations: they count nothing.
    """

    params: int
    flops: int
    macs: int
    uncounted: tuple[str, ...]


def count_parameters(model: nn.Module) -> int:
    """Return the number of parameters, trainable or not, shared ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def count(model: nn.Module, example: Example) -> Count:
    """Count a model that is on the `meta` device, for one sample, in evaluation mode.

    >>> count(nn.Linear(10, 5, device="meta"), Example.of((10,)))
    Count(params=55, flops=100, macs=50, uncounted=())
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    args, kwargs = example.on("meta", batch=1)
    try:
        with torch.no_grad(), _Counter() as counter:
            model(*args, **kwargs)
    finally:
        for module, training in modes.items():
            module.training = training
    return Count(count_parameters(model), counter.flops, counter.flops // 2, tuple(sorted(counter.uncounted)))


_MOVES = {"aten.clone", "aten.copy_", "aten._to_copy", "aten.detach", "aten._unsafe_view", "aten.cat", "aten.stack", "aten.lift_fresh", "aten.contiguous"}
"""Operators that only move numbers."""


class _Counter(TorchDispatchMode):
    """Adds up the formulas that torch has for its operators; an operator made of others is counted by these."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0
        self.uncounted: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        del types
        kwargs = kwargs or {}
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            out = func(*args, **kwargs)
            self.flops += int(formula(*args, **kwargs, out_val=out))
            return out
        with self:
            parts = func.decompose(*args, **kwargs)
        if parts is not NotImplemented:
            return parts
        name = str(func._overloadpacket)
        if not func.is_view and name not in _MOVES and tree_any(lambda leaf: isinstance(leaf, Tensor), (args, kwargs)):
            self.uncounted.add(name)
        return func(*args, **kwargs)
