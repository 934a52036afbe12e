"""The device on which the tensors of a model are made while it is built."""

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from retia.errors import EvaluationError

__all__ = ["on_device", "require_device"]

_FILLING: frozenset[Callable[..., Any]] = frozenset(
    [
        *(
            function
            for name, function in vars(nn.init).items()
            if name.endswith("_") and not name.startswith("_")
        ),
        *(Tensor.zero_, Tensor.fill_, Tensor.normal_, Tensor.uniform_),
    ]
)


class _Unfilled(TorchFunctionMode):
    """Skips functions that fill tensors on `meta`, which have no memory."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in _FILLING:
            tensor = args[0] if args else (kwargs or {}).get("tensor")
            if isinstance(tensor, Tensor) and tensor.is_meta:
                return tensor
        return func(*args, **(kwargs or {}))


def on_device(device: str | torch.device | None) -> AbstractContextManager[Any]:
    """Make tensors on a device inside; on `meta` skip the functions that initialize them.

    None leaves torch unchanged, because a device slows down every call of torch inside.
    """
    if device is None:
        return nullcontext()
    device = torch.device(device)
    return _on_meta(device) if device.type == "meta" else device


def require_device(device: str | torch.device | None) -> None:
    """Raise if tensors can't be made on a device.

    Raises:
        EvaluationError: If `device` is not a device of torch, or is not available.
    """
    if device is None:
        return
    try:
        place = torch.device(device)
    except RuntimeError as error:
        msg = f"'device' must name a device of torch, such as 'cpu' or 'cuda:0', got {device!r}. {error}"
        raise EvaluationError(msg) from error
    counts = {"cuda": torch.cuda.device_count, "mps": lambda: int(torch.backends.mps.is_available())}
    if place.type in counts and (count := counts[place.type]()) <= (place.index or 0):
        msg = (
            f"The device '{device}' is not available: torch finds {count} of type '{place.type}'. "
            "Omit device, or install a build of torch that supports it."
        )
        raise EvaluationError(msg)


@contextmanager
def _on_meta(device: torch.device) -> Generator[None]:
    with device, _Unfilled():
        yield
