"""Values without what tensors hold: what a call on `meta` depends on, and returns."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["NotAShapeError", "described", "made"]

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
    """A value is more than shapes and scalars."""


class _Shape(NamedTuple):
    """All that matters of a tensor on `meta`."""

    sizes: torch.Size
    strides: tuple[int, ...]
    dtype: torch.dtype


class _Scalar(NamedTuple):
    """A value that is no tensor, with its class, for 1, 1.0 and True are equal."""

    kind: type
    value: Any


class _Several(NamedTuple):
    """A tuple or list."""

    kind: type
    values: tuple[Any, ...]


def described(value: Any) -> Any:
    """Return what there is to say of tensors on `meta`, scalars, and tuples and lists of them; it is
    hashable.

    Raises:
        NotAShapeError: If there is anything else in the value.
    """
    kind = type(value)
    if kind is Tensor or kind is nn.Parameter:
        if value.device.type != "meta" or value.layout is not torch.strided:
            raise NotAShapeError
        return _Shape(value.shape, value.stride(), value.dtype)
    if kind is tuple or kind is list:
        return _Several(kind, tuple(map(described, value)))
    if isinstance(value, _SCALARS):
        return _Scalar(kind, value)
    raise NotAShapeError


def made(description: Any) -> Any:
    """Return a value of which this is the description."""
    kind = type(description)
    if kind is _Shape:
        return torch.empty_strided(
            description.sizes, description.strides, dtype=description.dtype, device="meta"
        )
    return description.value if kind is _Scalar else description.kind(map(made, description.values))
