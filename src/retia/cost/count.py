"""Counting what a model needs: parameters, floating-point operations, multiply-adds."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_any

from retia.cost.example import Example
from retia.cost.formulas import formulas
from retia.cost.forward import device_of, run_on_zeros

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
    """Count a model for one sample, in evaluation mode; the model stays as it is.

    A copy without memory runs on the `meta` device. A model that can't, because it reads values, runs itself, on zeros.

    Raises:
        SpaceError: If the model can't run on inputs of these shapes; the message names the module.

    >>> count(nn.Linear(10, 5), Example.of((10,)))
    Count(params=55, flops=100, macs=50, uncounted=())
    """
    device = device_of(model)
    if device.type != "meta":
        try:
            return _count(_on_meta(model), example, torch.device("meta"))
        except Exception:  # noqa: BLE001, S110  # whatever goes wrong on meta, the model's own device decides whether it is an error
            pass
    return _count(model, example, device)


def _count(model: nn.Module, example: Example, device: torch.device) -> Count:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        # Off meta, gradients keep torch from its fused kernel for attention, which has no formula.
        with torch.set_grad_enabled(device.type != "meta"), _Counter() as counter:
            run_on_zeros(model, example, batch=1, device=device)
    finally:
        for module, training in modes.items():
            module.training = training
    return Count(count_parameters(model), counter.flops, counter.flops // 2, tuple(sorted(counter.uncounted)))


def _on_meta(model: nn.Module) -> nn.Module:
    """Return a copy of the model whose tensors are on `meta`; theirs are not copied."""
    tensors: dict[int, Any] = {}
    for module in model.modules():
        for tensor in (*module._parameters.values(), *module._buffers.values(), *vars(module).values()):
            if isinstance(tensor, nn.Parameter):
                tensors[id(tensor)] = nn.Parameter(torch.empty_like(tensor, device="meta"), requires_grad=tensor.requires_grad)
            elif isinstance(tensor, Tensor):
                tensors[id(tensor)] = torch.empty_like(tensor, device="meta")
    return copy.deepcopy(model, tensors)


_WORDS = """
_reshape_copy _to_copy _unsafe_view cat clone contiguous copy_ detach embedding empty_like fill_ full_like gather index index_select lift_fresh
new_empty new_full new_ones new_zeros ones_like pixel_shuffle rand_like randn_like repeat roll stack unsafe_split unsafe_split_with_sizes zero_ zeros_like
"""
_MOVES = frozenset(f"aten.{name}" for name in _WORDS.split())
"""Operators that only make or move numbers."""


class _Counter(TorchDispatchMode):
    """Adds up the formulas; an operator made of others is counted by these."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0
        self.uncounted: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        del types
        kwargs = kwargs or {}
        formula = formulas().get(func._overloadpacket)
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
