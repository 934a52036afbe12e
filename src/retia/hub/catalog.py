"""Published spaces and searched models by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from retia.errors import SpaceError
from retia.hub import autoformer, darts, mobilenetv3
from retia.hub.nasbench201 import NasBench201
from retia.hub.published import Published
from retia.nn import ModelSpace
from retia.space import Architecture

__all__ = ["architecture", "get", "load", "published"]

_SPACES: Mapping[str, Callable[..., nn.Module]] = {
    "nasbench201": NasBench201,
    "darts": darts.Darts,
    "mobilenetv3": mobilenetv3.MobileNetV3,
    "autoformer": autoformer.AutoFormer,
}
_PUBLISHED: Mapping[str, Published] = {
    model.name: model for space in (darts, mobilenetv3, autoformer) for model in space.PUBLISHED
}


def get(name: str, **arguments: Any) -> ModelSpace:
    """Return a published space.

    Args:
        name: "nasbench201", "darts", "mobilenetv3" or "autoformer"; or a name in `published()`, for the space
            that contains this model.
        arguments: Keyword arguments of the class of the models (`NasBench201`, `Darts`, `MobileNetV3`,
            `AutoFormer`), such as `classes`.

    Raises:
        SpaceError: If `name` is unknown, or the class does not take `arguments`.

    >>> get("nasbench201", classes=100).size()
    15625
    """
    if name in _PUBLISHED:
        return _PUBLISHED[name].space(**arguments)
    if name not in _SPACES:
        msg = (
            f"The hub has the spaces {list(_SPACES)} and the models {list(_PUBLISHED)}, not {name!r}. "
            "Use one of these names."
        )
        raise SpaceError(msg)
    return ModelSpace(_SPACES[name], **arguments)


def published() -> tuple[str, ...]:
    """Return the names of the searched models that `load` builds."""
    return tuple(_PUBLISHED)


def architecture(name: str) -> Architecture:
    """Return the architecture of a searched model in the space `get(name)`.

    Raises:
        SpaceError: If `name` is not in `published()`.

    >>> architecture("darts-v2")["normal/3/op/2"]
    'dil_conv_3x3'
    """
    return Architecture(_model(name).architecture)


def load(
    name: str,
    *,
    device: str | torch.device | None = None,
    seed: int | None = None,
    weights: str | Path | None = None,
) -> nn.Module:
    """Build a searched model with initial weights or weights of a file; nothing is downloaded.

    Args:
        name: Name in `published()`.
        device: Device of the tensors; on "meta" they have no memory. Default: torch's default device.
        seed: Seed of initial weights; torch's generator is restored. None uses torch's generator.
        weights: Safetensors file of the weights. The model is then in evaluation mode, and `seed` is ignored.
            Default: initial weights.

    Raises:
        SpaceError: If `name` is not in `published()`, or the tensors of `weights` do not fit the model.
        StorageError: If `weights` can't be read or is damaged.

    >>> sum(parameter.numel() for parameter in load("darts-v2", device="meta").parameters())
    3349342
    """
    model = _model(name)
    space = model.space()
    if weights is not None:
        return space.load(model.architecture, Path(weights), device)
    return space.build(model.architecture, device, seed)


def _model(name: str) -> Published:
    if name not in _PUBLISHED:
        msg = f"The hub has the searched models {list(_PUBLISHED)}, not {name!r}. Use one of these names."
        raise SpaceError(msg)
    return _PUBLISHED[name]
