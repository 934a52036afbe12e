"""The modules and tensors that a constructor takes from outside of itself."""

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterator
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
    """What a constructor uses and doesn't make: a module of its closure, of its arguments, of the file around
    it.

    Such a module is in each model that the constructor makes, so a training of one model would go on with
    what the training of another has left. Each model gets a copy instead, and the original stays as it is.

    An original is found by tracing: of a traced model that is gone, it is what lives on.

    Args:
        known: Whether the constructor has been traced in this process, or has no originals.
    """

    def __init__(self, known: bool = True) -> None:
        self._traced: WeakValueDictionary[int, Part] = WeakValueDictionary()
        self._known = known

    def __reduce__(self) -> tuple[Callable[..., "SharedParts"], tuple[bool]]:
        return SharedParts, (self._known and not self._traced,)  # in another process, they are other objects

    def __bool__(self) -> bool:
        """Whether there may be originals: of a traced model that is gone, something lives on."""
        return bool(self._traced)

    def find(self, trace: Callable[[], object]) -> None:
        """Call `trace`, which notes each model that it makes, unless the originals are known."""
        if not self._known:
            trace()
            self._known = True

    def note(self, model: nn.Module) -> None:
        """Take note of the parts of a traced model."""
        for _, part in _parts(model):
            self._traced[id(part)] = part

    def paths(self, model: nn.Module) -> list[str]:
        """Return where a model has originals: the outermost modules, and tensors of other modules."""
        found: list[str] = []
        for path, part in _parts(model) if self._traced else ():
            if self._traced.get(id(part)) is part and not any(
                path.startswith(f"{outer}.") or not outer for outer in found
            ):
                found.append(path)
        return found

    def copied(self, model: nn.Module, device: str | torch.device | None) -> nn.Module:
        """Return a model with copies of its originals, which share with each other what the originals share;
        it is the same model if it has no originals.

        Raises:
            SpaceError: If an original can't be copied, or is one that the constructor has kept when it was
                traced on `meta`.
        """
        originals: dict[int, Part] = {}
        own: dict[int, Part] = {}
        for path, part in _parts(model) if self._traced else ():
            is_original = self._traced.get(id(part)) is part
            (originals if is_original else own)[id(part)] = part
            if (
                is_original
                and isinstance(part, Tensor)
                and part.is_meta
                and torch.device(device or torch.get_default_device()).type != "meta"
            ):
                msg = (
                    f"'{path}' was made while the constructor was traced, without memory, "
                    "and kept from there on: by functools.cache, or in a "
                    "variable outside of the constructor. Make it before the space, "
                    "or in each call of the constructor."
                )
                raise SpaceError(msg)
        if not originals:
            return model
        tensors = {key: _moved(part, device) for key, part in originals.items() if isinstance(part, Tensor)}
        memo: dict[int, Any] = {
            **own,
            **tensors,
        }  # what the constructor made stays what it is, even inside of an original
        for part in originals.values():
            try:
                copy.deepcopy(part, memo)
            except Exception as error:
                msg = (
                    f"{type(part).__name__}, which was made outside of the constructor and is used in it, "
                    "can't be copied for each model: "
                    f"{type(error).__name__}: {error}. Make it inside of the constructor."
                )
                raise SpaceError(msg) from error
        copies = {key: memo[key] for key in originals}
        replaced: dict[int, tuple[Any, Any]] = {}
        for part in own.values():
            if isinstance(part, nn.Module):
                vars(part).update(
                    {name: _replaced(value, copies, replaced) for name, value in vars(part).items()}
                )
        return copies.get(id(model), model)


def _parts(model: nn.Module) -> Iterator[tuple[str, Part]]:
    """Yield the modules of a model, and their parameters and buffers, each with a path."""
    for path, module in model.named_modules():
        yield path, module
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                yield f"{path}.{name}".lstrip("."), tensor


def _moved(tensor: Tensor, device: str | torch.device | None) -> Tensor:
    if is_lazy(tensor) or (tensor.is_leaf and (device is None or torch.device(device) == tensor.device)):
        return copy.deepcopy(tensor)
    moved = tensor.detach().to(device or tensor.device, copy=True)
    return nn.Parameter(moved, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else moved


def _replaced(value: Any, copies: dict[int, Any], done: dict[int, tuple[Any, Any]]) -> Any:
    """Return an attribute's value with copies instead of originals, in plain lists and dictionaries too."""
    if id(value) in copies:
        return copies[id(value)]
    if isinstance(value, MethodType):
        return (
            MethodType(value.__func__, copies[id(value.__self__)]) if id(value.__self__) in copies else value
        )
    if type(value) not in (list, tuple, dict, OrderedDict):
        return value
    if id(value) not in done:
        done[id(value)] = value, value  # should it hold itself
        pairs: list[tuple[Any, Any]] = list(value.items() if isinstance(value, dict) else enumerate(value))
        found = [(key, _replaced(item, copies, done)) for key, item in pairs]
        changed = any(new is not old for (_, new), (_, old) in zip(found, pairs, strict=True))
        make: Any = type(value)
        new = make(found if isinstance(value, dict) else [item for _, item in found]) if changed else value
        done[id(value)] = value, new  # kept, so that its id stays its own
    return done[id(value)][1]
