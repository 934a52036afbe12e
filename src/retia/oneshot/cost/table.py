"""Tables of costs for combinations of parameter values, and their expectations."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from retia.errors import SupernetError
from retia.space import Domain, Expression, Value, labels_of, values_of

__all__ = ["CostTable", "TableSum", "check_tabled", "constant", "of_expression", "product_of"]

ENTRIES = 100_000
"""Largest number of entries of a table; the limit for expressions of a search space is the same."""


@dataclass(frozen=True, eq=False)
class CostTable:
    """A number for each combination of the values of a few parameters.

    Attributes:
        labels: Labels of the parameters, sorted.
        entries: Numbers, shape (K_1, K_2, ...), one dimension a label, in the order of its domain. They are
            float64, so that counts are exact.
    """

    labels: tuple[str, ...]
    entries: Tensor

    def __add__(self, other: "CostTable") -> "CostTable":
        """Return the sum of two tables, over the labels of both."""
        return _combined(torch.add, self, other)

    def __mul__(self, other: "CostTable") -> "CostTable":
        """Return the product of two tables, over the labels of both."""
        return _combined(torch.mul, self, other)

    def complement(self) -> "CostTable":
        """Return 1 - table: for an indicator, its negation."""
        return CostTable(self.labels, 1 - self.entries)

    def at(self, positions: Mapping[str, int]) -> float:
        """Return the entry at positions of values in their domains, by label."""
        return float(self._array[tuple(positions[label] for label in self.labels)])

    def expected(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        """Return E = sum over i, j, ... of entries[i, j, ...] * p_1[i] * p_2[j] * ...

        Args:
            probabilities: Probabilities p_k of the values of each label, shape (K,). E has gradients to them.
        """
        entries = self.entries.to(probabilities[self.labels[0]].device) if self.labels else self.entries
        for label in self.labels:
            entries = torch.tensordot(probabilities[label], entries, dims=1)
        return entries

    @cached_property
    def _array(self) -> Any:
        return self.entries.numpy()  # faster than a tensor for reading one entry


def constant(value: float) -> CostTable:
    """Return a table without labels, whose entry is `value`."""
    return CostTable((), torch.tensor(float(value), dtype=torch.float64))


def check_tabled(labels: Iterable[str], domains: Mapping[str, Domain]) -> None:
    """Reject parameters with too many combinations of values for a table.

    Raises:
        SupernetError: If a domain is infinite, or there are more than 100,000 combinations.
    """
    combinations = 1.0
    for label in sorted(labels):
        if math.isinf(domains[label].size):
            msg = (
                f"it depends on '{label}', a real interval, whose values have no probabilities. "
                "Search space.discretize(points)"
            )
            raise SupernetError(msg)
        combinations *= domains[label].size
    if combinations > ENTRIES:
        msg = (
            f"a part of it depends on {sorted(labels)}, which have {combinations:,.0f} combinations of "
            f"values, more than {ENTRIES:,}. Give them fewer values"
        )
        raise SupernetError(msg)


def of_expression(
    term: "Expression | float", domains: Mapping[str, Domain], result: Callable[[object], float] | None = None
) -> CostTable:
    """Return the table of an expression or of a constant.

    Args:
        term: Expression of parameters, or a number.
        domains: Domains of the parameters, by label.
        result: Function that turns a value of the expression into an entry. Default: `float`.

    Raises:
        SupernetError: If the parameters have too many combinations of values.
    """
    number: Callable[[object], float] = result or float  # pyright: ignore[reportAssignmentType]  # an expression of sizes
    if not isinstance(term, Expression) or not term.labels:
        return constant(number(term.evaluate({}) if isinstance(term, Expression) else term))
    labels = tuple(sorted(labels_of(term)))
    check_tabled(labels, domains)
    numbers = [
        number(value) for _, value in values_of(term, domains)
    ]  # the last of the sorted labels varies first
    sizes = [int(domains[label].size) for label in labels]
    return CostTable(labels, torch.tensor(numbers, dtype=torch.float64).view(sizes))


def product_of(tables: Iterable[CostTable]) -> CostTable:
    """Return the product of all tables; `constant(1)` for no tables."""
    product = constant(1)
    for table in tables:
        product = product * table
    return product


@dataclass(frozen=True, eq=False)
class TableSum:
    """A cost that is a sum of tables, so its expectation is exact.

    Parameters are independent of each other; a parameter used in several places is one random variable. A
    table includes the indicator that its parameters are active, so inactive parameters do not count.

    Attributes:
        tables: Tables, each with different labels.
        domains: Domains of the parameters, by label.
    """

    tables: Sequence[CostTable]
    domains: Mapping[str, Domain]

    @classmethod
    def of(cls, tables: Iterable[CostTable], domains: Mapping[str, Domain]) -> "TableSum":
        """Return the sum of tables. A table whose labels are part of another's is added to that one."""
        merged: dict[tuple[str, ...], CostTable] = {}
        for table in tables:
            known = merged.get(table.labels)
            merged[table.labels] = table if known is None else known + table
        kept: list[CostTable] = []
        for table in sorted(merged.values(), key=lambda table: -table.entries.numel()):
            wider = next((i for i, other in enumerate(kept) if {*table.labels} <= {*other.labels}), None)
            if wider is None:
                kept.append(table)
            else:
                kept[wider] = kept[wider] + table
        return cls(kept, domains)

    def expected(
        self, probabilities: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the expected cost, a float64 scalar.

        Args:
            probabilities: Probabilities of each parameter's values while it is active, in the order of its
                domain, shape (K,), by label.
            generator: Unused, because the expectation is exact.

        Raises:
            SupernetError: If a parameter of the tables does not have one probability for each value.
        """
        del generator
        exact: dict[str, Tensor] = {}
        for label in self._labels:
            given = probabilities.get(label)
            if given is None or tuple(given.shape) != (int(self.domains[label].size),):
                got = "nothing" if given is None else f"a tensor of the shape {tuple(given.shape)}"
                msg = (
                    f"The cost depends on '{label}' and needs the probabilities of its "
                    f"{self.domains[label].size} values, got {got}. Give one for each, shape (K,)."
                )
                raise SupernetError(msg)
            exact[label] = given.double()
        device = next((tensor.device for tensor in exact.values()), torch.device("cpu"))
        return torch.stack([table.expected(exact).to(device) for table in self.tables]).sum()

    def cost(self, architecture: Mapping[str, Value]) -> float:
        """Return the cost of an architecture."""
        # an inactive parameter counts 0 at every position
        positions = {
            label: index[architecture[label]] if label in architecture else 0
            for label, index in self._positions.items()
        }
        return sum(table.at(positions) for table in self.tables)

    def scaled(self, factor: float) -> "TableSum":
        """Return the cost times `factor`."""
        return TableSum(
            [CostTable(table.labels, factor * table.entries) for table in self.tables], self.domains
        )

    @cached_property
    def _labels(self) -> list[str]:
        return sorted({label for table in self.tables for label in table.labels})

    @cached_property
    def _positions(self) -> dict[str, dict[Value, int]]:
        return {
            label: {value: i for i, value in enumerate(self.domains[label].enumerate())}
            for label in self._labels
        }


def _combined(operation: Callable[[Tensor, Tensor], Tensor], one: CostTable, other: CostTable) -> CostTable:
    """Apply an elementwise operation to two tables, broadcast to the labels of both."""
    if one.labels == other.labels:
        return CostTable(one.labels, operation(one.entries, other.entries))
    labels = tuple(sorted({*one.labels, *other.labels}))
    sizes = {
        label: size
        for table in (one, other)
        for label, size in zip(table.labels, table.entries.shape, strict=True)
    }
    if (combinations := math.prod(sizes.values())) > ENTRIES:
        msg = (
            f"a part of it depends on {list(labels)}, which have {combinations:,} combinations of values, "
            f"more than {ENTRIES:,}. Give them fewer values"
        )
        raise SupernetError(msg)
    return CostTable(
        labels,
        operation(
            *(
                table.entries.view([sizes[label] if label in table.labels else 1 for label in labels])
                for table in (one, other)
            )
        ),
    )
