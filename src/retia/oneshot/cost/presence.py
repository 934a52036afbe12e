"""Presence of a supernet's modules, and sizes of their tensors, as tables of parameter values."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import product
from typing import Any

import torch
from torch import nn

from retia.cost import meta_copy
from retia.nn import Switch
from retia.oneshot.cost.table import CostTable, TableSum, check_tabled, constant, of_expression, product_of
from retia.space import Call, Expression, Value
from retia.supernet import Elastic, Supernet

__all__ = ["Layout", "Part", "expected_params"]


@dataclass(frozen=True, eq=False)
class Part:
    """A module of a supernet, apart from switches.

    Attributes:
        module: Module of the supernet's copy.
        presence: Table of 1 where an architecture uses the module, else 0. A module in several places is
            present if one of the places is.
        sizes: Number of entries of each of its own parameters while it is present, by name.
    """

    module: nn.Module
    presence: CostTable
    sizes: Mapping[str, CostTable]


class Layout:
    """The modules of a supernet, described by tables of parameter values.

    It examines a copy on the meta device; the supernet does not change.

    Args:
        supernet: Supernet to examine.

    Attributes:
        twin: Copy of the supernet, on the meta device.
        domains: Domains of the parameters, by label.
        parts: Modules in all places of the supernet, apart from switches.

    Raises:
        SupernetError: If a presence or a size depends on parameters with too many combinations of values.
    """

    def __init__(self, supernet: Supernet) -> None:
        self.twin = meta_copy(supernet).eval()
        self.domains = {label: parameter.domain for label, parameter in supernet.space.parameters.items()}
        self._values: dict[str, list[Value]] = {}
        self._own_labels: dict[int, frozenset[str]] = {}
        self._terms: dict[int, Any] = {}
        self._filled: Mapping[str, Value] = {}
        self._presences: dict[tuple[tuple[str, ...], bytes], CostTable] = {}
        for slot in self.twin.slots.all:
            self._own_labels[id(slot.owner)] = self._own_labels.get(id(slot.owner), frozenset()) | slot.labels
            if slot.name == "elastic_sizes":
                self._terms[id(slot.owner)] = slot.term
        places: dict[int, tuple[nn.Module, list[CostTable]]] = {}
        for module, presence in self._places(self.twin.model, constant(1)):
            places.setdefault(id(module), (module, []))[1].append(presence)
        self.parts = [
            Part(module, self._interned(_any_of(presences)), self._sizes(module))
            for module, presences in places.values()
        ]

    def values(self, label: str) -> list[Value]:
        """Return the values of a parameter in the order of its domain."""
        if label not in self._values:
            self._values[label] = list(self.domains[label].enumerate())
        return self._values[label]

    def positions(self, values: Mapping[str, Value]) -> dict[str, int]:
        """Return the positions of values in their domains, by label, without real intervals."""
        finite = (
            (label, value) for label, value in values.items() if not math.isinf(self.domains[label].size)
        )
        return {label: self.values(label).index(value) for label, value in finite}

    def fill(self, values: Mapping[str, Value]) -> None:
        """Activate values in the copy, for all parameters, active or not."""
        self._filled = values
        self.twin.slots.fill(values)

    def state(self, module: nn.Module) -> tuple[Value, ...]:
        """Return the active values on which a module of the copy, with its submodules, depends."""
        return tuple(self._filled[label] for label in self._labels_inside[id(module)])

    @cached_property
    def _labels_inside(self) -> dict[int, tuple[str, ...]]:
        """Labels on which each module depends with its submodules, by the module's id.

        An object that is not a module may be used by any module, so its labels belong to all of them.
        """
        modules = list(self.twin.model.modules())
        anywhere = frozenset[str]().union(
            *(slot.labels for slot in self.twin.slots.all if not isinstance(slot.owner, nn.Module))
        )
        inside = {
            id(module): self._own_labels.get(id(module), frozenset[str]()) | anywhere for module in modules
        }
        for module in reversed(modules):  # submodules come after their module
            inside[id(module)] = inside[id(module)].union(*(inside[id(child)] for child in module.children()))
        return {module: tuple(sorted(labels)) for module, labels in inside.items()}

    def _places(self, module: nn.Module, presence: CostTable) -> Iterator[tuple[nn.Module, CostTable]]:
        """Yield the modules at all places, apart from switches, each with the table of its presence."""
        if isinstance(module, Switch):
            rows = self._look(module, lambda: {id(child): child for _, child in module.present()})
            children = {key: child for _, row in rows for key, child in row.items()}
            for key, child in children.items():
                yield from self._places(
                    child, presence * self._table(module, [float(key in row) for _, row in rows])
                )
            return
        yield module, presence
        for child in module._modules.values():
            if child is not None:
                yield from self._places(child, presence)

    def _sizes(self, module: nn.Module) -> dict[str, CostTable]:
        """Return the number of entries of a module's own parameters, by name."""
        own = {name: tensor for name, tensor in module._parameters.items() if tensor is not None}
        if not isinstance(module, Elastic):
            return {name: constant(tensor.numel()) for name, tensor in own.items()}
        if type(module).shapes is Elastic.shapes:
            term = self._terms.get(id(module), module.elastic_sizes)
            return {name: self._entries(shape) for name, shape in term.items() if name in module._parameters}
        # `shapes` is overridden, so it is evaluated for every combination of the values of its attributes.
        rows = self._look(module, lambda: {name: math.prod(shape) for name, shape in module.shapes().items()})
        names = dict.fromkeys(name for _, row in rows for name in row if name in module._parameters)
        return {name: self._table(module, [float(row.get(name, 0)) for _, row in rows]) for name in names}

    def _entries(self, shape: Any) -> CostTable:
        """Return the number of entries of a tensor, whose shape may be an expression."""
        if isinstance(shape, Expression):
            return of_expression(Call(math.prod, (shape,)), self.domains)
        return product_of(of_expression(size, self.domains) for size in shape)

    def _interned(self, table: CostTable) -> CostTable:
        """Return the first table that is equal to `table`, so that equal tables are identical."""
        return self._presences.setdefault((table.labels, table.entries.numpy().tobytes()), table)

    def _look(
        self, module: nn.Module, see: Callable[[], Mapping[Any, Any]]
    ) -> list[tuple[dict[str, Value], Mapping[Any, Any]]]:
        """Return the results of `see` for each combination of the values on which a module depends.

        Labels are sorted; the values of the last label vary fastest.
        """
        labels = sorted(self._own_labels.get(id(module), ()))
        check_tabled(labels, self.domains)
        rows: list[tuple[dict[str, Value], Mapping[Any, Any]]] = []
        for row in product(*(self.domains[label].enumerate() for label in labels)):
            values: dict[str, Value] = dict(zip(labels, row, strict=True))
            self.twin.slots.fill(values)
            rows.append((values, see()))
        return rows

    def _table(self, module: nn.Module, numbers: list[float]) -> CostTable:
        """Return the table of numbers in the order of `_look`."""
        labels = tuple(sorted(self._own_labels.get(id(module), ())))
        return CostTable(
            labels,
            torch.tensor(numbers, dtype=torch.float64).view(
                [int(self.domains[label].size) for label in labels]
            ),
        )


def expected_params(layout: Layout) -> TableSum:
    """Return the number of parameters as a sum of tables: presence * size of each tensor.

    A tensor that several modules share counts once: at the first of them that is present.
    """
    holders: dict[Any, list[tuple[CostTable, CostTable]]] = {}
    for part in layout.parts:
        for name, size in part.sizes.items():
            tensor = part.module._parameters[name]
            holders.setdefault((id(part.module), name) if tensor is None else id(tensor), []).append(
                (part.presence, size)
            )
    tables: list[CostTable] = []
    for holding in holders.values():
        absent = constant(1)  # 1 where all previous holders are absent
        for i, (presence, size) in enumerate(holding):
            tables.append(absent * presence * size)
            if i + 1 < len(holding):
                absent = absent * presence.complement()
    return TableSum.of(tables, layout.domains)


def _any_of(presences: list[CostTable]) -> CostTable:
    """Return 1 - (1 - p_1) (1 - p_2) ...: the table of whether at least one place is present."""
    if len(presences) == 1:
        return presences[0]
    if any(not presence.labels for presence in presences):
        return constant(1)
    return reduce(
        lambda one, other: one * other, (presence.complement() for presence in presences)
    ).complement()
