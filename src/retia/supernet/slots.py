"""Slots: attributes of a model with symbolic values, which an architecture's values replace."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from retia.errors import SupernetError
from retia.space import Value, computable, evaluate, expression_of, labels_of, symbolic

__all__ = ["DEPTH", "Slot", "Slots", "attributes_of", "captured", "find_slots", "members_of", "objects_in"]

_TORCHS_OWN = frozenset(vars(nn.Module())) - {"_forward_hooks", "_forward_pre_hooks"}
"""The attributes of every module for its parameters and children. Hooks may hold choices."""
_INERT = frozenset({int, bool, str, float, type(None), torch.dtype, torch.device})
"""The classes of most attributes, which hold no choice."""
_NOT_PLAIN = (nn.Module, Tensor, type, ModuleType, FunctionType, MethodType, partial, Enum, int, float, str)
DEPTH = 3
"""Depth to which objects in objects are searched."""


@dataclass(frozen=True, eq=False)
class Slot:
    """An attribute of a module, or of a plain object in a module's attribute such as a configuration.

    Attributes:
        owner: The module or object.
        name: Name of the attribute.
        term: Term of its value: an expression, or a tuple, list or dict with expressions.
        path: Path of the module in the model.
    """

    owner: Any
    name: str
    term: Any
    path: str

    @property
    def labels(self) -> frozenset[str]:
        """The parameters that the value depends on."""
        return labels_of(self.term)


class Slots:
    """The slots of a model, grouped by their terms, so that each term is evaluated once."""

    def __init__(self, slots: list[Slot]) -> None:
        self.all = slots
        self._groups: list[tuple[Any, frozenset[str], list[Slot]]] = []
        groups: dict[str, list[list[Slot]]] = {}
        for slot in slots:
            # Equal terms have equal text; terms with equal text may differ.
            alike = groups.setdefault(str(slot.term), [])
            same = next((group for group in alike if group[0].term == slot.term), None)
            if same is None:
                alike.append([slot])
            else:
                same.append(slot)
        for alike in groups.values():
            self._groups += [(group[0].term, group[0].labels, group) for group in alike]

    @property
    def labels(self) -> frozenset[str]:
        """The parameters that some slot depends on."""
        return frozenset[str]().union(*(labels for _, labels, _ in self._groups))

    def fill(self, values: Mapping[str, Value]) -> None:
        """Write the values for an architecture; a slot that needs an inactive parameter keeps its value."""
        for term, labels, slots in self._groups:
            if labels <= values.keys() or computable(term, values):
                value = evaluate(term, values)
                for slot in slots:
                    _set(slot.owner, slot.name, value)


def find_slots(model: nn.Module) -> list[Slot]:
    """Return the slots of all modules of a model.

    Raises:
        SupernetError: If a symbolic value can't be set, because a function or method has captured it, a class
            holds it, or a module that holds it is not registered.
    """
    seen: set[int] = set()
    registered = {id(module) for module in model.modules()}
    kinds: set[type] = set()
    slots: list[Slot] = []
    for path, module in model.named_modules():
        if type(module) not in kinds:
            kinds.add(type(module))
            slots += _slots_of_class(type(module), path, seen)
        _refuse_unregistered(module, path, registered)
        slots += _slots_of(module, path, seen, depth=0)
    return slots


def _set(owner: Any, name: str, value: Any) -> None:
    # This bypasses __setattr__, which searches for parameters and modules, or rejects changes of frozen
    # objects; a slot is neither a parameter nor a module.
    if name in getattr(owner, "__dict__", ()):
        vars(owner)[name] = value
    else:
        object.__setattr__(owner, name, value)


def attributes_of(value: Any) -> Mapping[str, Any]:
    """Return the attributes of an object, without those of its class; `__slots__` are included."""
    names = [name for kind in type(value).__mro__ for name in _names_of_slots(kind) if name != "__dict__"]
    own = getattr(value, "__dict__", {})
    return {**{name: getattr(value, name) for name in names if hasattr(value, name)}, **own} if names else own


def members_of(kind: type) -> dict[str, Any]:
    """Return the methods and attributes of a class that was defined in a function, and may capture variables.

    `__init__` is left out, for it runs where the choices are made.
    """
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if "<locals>" in base.__qualname__:
            for name, member in vars(base).items():
                function = (
                    member.fget if isinstance(member, property) else getattr(member, "__func__", member)
                )
                if name != "__init__" and (not name.startswith("__") or isinstance(function, FunctionType)):
                    found[name] = function
    return found


def objects_in(value: Any) -> Iterator[Any]:
    """Yield the objects with attributes in a value that are not modules, tensors or functions.

    They are the value itself, items of tuples, lists and dicts, and objects that functions have captured.
    """
    for item in _items(value):
        if isinstance(item, FunctionType | partial | MethodType):
            yield from objects_in(list(_captured_along(item)))
        elif (hasattr(item, "__dict__") or _names_of_slots(type(item))) and not isinstance(item, _NOT_PLAIN):
            yield item


def captured(function: Any) -> list[Any]:
    """Return the values in a function's closure and defaults, or the arguments of a partial function."""
    if isinstance(function, partial):
        return [*function.args, *function.keywords.values()]
    code = getattr(function, "__func__", function)
    cells = [cell.cell_contents for cell in code.__closure__ or () if cell != type(cell)()]
    return [*cells, *(code.__defaults__ or ()), *(code.__kwdefaults__ or {}).values()]


def _captured_along(function: Any) -> Iterator[Any]:
    """Yield the values, other than functions, that a function and the functions it captured have captured."""
    waiting, seen = [function], {id(function)}
    while waiting:
        for value in captured(waiting.pop()):
            if not isinstance(value, FunctionType | partial | MethodType):
                yield value
            elif id(value) not in seen:
                seen.add(id(value))
                waiting.append(value)


def _items(value: Any) -> Iterator[Any]:
    """Yield a value, or the items of a tuple, list or dict."""
    if isinstance(value, tuple | list | dict):
        for item in value.values() if isinstance(value, dict) else value:  # pyright: ignore[reportUnknownVariableType]
            yield from _items(item)
    else:
        yield value


def _names_of_slots(kind: type) -> tuple[str, ...]:
    names = vars(kind).get("__slots__", ())
    return (names,) if isinstance(names, str) else tuple(names)


def _inert(value: Any) -> bool:
    kind = type(value)
    return (
        kind in _INERT
        or (kind in (tuple, list) and all(type(item) in _INERT for item in value))
        or (isinstance(value, dict) and not value)
    )


def _slots_of(owner: Any, path: str, seen: set[int], depth: int) -> Iterator[Slot]:
    module = isinstance(owner, nn.Module)
    for name, value in attributes_of(owner).items():
        if _inert(value) or (module and name in _TORCHS_OWN):
            continue
        if symbolic(value):
            yield Slot(owner, name, expression_of(value), path)
        for item in _items(value):
            if isinstance(item, FunctionType | partial | MethodType):
                _refuse_captured(item, f"{path}.{name}".lstrip("."))
        if depth < DEPTH:
            for part in objects_in(value):
                if id(part) not in seen:
                    seen.add(id(part))
                    yield from _slots_of(part, path, seen, depth + 1)


def _slots_of_class(kind: type, path: str, seen: set[int]) -> Iterator[Slot]:
    for name, member in members_of(kind).items():
        where = f"{path}.{name}".lstrip(".")
        if symbolic(member):
            msg = (
                f"The class {kind.__name__} holds the choice of {sorted(labels_of(expression_of(member)))} "
                f"in '{where}', which all its modules share. "
                f"Keep the value in an attribute of the module (self.{name} = ...), "
                "and read it there in forward; or use a multi-trial strategy."
            )
            raise SupernetError(msg)
        if isinstance(member, FunctionType | partial | MethodType):
            _refuse_captured(member, where)
            for part in objects_in(member):
                if id(part) not in seen:
                    seen.add(id(part))
                    yield from _slots_of(part, path, seen, 1)


def _refuse_unregistered(module: nn.Module, path: str, registered: set[int]) -> None:
    """Reject a module with choices in a plain list or dict, where PyTorch does not find it."""
    for name, value in attributes_of(module).items():
        if not isinstance(value, tuple | list | dict) or name in _TORCHS_OWN:
            continue
        for item in _items(value):
            if not isinstance(item, nn.Module) or id(item) in registered:
                continue
            attributes = [list(attributes_of(one).values()) for one in item.modules()]
            if labels := sorted(labels_of(expression_of(attributes))):
                msg = (
                    f"'{f'{path}.{name}'.lstrip('.')}' holds a {type(item).__name__} with the "
                    f"choice of {labels} in a plain {type(value).__name__}, "
                    "where neither PyTorch nor a supernet finds it. Use nn.ModuleList or nn.ModuleDict."
                )
                raise SupernetError(msg)


def _refuse_captured(function: Any, where: str) -> None:
    for value in _captured_along(function):
        if symbolic(value):
            msg = (
                f"'{where}' is a function that has captured the choice of "
                f"{sorted(labels_of(expression_of(value)))}, where a supernet can't set it. "
                "Keep the value in an attribute of the module, and read it there in forward; "
                "or use a multi-trial strategy."
            )
            raise SupernetError(msg)
