"""What a model returns for an example, as far as two models can be compared by it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map

from retia.nn import seeded

__all__ = ["arguments", "outcome_of"]


def outcome_of(
    model: nn.Module, example: Any, device: str, watch: AbstractContextManager[Any], *, training: bool = False
) -> Any:
    """Return the shapes of what a model returns, or what it raises."""
    args, kwargs = arguments(tree_map(lambda x: x.to(device) if isinstance(x, Tensor) else x, example))
    before = model.training
    model.train(training)
    try:
        with seeded(0), torch.no_grad(), watch:
            outputs, structure = tree_flatten(model(*args, **kwargs))
    except Exception as error:  # noqa: BLE001  # whatever a user's forward raises
        return error
    finally:
        model.train(before)
    return [_comparable(output) for output in outputs], str(structure)


def _comparable(output: Any) -> Any:
    """Return what must be equal of two outputs: a tensor's shape, a plain value, and the class of another
    object, such as a cache.
    """
    if isinstance(output, Tensor):
        return tuple(output.shape)
    return output if isinstance(output, bool | int | float | str | None) else type(output).__name__


def arguments(example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return what `forward` is called with, by position and by name."""
    if isinstance(example, Mapping):
        return (), dict(example)
    return (example if isinstance(example, tuple) else (example,)), {}
