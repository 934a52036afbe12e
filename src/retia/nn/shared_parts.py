"""Modules and tensors that a constructor uses but does not make."""

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from types import MethodType
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from retia.errors import SpaceError

__all__ = ["SharedParts"]

Part: TypeAlias = "nn.Module | Tensor"


class SharedParts:
    """Modules and tensors that a constructor takes from its closure, its arguments or the module around it.

    Every model of the constructor would hold the same part, so that training one model would change the next.
    Each model gets a copy instead.

    Shared parts are found by tracing: they are the parts of a traced model that outlive it.

    Args:
        known: Whether the constructor has been traced in this process, or has no shared parts.
    """

    def __init__(self, known: bool = True) -> None:
        self._traced: WeakValueDictionary[int, Part] = WeakValueDictionary()
        self._known = known

    def __reduce__(self) -> tuple[Callable[..., "SharedParts"], tuple[bool]]:
        return SharedParts, (self._known and not self._traced,)  # other processes have other objects

    def __bool__(self) -> bool:
        """Whether there may be shared parts: some part of a traced model has outlived it."""
        return bool(self._traced)

    def find(self, trace: Callable[[], object]) -> None:
        """Call `trace`, which passes its models to `note`, unless the shared parts are known."""
        if not self._known:
            trace()
            self._known = True

    def note(self, model: nn.Module) -> None:
        """Remember the parts of a traced model, without keeping them alive."""
        for _, part in _parts(model):
            self._traced[id(part)] = part

    def paths(self, model: nn.Module) -> list[str]:
        """Return the paths of shared parts in a model: the outermost modules, and single tensors."""
        found: list[str] = []
        for path, part in _parts(model) if self._traced else ():
            if self._is_shared(part) and not any(
                path.startswith(f"{outer}.") or not outer for outer in found
            ):
                found.append(path)
        return found

    def copied(self, model: nn.Module, device: str | torch.device | None) -> nn.Module:
        """Return the model with copies of its shared parts; references between shared parts are kept.

        Raises:
            SpaceError: If a shared part can't be copied, or was made on `meta` while tracing and kept.
        """
        shared: dict[int, Part] = {}
        own: dict[int, Part] = {}
        for path, part in _parts(model) if self._traced else ():
            if self._is_shared(part):
                _require_memory(path, part, device)
                shared[id(part)] = part
            else:
                own[id(part)] = part
        if not shared:
            return model
        copies = _copies(shared, own, device)
        replaced: dict[int, tuple[Any, Any]] = {}
        for part in own.values():
            if isinstance(part, nn.Module):
                for name, value in part.__dict__.items():
                    part.__dict__[name] = _replaced(value, copies, replaced)
        return copies.get(id(model), model)

    def _is_shared(self, part: Part) -> bool:
        return self._traced.get(id(part)) is part


def _parts(model: nn.Module) -> Iterator[tuple[str, Part]]:
    """Yield the modules, parameters and buffers of a model with their paths."""
    for path, module in model.named_modules():
        yield path, module
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                yield f"{path}.{name}".lstrip("."), tensor


def _require_memory(path: str, part: Part, device: str | torch.device | None) -> None:
    place = torch.device(device or torch.get_default_device())
    if isinstance(part, Tensor) and part.is_meta and place.type != "meta":
        msg = (
            f"'{path}' was made on the meta device while the constructor was traced, and was kept: "
            "by functools.cache, or in a variable outside of the constructor. "
            "Make it before the space, or in each call of the constructor."
        )
        raise SpaceError(msg)


def _copies(
    shared: Mapping[int, Part], own: Mapping[int, Part], device: str | torch.device | None
) -> dict[int, Any]:
    """Return copies of shared parts by the ids of the originals; a part in `own` is not copied."""
    tensors = {key: _moved(part, device) for key, part in shared.items() if isinstance(part, Tensor)}
    memo: dict[int, Any] = {**own, **tensors}
    for part in shared.values():
        try:
            copy.deepcopy(part, memo)
        except Exception as error:
            msg = (
                f"{type(part).__name__}, which was made outside of the constructor and is used in it, "
                f"can't be copied for each model: {type(error).__name__}: {error}. "
                "Make it in the constructor."
            )
            raise SpaceError(msg) from error
    return {key: memo[key] for key in shared}


def _moved(tensor: Tensor, device: str | torch.device | None) -> Tensor:
    if is_lazy(tensor) or (tensor.is_leaf and (device is None or torch.device(device) == tensor.device)):
        return copy.deepcopy(tensor)
    moved = tensor.detach().to(device or tensor.device, copy=True)
    return nn.Parameter(moved, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else moved


def _replaced(value: Any, copies: dict[int, Any], done: dict[int, tuple[Any, Any]]) -> Any:
    """Return an attribute's value with copies instead of shared parts, also in lists and dictionaries."""
    if id(value) in copies:
        return copies[id(value)]
    if isinstance(value, MethodType):
        return (
            MethodType(value.__func__, copies[id(value.__self__)]) if id(value.__self__) in copies else value
        )
    if type(value) not in (list, tuple, dict, OrderedDict):
        return value
    if id(value) not in done:
        done[id(value)] = value, value  # ends the recursion if it contains itself
        pairs: list[tuple[Any, Any]] = list(value.items() if isinstance(value, dict) else enumerate(value))
        found = [(key, _replaced(item, copies, done)) for key, item in pairs]
        changed = any(new is not old for (_, new), (_, old) in zip(found, pairs, strict=True))
        make: Any = type(value)
        new = make(found if isinstance(value, dict) else [item for _, item in found]) if changed else value
        done[id(value)] = value, new  # the value is kept alive, so that its id is not reused
    return done[id(value)][1]
