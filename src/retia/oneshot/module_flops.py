"""What each module of a model computes in one forward pass."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

__all__ = ["module_flops"]


def module_flops(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[int, int]:
    """Run a model and return the floating-point operations of each module's own code, by the module's id; a multiply-add is two.

    What a module calls counts as the called module's.
    """
    counter = _Counter()
    handles = [
        handle
        for module in model.modules()
        for handle in (module.register_forward_pre_hook(counter.enter), module.register_forward_hook(counter.leave, always_call=True))
    ]
    try:
        with torch.no_grad(), counter:
            model(*args, **kwargs)
    finally:
        for handle in handles:
            handle.remove()
    return counter.flops


class _Counter(TorchDispatchMode):
    """Adds up, for the module that is running, torch's formulas; an operator made of others is counted by these."""

    def __init__(self) -> None:
        super().__init__()
        self.flops: dict[int, int] = {}
        self._running: list[int] = []

    def enter(self, module: nn.Module, args: Any) -> None:
        del args
        self._running.append(id(module))

    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        del module, args, output
        self._running.pop()

    def __torch_dispatch__(self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        del types
        kwargs = kwargs or {}
        formula = flop_registry.get(func._overloadpacket)
        if formula is None:
            with self:
                parts = func.decompose(*args, **kwargs)
            return func(*args, **kwargs) if parts is NotImplemented else parts
        out = func(*args, **kwargs)
        running = self._running[-1]
        self.flops[running] = self.flops.get(running, 0) + int(formula(*args, **kwargs, out_val=out))
        return out
