"""Comparison of what modules compute with besides tensors: their classes and attributes."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from retia.errors import SupernetError
from retia.space import Architecture
from retia.supernet.assembly import where
from retia.supernet.check.reads import recorded_reads
from retia.supernet.check.subject import REMEDY, Subject
from retia.supernet.elastic import behaviour_of, layer_class
from retia.supernet.slots import DEPTH, attributes_of, captured, members_of, objects_in
from retia.supernet.usage import modules_in_use, switches_in_use

__all__ = ["attribute_pairs", "compare_attributes"]

_TORCHS_OWN = frozenset(vars(nn.Module()))
"""The attributes of every module: its parameters, children and hooks."""
_PLAIN = (bool, int, float, complex, str, bytes, Enum, torch.dtype, torch.device, type(None))


@dataclass(frozen=True, eq=False)
class _Difference:
    """A difference between a module of the supernet and that of the model built alone.

    Attributes:
        path: The module's name in the model built alone.
        module: The module.
        owner: Object that has the attribute: the module, or an object in it such as a configuration.
        name: Dotted name of the attribute in the module; "" if the module itself differs.
        shown: Description of the difference.
    """

    path: str
    module: nn.Module
    owner: Any
    name: str
    shown: str

    @property
    def place(self) -> tuple[str, str]:
        """The module's and the attribute's name."""
        return self.path, self.name

    @property
    def attribute(self) -> str:
        """The attribute's name in its owner."""
        return self.name.rpartition(".")[2]


def compare_attributes(subject: Subject, architecture: Architecture, alone: nn.Module) -> None:
    """Compare classes and attributes with those of a model built alone, as far as a call needs them.

    Without an example, all of them are compared.

    Raises:
        SupernetError: If one differs.
    """

    def run_both() -> None:
        for model in (subject.model, alone):
            for training in (False, True):
                subject.run(model, training=training)

    found = _found(subject, architecture, alone)
    if subject.example is None:
        hint = (
            " If forward does not need it, give Supernet(..., example=...): then the check runs it and sees."
        )
    else:
        hint = ""
        found = found and _needed(found, run_both)
    if found:
        place = found[0].place
        blame = subject.blame(
            architecture,
            lambda one, model: place in {difference.place for difference in _found(subject, one, model)},
            place[0],
        )
        msg = f"{found[0].shown} in the model of {dict(architecture)} built alone.{blame} {REMEDY}{hint}"
        raise SupernetError(msg)


def _found(subject: Subject, architecture: Architecture, alone: nn.Module) -> list[_Difference]:
    """Return the differences, without those between two models of the architecture, such as a counter."""
    subject.activate(architecture)
    found = list(_differences(subject.model, alone))
    if not found:
        return found
    varying = {difference.place for difference in _differences(subject.build(architecture), alone)}
    return [difference for difference in found if difference.place not in varying]


def _differences(model: nn.Module, alone: nn.Module) -> Iterator[_Difference]:
    """Yield the differences between the modules in use and those of the model built alone."""
    theirs = dict(alone.named_modules(remove_duplicate=False))
    used = dict(modules_in_use(model))
    seen: set[int] = set()
    for path, module in used.items():
        other = theirs.get(path)
        if other is not None and _kind(module) == _kind(other):
            yield from _unlike_attributes(path, module, other, seen)
        else:
            it = "absent" if other is None else f"a {_kind(other)[1]}"
            shown = f"{where(path)} is a {_kind(module)[1]} in the supernet, but {it}"
            yield _Difference(path, module, module, "", shown)
    switches = {path for path, _ in switches_in_use(model)}
    for path, other in theirs.items():
        # A list of modules computes nothing, and a switch may hold its modules without one.
        if path not in used and path not in switches and not isinstance(other, nn.ModuleList | nn.ModuleDict):
            shown = f"{where(path)} is absent in the supernet, but a {_kind(other)[1]}"
            yield _Difference(path, other, other, "", shown)


def _unlike_attributes(
    path: str, module: nn.Module, other: nn.Module, seen: set[int]
) -> Iterator[_Difference]:
    known = behaviour_of(type(other)) is not None
    for owner, name, mine, its in attribute_pairs(module, other, seen):
        # The elastic version of a known layer may keep the layer's private attributes in another form.
        if not (known and name.startswith("_")) and not _alike(mine, its):
            head = f"{where(path)} ({_kind(other)[1]}) has {name} = {_brief(mine)} in the supernet"
            yield _Difference(path, module, owner, name, f"{head}, but {_brief(its)}")


def _needed(found: Sequence[_Difference], run: Callable[[], None]) -> list[_Difference]:
    """Return the differences that matter to a run: attributes that it reads, and modules that it calls."""
    called: set[int] = set()
    modules = {difference.module for difference in found if not difference.attribute}
    hooks = [module.register_forward_pre_hook(lambda module, _: called.add(id(module))) for module in modules]
    owners = {id(difference.owner): difference.owner for difference in found if difference.attribute}
    with recorded_reads(owners.values()) as reads:
        try:
            run()
        finally:
            for hook in hooks:
                hook.remove()
    return [
        one
        for one in found
        if (
            reads & {(id(one.owner), one.attribute), (id(one.owner), "")}
            if one.attribute
            else id(one.module) in called
        )
    ]


def attribute_pairs(
    mine: Any, its: Any, seen: set[int], within: str = ""
) -> Iterator[tuple[Any, str, Any, Any]]:
    """Yield owner, name and both values of the attributes that two objects, and objects in them, share."""
    ours = {**members_of(layer_class(mine)), **attributes_of(mine)}
    for name, value in {**members_of(type(its)), **attributes_of(its)}.items():
        if (name in _TORCHS_OWN and isinstance(its, nn.Module)) or name not in ours:
            continue
        own = ours[name]
        yield mine, within + name, own, value
        if within.count(".") < DEPTH:
            for part, other in zip(objects_in(own), objects_in(value), strict=False):
                if part is not other and _kind(part) == _kind(other) and id(part) not in seen:
                    seen.add(id(part))
                    yield from attribute_pairs(part, other, seen, f"{within}{name}.")


def _brief(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a {type(value).__name__} of the shape {tuple(value.shape)}"
    if isinstance(value, FunctionType):
        local = "<locals>" in value.__qualname__
        return f"{value.__qualname__} that holds {_held(value)}" if local else value.__name__
    return getattr(value, "__name__", repr(value))


def _kind(value: Any) -> tuple[str, str]:
    """Return module and name of an object's class; those of the layer for an elastic layer."""
    kind = layer_class(value)
    return kind.__module__, kind.__qualname__


def _alike(a: Any, b: Any) -> bool:
    """Return whether two values are equal, or of the same class if they can't be compared."""
    if a is b:
        return True
    if isinstance(a, _PLAIN) or isinstance(b, _PLAIN):
        return isinstance(a, _PLAIN) and isinstance(b, _PLAIN) and (a == b or _both_nan(a, b))
    match a, b:
        case Mapping(), Mapping():
            return a.keys() == b.keys() and all(_alike(a[key], b[key]) for key in a)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        case (tuple() | list(), tuple() | list()):
            return len(a) == len(b) and all(map(_alike, a, b))  # pyright: ignore[reportUnknownArgumentType]
        case (set() | frozenset(), set() | frozenset()):
            return a == b
        case Tensor(), Tensor():
            return a.shape == b.shape
        case partial(), partial():  # pyright: ignore[reportMissingTypeArgument]  # patterns take no arguments
            return _alike((a.func, a.args, a.keywords), (b.func, b.args, b.keywords))  # pyright: ignore[reportUnknownMemberType]
        case MethodType(), MethodType():
            return _alike(a.__func__, b.__func__)
        case FunctionType(), FunctionType():
            same = (a.__module__, a.__qualname__) == (b.__module__, b.__qualname__)
            return same and _alike(_held(a), _held(b))
        case type(), type():
            return (a.__module__, a.__qualname__) == (b.__module__, b.__qualname__)
        case _:
            return _kind(a) == _kind(b) and (bool(attributes_of(a)) or _equal(a, b))


def _equal(a: Any, b: Any) -> bool:
    """Return whether two objects are equal, such as ranges or arrays; True if they can't be compared."""
    if type(a).__eq__ is object.__eq__:
        return True
    try:
        return bool(np.all(a == b))
    except Exception:  # noqa: BLE001  # a user's class may raise anything
        return True


def _both_nan(a: Any, b: Any) -> bool:
    return isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b)


def _held(function: FunctionType) -> list[Any]:
    """Return the values that a function has captured, without functions, one of which may be itself."""
    return [value for value in captured(function) if not isinstance(value, FunctionType)]
