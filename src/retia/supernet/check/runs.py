"""Runs of a model on an example, reduced to what two models can be compared by."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map

from retia.nn import seeded

__all__ = ["Outcome", "Shapes", "arguments", "first_difference", "moved", "outcome_of", "shapes_by_module"]

Outcome: TypeAlias = Exception | tuple[list[Any], str]
"""The exception that a model raises, or the shapes of its outputs and their structure."""
Shapes: TypeAlias = Mapping[str, list[tuple[int, ...]]]
"""The shapes of modules' outputs by module name, in the order in which the modules first return."""


def outcome_of(
    model: nn.Module,
    example: Any,
    device: str,
    context: AbstractContextManager[Any],
    *,
    training: bool = False,
) -> Outcome:
    """Run a model within a context, and return the shapes of its outputs or its exception."""
    args, kwargs = arguments(moved(example, device))
    before = model.training
    model.train(training)
    try:
        with seeded(0), torch.no_grad(), context:
            outputs, structure = tree_flatten(model(*args, **kwargs))
    except Exception as error:  # noqa: BLE001  # a user's forward may raise anything
        return error
    finally:
        model.train(before)
    return [_comparable(output) for output in outputs], str(structure)


def _comparable(output: Any) -> Any:
    """Return a tensor's shape, a plain value itself, or the class name of another object."""
    if isinstance(output, Tensor):
        return tuple(output.shape)
    return output if isinstance(output, bool | int | float | str | None) else type(output).__name__


def arguments(example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the positional and the keyword arguments of `forward` that an example stands for."""
    if isinstance(example, Mapping):
        return (), dict(example)
    return (example if isinstance(example, tuple) else (example,)), {}


def moved(example: Any, device: str | torch.device) -> Any:
    """Return an example with its tensors on a device."""
    return tree_map(lambda x: x.to(device) if isinstance(x, Tensor) else x, example)


def shapes_by_module(modules: Iterable[tuple[str, nn.Module]], run: Callable[[], Any]) -> Shapes:
    """Return the shapes of modules' outputs in a run, without the modules that do not return.

    Args:
        modules: The modules, by name.
        run: Function that runs the model, and raises nothing.
    """
    shapes: dict[str, list[tuple[int, ...]]] = {}

    def recorder(path: str) -> Callable[..., None]:
        def record(module: nn.Module, args: Any, output: Any) -> None:
            found = [tuple(leaf.shape) for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
            shapes.setdefault(path, found)

        return record

    handles = [module.register_forward_hook(recorder(path)) for path, module in modules]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return shapes


def first_difference(expected: Shapes, found: Shapes) -> str | None:
    """Return the name of the first module with other shapes than expected; None if there is no difference."""
    return next((path for path, shapes in expected.items() if found.get(path) != shapes), None)
