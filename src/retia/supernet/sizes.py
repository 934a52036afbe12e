"""The symbolic sizes of tensors, recorded where the tensors are made."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from retia.space import Domain, concrete, expression_of, possible_values, symbolic

__all__ = ["RecordedSizes"]

_BY_SIZE: frozenset[Callable[..., Any]] = frozenset(
    [
        torch.empty,
        torch.zeros,
        torch.ones,
        torch.rand,
        torch.randn,
        Tensor.new_empty,
        Tensor.new_zeros,
        Tensor.new_ones,
    ]
)
"""Functions that make a tensor of a size, given as one argument or as several."""
_WITH_VALUE: frozenset[Callable[..., Any]] = frozenset([torch.full, Tensor.new_full])
"""Functions that make a tensor of a size, their first argument, filled with a value."""


class RecordedSizes(TorchFunctionMode):
    """Mode that records symbolic sizes of tensors, and makes each as large as any architecture needs.

    A size such as `64 // groups` is largest for the smallest choice, so it is not always the size at the
    greatest values. A tensor that is computed from a recorded one and has its shape gets its sizes.

    Args:
        domains: Domains of the parameters, by label.
    """

    def __init__(self, domains: Mapping[str, Domain]) -> None:
        super().__init__()
        self._domains = domains
        self._noted: dict[int, tuple[Tensor, tuple[int, ...]]] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _BY_SIZE or func in _WITH_VALUE:
            return self._make(func, args, kwargs)
        if func is torch.arange and _counts_from_zero(bounds := _bounds(args, kwargs)):
            return self._count(bounds["end"], bounds["step"], kwargs)
        result = func(*args, **kwargs)
        if self._noted and isinstance(result, Tensor) and self.of(result) is None:
            for source in args:
                if (
                    isinstance(source, Tensor)
                    and source.shape == result.shape
                    and (sizes := self.of(source)) is not None
                ):
                    self._note(result, sizes)
                    break
        return result

    def of(self, tensor: Tensor) -> tuple[int, ...] | None:
        """Return the symbolic sizes of a tensor or of one that shares its memory; None if not recorded."""
        noted = self._noted.get(_address(tensor))
        if noted is None:
            return None
        made, sizes = noted
        if made.shape == tensor.shape:
            return sizes
        # The shapes may differ by dimensions of size 1, as unsqueeze makes them.
        kept = [size for size, extent in zip(sizes, made.shape, strict=True) if extent != 1]
        if [e for e in made.shape if e != 1] != [e for e in tensor.shape if e != 1]:
            return None
        remaining = iter(kept)
        return tuple(1 if extent == 1 else next(remaining) for extent in tensor.shape)

    def _make(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        own = (args[0],) if args and isinstance(args[0], Tensor) else ()
        given = args[len(own) :]
        size = kwargs.get("size", given)
        if func in _WITH_VALUE and "size" not in kwargs:
            size = given[:1]
        if len(size) == 1 and isinstance(size[0], Sequence):
            size = size[0]
        if not symbolic(tuple(size)):
            return func(*args, **kwargs)
        extents = tuple(self._extent(one) for one in size)
        rest = {name: value for name, value in kwargs.items() if name != "size"}
        values = given[1:] if func in _WITH_VALUE and "size" not in kwargs else ()
        tensor = func(*own, extents, *values, **rest)
        self._note(tensor, tuple(size))
        return tensor

    def _count(self, end: int, step: int, kwargs: dict[str, Any]) -> Tensor:
        """Count from 0 to the largest end of any architecture; smaller ranges are the first entries."""
        size = -(-end // step)
        rest = {name: value for name, value in kwargs.items() if name not in ("start", "end", "step")}
        tensor = torch.arange(0, self._extent(size) * step, step, **rest)
        self._note(tensor, (size,))
        return tensor

    def _extent(self, size: int) -> int:
        """Return the largest value of a size; its value at the greatest choices for intervals."""
        if not symbolic(size):
            return size
        expression = expression_of(size)
        if any(math.isinf(self._domains[label].size) for label in expression.labels):
            return concrete(size)
        return max(possible_values(expression, self._domains))

    def _note(self, tensor: Tensor, sizes: tuple[int, ...]) -> None:
        # The tensor is kept alive, so that its address is not reused.
        self._noted[_address(tensor)] = (tensor, sizes)


def _bounds(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the start, end and step of a call of `torch.arange`."""
    names = ("end",) if len(args) == 1 else ("start", "end", "step")
    return {"start": 0, "end": None, "step": 1, **dict(zip(names, args, strict=False)), **kwargs}


def _counts_from_zero(bounds: dict[str, Any]) -> bool:
    start, end, step = bounds["start"], bounds["end"], bounds["step"]
    return (
        isinstance(end, int)
        and symbolic(end)
        and not symbolic((start, step))
        and start == 0
        and isinstance(step, int)
        and step > 0
    )


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
