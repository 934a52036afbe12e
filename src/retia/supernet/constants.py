"""Tensors that no training changes: what they hold must follow the choices as their shapes do."""

from collections.abc import Iterator
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from torch import Tensor, nn

from retia.errors import SupernetError
from retia.nn import ModelSpace
from retia.space import Architecture
from retia.supernet.assembly import Assembly, named
from retia.supernet.elastic import Elastic, behaviour_of
from retia.supernet.forgetting import cause
from retia.supernet.likeness import attribute_pairs
from retia.supernet.slots import captured
from retia.supernet.trying import culprit, extremes, follows
from retia.supernet.usage import modules_in_use

__all__ = ["check_constants", "has_constants"]


def has_constants(model: nn.Module, alone: nn.Module) -> bool:
    """Whether the model of the architecture that is activated has tensors that no training changes."""
    return any(True for _ in _pairs(model, alone))


def check_constants(space: ModelSpace, assembly: Assembly) -> None:
    """Compare the values of buffers, frozen parameters and plain tensors with those of models built alone,
    for the extremes.

    Of those that a `state_dict` holds, ones that the constructor draws at random are left out: a subnet is
    given the supernet's.

    Raises:
        SupernetError: If one differs.
    """
    for architecture in extremes(space):
        found = _unlike(space, assembly, architecture)
        if found is not None:
            raise SupernetError(_message(space, assembly, architecture, *found))


def _unlike(space: ModelSpace, assembly: Assembly, architecture: Architecture) -> tuple[str, bool] | None:
    """Return what differs first for an architecture, in words, and whether it is drawn at random."""
    assembly.slots.fill(architecture.unwrapped)
    again: dict[str, Tensor] = {}
    for what, saved, mine, its in _pairs(assembly.model, space.build(architecture, seed=0)):
        if _equal(mine, its):
            continue
        again = again or {
            name: tensor for name, _, _, tensor in _pairs(assembly.model, space.build(architecture, seed=1))
        }
        random = what not in again or not _equal(its, again[what])
        if not (saved and random):
            return what, random
    return None


def _message(
    space: ModelSpace, assembly: Assembly, architecture: Architecture, what: str, random: bool
) -> str:
    head = f"{what} has other values in the model of {dict(architecture)} built alone than in the supernet."
    if random:
        return (
            f"{head} It is drawn at random, so that no two models have the same: "
            "make it a buffer that is saved (register_buffer)."
        )
    label = culprit(space, architecture, lambda one: _unlike(space, assembly, one) == (what, random))
    where = what.split("'")[1].rpartition(".") if what.startswith(("The buffer", "The frozen")) else None
    lines = cause(space, where[0], label, where[2]) if where else cause(space, None, label)
    return (
        f"{head}{follows(label)}{lines} It is computed from a choice: keep the choice in an attribute, "
        "and compute it in forward; or use a multi-trial strategy."
    )


def _pairs(model: nn.Module, alone: nn.Module) -> Iterator[tuple[str, bool, Tensor, Tensor]]:
    """Yield the tensors that no training changes: what it is in words, whether it is saved, and what the
    supernet and the model alone have.
    """
    theirs = dict(alone.named_modules(remove_duplicate=False))
    seen: set[int] = set()
    for path, module in modules_in_use(model):
        other = theirs.get(path)
        if other is None:
            continue
        known = behaviour_of(type(other)) is not None  # what it makes itself follows the choices
        for name, tensor in (*other._buffers.items(), *other._parameters.items()):
            frozen = name in other._parameters
            if (
                tensor is None
                or tensor.requires_grad
                or (known and not frozen)
                or (isinstance(module, Elastic) and name not in module.shapes())
            ):
                continue
            part = module.part(name) if isinstance(module, Elastic) else getattr(module, name)
            saved = name not in other._non_persistent_buffers_set
            full = f"{path}.{name}".strip(".")
            yield (
                f"The frozen parameter '{full}'"
                if frozen
                else f"The buffer '{full}'{'' if saved else ', which is in no state_dict,'}",
                saved,
                part,
                tensor,
            )
        for _, name, mine, its in () if known else attribute_pairs(module, other, seen):
            for own, tensor in zip(_tensors_in(mine), _tensors_in(its), strict=False):
                yield f"The tensor in '{name}' of {named(path, other)}", False, own, tensor


def _tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in a value; parameters aside, which belong to some module."""
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
