"""What else than its tensors a module computes with: its class and its attributes, which must be those of the
model built alone.
"""

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

from retia.supernet.assembly import where
from retia.supernet.elastic import Elastic, behaviour_of
from retia.supernet.slots import DEPTH, attributes_of, captured, members_of, objects_in
from retia.supernet.usage import modules_in_use, switches_in_use

__all__ = ["Difference", "attribute_pairs", "differences", "needed"]

_TORCHS_OWN = frozenset(vars(nn.Module()))
"""The attributes that every module has, for its parameters, children and hooks."""
_PLAIN = (bool, int, float, complex, str, bytes, Enum, torch.dtype, torch.device, type(None))


@dataclass(frozen=True, eq=False)
class Difference:
    """What a module of the supernet has otherwise than in the model built alone.

    Attributes:
        path: The module's name in the model built alone.
        module: The module.
        owner: The module, or the object in one of its attributes, such as a configuration, that has the
            attribute.
        name: The attribute's name, with those of the objects that it is in; "" if the module itself differs.
        shown: What differs, and how, in words.
    """

    path: str
    module: nn.Module
    owner: Any
    name: str
    shown: str

    @property
    def attribute(self) -> str:
        """The attribute's name in its owner."""
        return self.name.rpartition(".")[2]


def differences(model: nn.Module, alone: nn.Module) -> Iterator[Difference]:
    """Yield in what the modules that the present architecture uses differ from those of its model built
    alone.
    """
    theirs = dict(alone.named_modules(remove_duplicate=False))
    used = dict(modules_in_use(model))
    seen: set[int] = set()
    for path, module in used.items():
        other = theirs.get(path)
        if other is None:
            yield Difference(
                path, module, module, "", f"{where(path)} is a {_kind(module)[1]} in the supernet, but absent"
            )
        elif _kind(module) != _kind(other):
            what = f"{where(path)} is a {_kind(module)[1]} in the supernet, but a {_kind(other)[1]}"
            yield Difference(path, module, module, "", what)
        else:
            yield from _unlike_attributes(path, module, other, seen)
    switches = {path for path, _ in switches_in_use(model)}
    for path, other in theirs.items():
        # A list of modules computes nothing: a switch may hold its modules without one.
        if path not in used and path not in switches and not isinstance(other, nn.ModuleList | nn.ModuleDict):
            yield Difference(
                path, other, other, "", f"{where(path)} is absent in the supernet, but a {_kind(other)[1]}"
            )


def _unlike_attributes(
    path: str, module: nn.Module, other: nn.Module, seen: set[int]
) -> Iterator[Difference]:
    known = behaviour_of(type(other)) is not None
    for owner, name, mine, its in attribute_pairs(module, other, seen):
        # What a layer that we know keeps for itself, its elastic version may keep otherwise.
        if not (known and name.startswith("_")) and not _alike(mine, its):
            what = (
                f"{where(path)} ({_kind(other)[1]}) has {name} = {_brief(mine)} in the supernet, "
                f"but {_brief(its)}"
            )
            yield Difference(path, module, owner, name, what)


def needed(found: Sequence[Difference], run: Callable[[], None]) -> list[Difference]:
    """Return the differences that matter to a call: whose attributes it reads, or whose modules it runs.

    Args:
        found: The differences.
        run: A function without arguments that calls both models.
    """
    with _watched(
        {id(difference.owner): difference.owner for difference in found if difference.attribute}.values()
    ) as reads:
        ran: set[int] = set()
        hooks = [
            d.module.register_forward_pre_hook(lambda module, _: ran.add(id(module)))
            for d in found
            if not d.attribute
        ]
        try:
            run()
        finally:
            for hook in hooks:
                hook.remove()
    return [
        d
        for d in found
        if (reads & {(id(d.owner), d.attribute), (id(d.owner), "")} if d.attribute else id(d.module) in ran)
    ]


@contextmanager
def _watched(owners: Iterable[Any]) -> Generator[set[tuple[int, str]]]:
    """Note inside which attributes of some objects are read, by the object's id and the attribute's name."""
    reads: set[tuple[int, str]] = set()

    def read(self: Any, name: str) -> Any:
        reads.add((id(self), name))
        return super(type(self), self).__getattribute__(
            name
        )  # its class is, while it is watched, the one made below

    kinds: list[tuple[Any, type]] = []
    for owner in owners:
        kind = type(owner)
        try:
            watcher = type(
                kind.__name__,
                (kind,),
                {"__getattribute__": read, "__module__": kind.__module__, "__slots__": ()},
            )
            object.__setattr__(owner, "__class__", watcher)
        except TypeError:  # it lets no one watch
            reads.add((id(owner), ""))
        else:
            kinds.append((owner, kind))
    try:
        yield reads
    finally:
        for owner, kind in kinds:
            object.__setattr__(owner, "__class__", kind)


def attribute_pairs(
    mine: Any, its: Any, seen: set[int], within: str = ""
) -> Iterator[tuple[Any, str, Any, Any]]:
    """Yield the attributes that two objects and the objects in them have: whose, its name, and both
    values.
    """
    ours = {**members_of(_class_of(mine)), **attributes_of(mine)}
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
        return (
            f"{value.__qualname__} that holds {_held(value)}"
            if "<locals>" in value.__qualname__
            else value.__name__
        )
    return getattr(value, "__name__", repr(value))


def _kind(value: Any) -> tuple[str, str]:
    """Return the name of an object's class; of an elastic layer's, the layer's."""
    kind = _class_of(value)
    return kind.__module__, kind.__qualname__


def _class_of(value: Any) -> type:
    return type(value).__bases__[1] if isinstance(value, Elastic) else type(value)


def _alike(a: Any, b: Any) -> bool:
    """Whether two values are equal as far as one can tell; where they have nothing to compare, whether they
    are of one class.
    """
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
        case partial(), partial():  # pyright: ignore[reportMissingTypeArgument]  # a pattern takes none
            return _alike((a.func, a.args, a.keywords), (b.func, b.args, b.keywords))  # pyright: ignore[reportUnknownMemberType]
        case MethodType(), MethodType():
            return _alike(a.__func__, b.__func__)
        case FunctionType(), FunctionType():
            return (
                a.__qualname__ == b.__qualname__
                and a.__module__ == b.__module__
                and _alike(_held(a), _held(b))
            )
        case type(), type():
            return (a.__module__, a.__qualname__) == (b.__module__, b.__qualname__)
        case _:
            return _kind(a) == _kind(b) and (bool(attributes_of(a)) or _equal(a, b))


def _equal(a: Any, b: Any) -> bool:
    """Whether two objects are equal, if they can be compared: ranges, arrays."""
    if type(a).__eq__ is object.__eq__:
        return True
    try:
        same = a == b
        return bool(same.all() if hasattr(same, "all") else same)
    except Exception:  # noqa: BLE001  # whatever a user's class raises
        return True


def _both_nan(a: Any, b: Any) -> bool:
    return isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b)


def _held(function: FunctionType) -> list[Any]:
    """Return what a function has captured; functions aside, one of which may be itself."""
    return [value for value in captured(function) if not isinstance(value, FunctionType)]
