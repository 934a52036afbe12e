"""Forward passes on zeros, whose errors name the module that failed."""

from typing import Any

import torch
from torch import Tensor, nn

from retia.cost.example import Example
from retia.errors import RetiaError, SpaceError
from retia.nn import seeded

__all__ = ["device_of", "run_on_zeros"]


def device_of(model: nn.Module) -> torch.device:
    """Return the device of the model's first tensor; the CPU for a model without tensors."""
    tensors = (*model.parameters(), *model.buffers())
    return tensors[0].device if tensors else torch.device("cpu")


def run_on_zeros(
    model: nn.Module, example: Example, *, batch: int, device: torch.device | str, subject: str = "The model"
) -> None:
    """Run the model on zeros of the example's shapes; torch's generator is restored.

    Raises:
        RetiaError: If the model itself raises one.
        SpaceError: If the model fails. The message starts with `subject` and names the module.
    """
    args, kwargs = example.on(device, batch=batch)
    where = _RunningModule()
    handles = [
        handle
        for name, module in model.named_modules()
        for handle in (
            module.register_forward_pre_hook(where.entering(name, module), with_kwargs=True),
            module.register_forward_hook(where.leaving),
        )
    ]
    try:
        with seeded(0):
            model(*args, **kwargs)
    except RetiaError:
        raise  # such as that of a choice in `forward`, which has a remedy of its own
    except Exception as error:
        msg = (
            f"{subject} can't run on an input of shape {example} (batch of {batch}): "
            f"{where} fails with {type(error).__name__}: {error}. "
            "Make the sizes on both sides follow the same choice, or exclude the combination with "
            "space.where(...)."
        )
        raise SpaceError(msg) from error
    finally:
        for handle in handles:
            handle.remove()


class _RunningModule:
    """Tracks the module that is running and the shapes of its inputs."""

    def __init__(self) -> None:
        self._stack: list[str] = []

    def entering(self, name: str, module: nn.Module) -> Any:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            shapes = [
                str(tuple(value.shape)) for value in (*args, *kwargs.values()) if isinstance(value, Tensor)
            ]
            self._stack.append(
                f"'{name or 'the model itself'}' ({type(module).__name__}), "
                f"on {', '.join(shapes) or 'no tensor'},"
            )

        return hook

    def leaving(self, module: nn.Module, args: Any, output: Any) -> None:
        del module, args, output
        self._stack.pop()

    def __str__(self) -> str:
        return self._stack[-1] if self._stack else "the model"
