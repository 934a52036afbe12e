"""Comparison of constants: tensors that no training changes, whose values have to follow the choices."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from torch import Tensor, nn

from retia.errors import SupernetError
from retia.nn import ModelSpace
from retia.space import Architecture
from retia.supernet.assembly import Assembly, named
from retia.supernet.check.architectures import extremes
from retia.supernet.check.attributes import attribute_pairs
from retia.supernet.check.blame import cause, culprit, unfollowed
from retia.supernet.elastic import Elastic, behaviour_of
from retia.supernet.slots import captured
from retia.supernet.usage import modules_in_use

__all__ = ["compare_constants", "has_constants"]


@dataclass(frozen=True, eq=False)
class _Constant:
    """A tensor that no training changes.

    Attributes:
        shown: What it is, with its name.
        name: Its name in the model; None if it is not a buffer or parameter.
        saved: Whether a `state_dict` holds it.
        mine: The supernet's tensor.
        its: The tensor of the model built alone.
    """

    shown: str
    name: str | None
    saved: bool
    mine: Tensor
    its: Tensor


def has_constants(model: nn.Module, alone: nn.Module) -> bool:
    """Return whether the model of the activated architecture has tensors that no training changes."""
    return any(True for _ in _constants(model, alone))


def compare_constants(space: ModelSpace, assembly: Assembly) -> None:
    """Compare buffers, frozen parameters and plain tensors with those of models built alone.

    The extreme architectures are compared. Random tensors that a `state_dict` holds are left out, for a
    subnet gets those of the supernet.

    Raises:
        SupernetError: If the values of one differ.
    """
    for architecture in extremes(space):
        found = _unlike(space, assembly, architecture)
        if found is not None:
            raise SupernetError(_message(space, assembly, architecture, *found))


def _unlike(
    space: ModelSpace, assembly: Assembly, architecture: Architecture
) -> tuple[_Constant, bool] | None:
    """Return the first constant that differs for an architecture, and whether it is random."""
    assembly.slots.fill(architecture.unwrapped)
    again: dict[str, Tensor] = {}
    for constant in _constants(assembly.model, space.build(architecture, seed=0)):
        if _equal(constant.mine, constant.its):
            continue
        again = again or {
            other.shown: other.its for other in _constants(assembly.model, space.build(architecture, seed=1))
        }
        random = constant.shown not in again or not _equal(constant.its, again[constant.shown])
        if not (constant.saved and random):
            return constant, random
    return None


def _message(
    space: ModelSpace, assembly: Assembly, architecture: Architecture, constant: _Constant, random: bool
) -> str:
    head = (
        f"{constant.shown} has other values in the model of {dict(architecture)} built alone than in the "
        "supernet."
    )
    if random:
        return (
            f"{head} It is drawn at random, so two models never have the same: "
            "make it a buffer that is saved (register_buffer)."
        )

    def differs(one: Architecture) -> bool:
        found = _unlike(space, assembly, one)
        return found is not None and (found[0].shown, found[1]) == (constant.shown, random)

    label = culprit(space, architecture, differs)
    path, _, tensor = (constant.name or "").rpartition(".")
    lines = cause(space, path, label, tensor) if constant.name else cause(space, None, label)
    return (
        f"{head}{unfollowed(label)}{lines} It is computed from a choice: keep the choice in an attribute, "
        "and compute it in forward; or use a multi-trial strategy."
    )


def _constants(model: nn.Module, alone: nn.Module) -> Iterator[_Constant]:
    """Yield the tensors in use that no training changes."""
    theirs = dict(alone.named_modules(remove_duplicate=False))
    seen: set[int] = set()
    for path, module in modules_in_use(model):
        other = theirs.get(path)
        if other is None:
            continue
        known = behaviour_of(type(other)) is not None  # the buffers of known layers follow the choices
        for name, tensor in (*other._buffers.items(), *other._parameters.items()):
            frozen = name in other._parameters
            if (
                tensor is None
                or tensor.requires_grad
                or (known and not frozen)
                or (isinstance(module, Elastic) and name not in module.shapes())
            ):
                continue
            mine = module.part(name) if isinstance(module, Elastic) else getattr(module, name)
            saved = name not in other._non_persistent_buffers_set
            full = f"{path}.{name}".strip(".")
            shown = f"The frozen parameter '{full}'" if frozen else f"The buffer '{full}'"
            yield _Constant(
                shown if saved else f"{shown}, which is in no state_dict,", full, saved, mine, tensor
            )
        for _, name, mine, its in () if known else attribute_pairs(module, other, seen):
            shown = f"The tensor in '{name}' of {named(path, other)}"
            for own, tensor in zip(_tensors_in(mine), _tensors_in(its), strict=False):
                yield _Constant(shown, None, False, own, tensor)


def _tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in a value, without parameters, which belong to a module."""
    if isinstance(value, Tensor):
        if not isinstance(value, nn.Parameter):
            yield value
    elif isinstance(value, dict):
        yield from _tensors_in(list(value.values()))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, tuple | list):
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _tensors_in(item)
    elif isinstance(value, partial | FunctionType | MethodType):
        yield from _tensors_in([one for one in captured(value) if not isinstance(one, FunctionType)])


def _equal(mine: Tensor, its: Tensor) -> bool:
    if mine.is_meta or its.is_meta:
        return True
    mine, its = mine.detach().to(its), its.detach()
    return mine.shape == its.shape and bool(((mine == its) | (mine.isnan() & its.isnan())).all())
