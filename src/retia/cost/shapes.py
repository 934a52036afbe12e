"""Descriptions of tensors on `meta` and of scalars: arguments and results of a call, hashable."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["NotAShapeError", "describe", "from_description"]

_SCALARS = (
    int,
    float,
    complex,
    str,
    type(None),
    torch.dtype,
    torch.device,
    torch.layout,
    torch.memory_format,
)


class NotAShapeError(Exception):
    """A value contains something other than tensors on `meta` and scalars."""


class _Shape(NamedTuple):
    """A tensor on `meta`."""

    sizes: torch.Size
    strides: tuple[int, ...]
    dtype: torch.dtype


class _Scalar(NamedTuple):
    """A value and its class, because 1, 1.0 and True are equal."""

    kind: type
    value: Any


class _Several(NamedTuple):
    """A tuple or list."""

    kind: type
    values: tuple[Any, ...]


def describe(value: Any) -> Any:
    """Return a hashable description of tensors on `meta`, scalars, and tuples and lists of these.

    Raises:
        NotAShapeError: If `value` contains anything else.
    """
    kind = type(value)
    if kind is Tensor or kind is nn.Parameter:
        if value.device.type != "meta" or value.layout is not torch.strided:
            raise NotAShapeError
        return _Shape(value.shape, value.stride(), value.dtype)
    if kind is tuple or kind is list:
        return _Several(kind, tuple(map(describe, value)))
    if isinstance(value, _SCALARS):
        return _Scalar(kind, value)
    raise NotAShapeError


def from_description(description: Any) -> Any:
    """Return a value with this description."""
    kind = type(description)
    if kind is _Shape:
        return torch.empty_strided(
            description.sizes, description.strides, dtype=description.dtype, device="meta"
        )
    return (
        description.value if kind is _Scalar else description.kind(map(from_description, description.values))
    )
