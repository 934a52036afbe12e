"""A cache of operations on `meta`, where the same shapes give the same shapes."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["ShapeCache"]

_CACHED: frozenset[Callable[..., Any]] = frozenset(
    [functional.batch_norm, functional.relu, functional.hardswish, functional.hardsigmoid]
)
"""Functions that are slow on `meta`, where they run as Python, and that return a new tensor."""


class ShapeCache(TorchFunctionMode):
    """Mode that answers some functions on `meta` from their results for arguments of the same shapes.

    Exceptions are not cached, nor are calls that change an argument (`inplace=True`).
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[Any, tuple[torch.Size, tuple[int, ...], torch.dtype]] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        key = _key(func, args, kwargs) if func in _CACHED else None
        if key is None:
            return func(*args, **kwargs)
        if key not in self._known:
            returned = func(*args, **kwargs)
            if any(returned is arg for arg in args):
                return returned
            self._known[key] = returned.shape, returned.stride(), returned.dtype
        shape, stride, dtype = self._known[key]
        return torch.empty_strided(shape, stride, dtype=dtype, device="meta")


def _key(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what the shape of a result depends on; None if that is more than shapes and numbers."""
    described: list[Any] = [func, *kwargs]
    for value in (*args, *kwargs.values()):
        kind = type(value)
        if kind in (Tensor, nn.Parameter, nn.Buffer) and value.is_meta and value.layout is torch.strided:
            described.append((value.shape, value.stride(), value.dtype))
        elif kind in (bool, int, float, type(None)):
            described.append((kind, value))
        else:
            return None
    return tuple(described)
