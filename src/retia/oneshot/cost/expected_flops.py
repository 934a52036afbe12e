"""Expected floating-point operations, from the operations of each module in dry runs of a supernet."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import torch
from torch import nn

from retia.cost import Example, flops_by_module
from retia.errors import SupernetError
from retia.oneshot.cost.presence import Layout, Part
from retia.oneshot.cost.table import CostTable, TableSum, check_tabled, constant
from retia.rng import stream
from retia.space import SearchSpace, Value

__all__ = ["expected_flops"]

SAMPLES = 8
"""Number of architectures in which it is tested whether the rate of a module is constant."""
RUNS = 4_000
"""Largest number of dry runs."""


def expected_flops(layout: Layout, space: SearchSpace, example: Example) -> TableSum:
    """Return the floating-point operations for one sample as a sum of tables over the modules m.

        flops = sum over m of presence_m * weight_m * rate_m

    weight_m is the number of entries of the weights, and rate_m the operations for each entry: for a
    convolution, twice the number of output positions. A rate that is equal in all sampled architectures is
    a constant. Otherwise, as after a searchable stride or in attention, each parameter is varied alone to
    find those on which the rate depends, and the rate is measured for all combinations of their values. The
    tables are exact if the samples show every dependence, which the caller checks.

    Args:
        layout: Modules of the supernet.
        space: Search space of the supernet, with its restrictions.
        example: Example inputs of the model.

    Raises:
        SupernetError: If the supernet does not run on the meta device, more than 4,000 dry runs are
            necessary, or a rate depends on parameters with too many combinations of values.
    """
    rng = stream(0, "expected flops")
    with flops_by_module(layout.twin.model, layout.state) as run:
        runs = _Runs(layout, space, example, run)
        points = [runs.point(space.sample(rng)) for _ in range(SAMPLES)]
        points += runs.points_with(
            {id(part.presence): part.presence for part in layout.parts}.values(), points
        )
        computing = {module for point in points for module in runs.flops(point)}
        parts = [part for part in layout.parts if part.module in computing]
        rates = {
            id(part): {runs.rate(part, point) for point in points if point.has(part.presence)}
            for part in parts
        }
        influences = runs.influences([part for part in parts if len(rates[id(part)]) > 1], points)
        tables = [constant(0)]
        for part in parts:
            rate = (
                runs.tabled(part, influences[id(part)], points)
                if id(part) in influences
                else constant(max(rates[id(part)]))
            )
            tables.append(part.presence * runs.weight(part) * rate)
    return TableSum.of(tables, layout.domains)


@dataclass(frozen=True, eq=False)
class _Point:
    """Values of all parameters, active or not, and their positions in the domains."""

    values: Mapping[str, Value]
    positions: Mapping[str, int]
    _present: dict[int, bool] = field(default_factory=dict[int, bool])

    def has(self, presence: CostTable) -> bool:
        """Return whether a module with this table of presence is present."""
        if id(presence) not in self._present:
            self._present[id(presence)] = presence.at(self.positions) == 1
        return self._present[id(presence)]


class _Runs:
    """Cached dry runs of the copy of a supernet."""

    def __init__(
        self,
        layout: Layout,
        space: SearchSpace,
        example: Example,
        run: Callable[..., Mapping[nn.Module, int]],
    ) -> None:
        self._layout = layout
        self._space = space
        self._run = run
        self._args, self._kwargs = example.on("meta", batch=1)
        self._flops: dict[tuple[Value, ...], Mapping[nn.Module, int]] = {}
        self._weights: dict[int, CostTable] = {}

    def point(self, architecture: Mapping[str, Value]) -> _Point:
        """Return the point of an architecture, with default values of inactive parameters."""
        values = {
            label: architecture.get(label, domain.default) for label, domain in self._layout.domains.items()
        }
        return _Point(values, self._layout.positions(values))

    def points_with(self, presences: Iterable[CostTable], points: Sequence[_Point]) -> list[_Point]:
        """Return points in which those presences hold that hold in none of `points`.

        Each point covers as many of them as are compatible. Presences that the restrictions exclude are left
        out.
        """
        found: list[_Point] = []
        missing = [
            presence
            for presence in presences
            if presence.entries.any() and not any(point.has(presence) for point in points)
        ]
        while missing:
            values: dict[str, Value] = {}
            left: list[CostTable] = []
            for presence in missing:
                needed = self._needed(presence, values)
                if needed is None:
                    left.append(presence)
                else:
                    values |= needed
            if len(left) == len(missing):
                break  # the restrictions of the space exclude them
            found.append(self.point(values))
            missing = left
        return found

    def weight(self, part: Part) -> CostTable:
        """Return the number of entries of the weights with two or more dimensions, or 1 without weights."""
        if id(part) not in self._weights:
            total = constant(0)
            for name, size in part.sizes.items():
                tensor = part.module._parameters[name]
                if tensor is None or tensor.ndim > 1:
                    total = total + size
            self._weights[id(part)] = total if total.entries.all() else constant(1)
        return self._weights[id(part)]

    def flops(self, point: _Point) -> Mapping[nn.Module, int]:
        """Return the operations of each module that has any.

        Raises:
            SupernetError: If the supernet does not run on the meta device, or 4,000 runs were made.
        """
        key = tuple(point.values.values())
        if key not in self._flops:
            if len(self._flops) == RUNS:
                msg = (
                    f"it needs more than {RUNS:,} dry runs to find the parameters that it depends on. "
                    "Give the parameters fewer values"
                )
                raise SupernetError(msg)
            self._layout.fill(point.values)
            try:
                self._flops[key] = self._run(*self._args, **self._kwargs)
            except Exception as error:
                msg = (
                    f"the supernet does not run on the meta device for {dict(point.values)}: "
                    f"{type(error).__name__}: {error}. Count params"
                )
                raise SupernetError(msg) from error
        return self._flops[key]

    def rate(self, part: Part, point: _Point) -> float:
        """Return the operations of a module for each entry of its weights."""
        return self.flops(point).get(part.module, 0) / self.weight(part).at(point.positions)

    def influences(self, parts: Sequence[Part], points: Sequence[_Point]) -> dict[int, list[str]]:
        """Return the labels that change the rate of each module when varied alone, by the part's id."""
        found: dict[int, set[str]] = {id(part): set() for part in parts}
        for point in _twice(parts, points):
            present = [part for part in parts if point.has(part.presence)]
            for label, varied in self._neighbours(point):
                found_by = [
                    part
                    for part in present
                    if varied.has(part.presence) and self.rate(part, varied) != self.rate(part, point)
                ]
                for part in found_by:
                    found[id(part)].add(label)
        return {part: sorted(labels) for part, labels in found.items()}

    def tabled(self, part: Part, labels: Sequence[str], points: Sequence[_Point]) -> CostTable:
        """Return the table of a module's rate over `labels`.

        The rate is 0 for values with which no architecture uses the module.
        """
        check_tabled(labels, self._layout.domains)
        rates: list[float] = []
        for row in product(*(self._layout.values(label) for label in labels)):
            varied = (
                self._with(point, dict(zip(labels, row, strict=True)))
                for point in points
                if point.has(part.presence)
            )
            fitting = next(
                (point for point in varied if point is not None and point.has(part.presence)), None
            )
            rates.append(0.0 if fitting is None else self.rate(part, fitting))
        sizes = [len(self._layout.values(label)) for label in labels]
        return CostTable(tuple(labels), torch.tensor(rates, dtype=torch.float64).view(sizes))

    def _needed(self, presence: CostTable, values: Mapping[str, Value]) -> dict[str, Value] | None:
        """Return values that make a presence hold together with `values`, or None if it is impossible."""
        for row in presence.entries.nonzero().tolist():
            needed = {
                label: self._layout.values(label)[i] for label, i in zip(presence.labels, row, strict=True)
            }
            fits = all(values.get(label, value) == value for label, value in needed.items())
            if fits and self._space.canonical(self.point({**values, **needed}).values) in self._space:
                return needed
        return None

    def _neighbours(self, point: _Point) -> Iterator[tuple[str, _Point]]:
        """Yield the points of the space that differ in one parameter, each with its label."""
        for label in point.positions:
            for value in self._layout.values(label):
                if value != point.values[label] and (varied := self._with(point, {label: value})) is not None:
                    yield label, varied

    def _with(self, point: _Point, values: Mapping[str, Value]) -> _Point | None:
        """Return the point with other values, or None if it is not an architecture of the space."""
        varied = {**point.values, **values}
        return self.point(varied) if self._space.canonical(varied) in self._space else None


def _twice(parts: Sequence[Part], points: Sequence[_Point]) -> list[_Point]:
    """Return the first points in which each module is present twice, if it is in two of `points`."""
    chosen: list[_Point] = []
    wanted = {id(part): 2 for part in parts}
    for point in points:
        present = [part for part in parts if wanted[id(part)] and point.has(part.presence)]
        if present:
            chosen.append(point)
            for part in present:
                wanted[id(part)] -= 1
    return chosen
