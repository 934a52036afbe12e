"""Running a model without data and without memory, to see whether its parts fit."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from retia.cost.example import Example
from retia.errors import SpaceError
from retia.nn import seeded
from retia.space import SearchSpace, Value

__all__ = ["dry_run"]


def dry_run(space: SearchSpace, architecture: Mapping[str, Value], example: Example | None = None) -> None:
    """Build an architecture's model on the `meta` device, and, if its input is known, run it on a batch of two.

    A model that can't run on `meta`, because it reads values, is run on the CPU with zeros before it is judged.

    Raises:
        SpaceError: If it can't be built, or a module gets an input that doesn't fit; the message names the module and the shapes.
    """
    builder: Any = space
    model: nn.Module = builder.build(architecture, device="meta")
    if example is None:
        return
    try:
        _forward(model, example, "meta")
    except Exception:  # noqa: BLE001  # whatever goes wrong on meta, the CPU decides whether it is an error
        where = _Where()
        model = builder.build(architecture, device="cpu", seed=0)
        for name, module in model.named_modules():
            module.register_forward_pre_hook(where.entering(name, module), with_kwargs=True)
            module.register_forward_hook(where.leaving)
        try:
            _forward(model, example, "cpu")
        except Exception as error:
            msg = (
                f"The architecture {dict(architecture)} builds, but can't run on an input of shape {example} (batch of 2): {where} fails with "
                f"{type(error).__name__}: {error}. Make the sizes on both sides follow the same choice, or exclude the combination with space.where(...)."
            )
            raise SpaceError(msg) from error


def _forward(model: nn.Module, example: Example, device: str) -> None:
    args, kwargs = example.on(device, batch=2)
    with torch.no_grad(), seeded(0):
        model(*args, **kwargs)


class _Where:
    """Follows which module is running, and on what."""

    def __init__(self) -> None:
        self._stack: list[str] = []

    def entering(self, name: str, module: nn.Module) -> Any:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            shapes = [str(tuple(value.shape)) for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
            self._stack.append(f"'{name or 'the model itself'}' ({type(module).__name__}), on {', '.join(shapes) or 'no tensor'},")

        return hook

    def leaving(self, module: nn.Module, args: Any, output: Any) -> None:
        del module, args, output
        self._stack.pop()

    def __str__(self) -> str:
        return self._stack[-1] if self._stack else "the model"
