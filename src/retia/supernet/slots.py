"""Slots: the attributes of a model that hold symbolic values, and that an architecture fills."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

from torch import Tensor, nn

from retia.errors import SupernetError
from retia.space import Value, evaluate, expression_of, labels_of, symbolic

__all__ = ["Slot", "Slots", "find_slots"]

_TORCHS_OWN = frozenset(vars(nn.Module()))
"""The attributes that every module has, for its parameters, children and hooks."""


@dataclass(frozen=True, eq=False)
class Slot:
    """An attribute of a module, or of a plain object in a module's attribute such as a configuration.

    Attributes:
        owner: The module or object.
        name: The attribute.
        term: What its value is computed from: an expression, or a tuple, list or dict of some.
        path: The module's path in the model.
    """

    owner: Any
    name: str
    term: Any
    path: str

    @property
    def labels(self) -> frozenset[str]:
        """The parameters that it depends on."""
        return labels_of(self.term)


class Slots:
    """The slots of a model, grouped by what they are computed from: each term is evaluated once."""

    def __init__(self, slots: list[Slot]) -> None:
        self.all = slots
        self._groups: list[tuple[Any, frozenset[str], list[Slot]]] = []
        groups: dict[str, list[list[Slot]]] = {}
        for slot in slots:
            # Terms that are equal print alike; those that print alike need not be equal.
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
        """Write into each slot what it is for an architecture; one that needs a parameter which is not active stays as it is."""
        for term, labels, slots in self._groups:
            if labels <= values.keys():
                value = evaluate(term, values)
                for slot in slots:
                    # Past __setattr__, which looks for parameters and modules: a slot is neither.
                    vars(slot.owner)[slot.name] = value


def find_slots(model: nn.Module) -> list[Slot]:
    """Return the slots of all modules of a model.

    Raises:
        SupernetError: If a symbolic value is captured by a function in an attribute, where it can't be set.
    """
    seen: set[int] = set()
    return [slot for path, module in model.named_modules() for slot in _slots_of(module, path, seen, depth=0)]


def _slots_of(owner: Any, path: str, seen: set[int], depth: int) -> Iterator[Slot]:
    for name, value in vars(owner).items():
        if name in _TORCHS_OWN and isinstance(owner, nn.Module):
            continue
        if symbolic(value):
            yield Slot(owner, name, expression_of(value), path)
        elif isinstance(value, FunctionType | partial | MethodType):
            _refuse_captured(value, f"{path}.{name}".lstrip("."))
        elif depth < 3 and _plain_object(value) and id(value) not in seen:
            seen.add(id(value))
            yield from _slots_of(value, path, seen, depth + 1)


def _plain_object(value: Any) -> bool:
    return hasattr(value, "__dict__") and not isinstance(value, nn.Module | Tensor | type | ModuleType)


def _refuse_captured(function: Any, where: str) -> None:
    if isinstance(function, partial):
        held = [*function.args, *function.keywords.values()]
    else:
        code = getattr(function, "__func__", function)
        cells = [cell.cell_contents for cell in code.__closure__ or () if cell != type(cell)()]
        held = [*cells, *(code.__defaults__ or ()), *(code.__kwdefaults__ or {}).values()]
    for value in held:
        if symbolic(value):
            msg = (
                f"'{where}' is a function that has captured the choice of {sorted(labels_of(expression_of(value)))}, where a supernet can't set it. "
                f"Keep the value in an attribute of the module, and read it there in forward; or use a multi-trial strategy."
            )
            raise SupernetError(msg)
