"""Where a supernet's run first goes another way than that of the model built alone."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

__all__ = ["Shapes", "first_unlike", "shapes_by_module"]

Shapes = Mapping[str, list[tuple[int, ...]]]
"""The shapes of what modules return, by their names, in the order in which they first end."""


def shapes_by_module(
    model: nn.Module, modules: Iterable[tuple[str, nn.Module]], run: Callable[[nn.Module], Any]
) -> Shapes:
    """Return the shapes of what the modules of a model return; those that a failure ends are left out.

    Args:
        model: The model.
        modules: Which of its modules to watch, by name.
        run: Calls the model, and raises nothing.
    """
    shapes: dict[str, list[tuple[int, ...]]] = {}

    def note(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            shapes.setdefault(
                path, [tuple(leaf.shape) for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
            )

        return hook

    handles = [module.register_forward_hook(note(path)) for path, module in modules]
    try:
        run(model)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


def first_unlike(expected: Shapes, found: Shapes) -> str | None:
    """Return the name of the first module that returns other shapes than expected, or does not end; None if
    there is none.
    """
    return next((path for path, shapes in expected.items() if found.get(path) != shapes), None)
