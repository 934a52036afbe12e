"""The catalog: published spaces and searched models by name."""

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
        name: "nasbench201", "darts", "mobilenetv3" or "autoformer"; or one of `published()`, for the space
            that this model is an architecture of.
        arguments: Keyword arguments of the class of the space's models (`NasBench201`, `Darts`,
            `MobileNetV3`, `AutoFormer`), such as `classes`.

    Raises:
        SpaceError: If there is no such space, or its class does not take the arguments.

    >>> get("nasbench201", classes=100).size()
    15625
    """
    if name in _PUBLISHED:
        return _PUBLISHED[name].space(**arguments)
    if name not in _SPACES:
        msg = (
            f"The hub has the spaces {list(_SPACES)} and the models {list(_PUBLISHED)}, not {name!r}. "
            "Take one of these names."
        )
        raise SpaceError(msg)
    return ModelSpace(_SPACES[name], **arguments)


def published() -> tuple[str, ...]:
    """Return the names of the searched models, which `load` builds."""
    return tuple(_PUBLISHED)


def architecture(name: str) -> Architecture:
    """Return the architecture of a searched model, one of the space `get(name)`.

    Raises:
        SpaceError: If there is no such model.

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
    """Build a searched model, with fresh weights or those of a file; none are downloaded.

    Args:
        name: One of `published()`.
        device: Where its tensors are made; "meta" makes none.
        seed: Seeds fresh weights, and leaves torch's generator as it was; None draws from it, as torch does.
        weights: A safetensors file of the model's weights. With it the model is in evaluation mode, and the
            seed plays no part.

    Raises:
        SpaceError: If there is no such model, or the tensors of the file are not its.
        StorageError: If the file of the weights can't be read or is damaged.

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
        msg = f"The hub has the searched models {list(_PUBLISHED)}, not {name!r}. Take one of these names."
        raise SpaceError(msg)
    return _PUBLISHED[name]
