"""What an architecture costs, and what it is to be expected to cost while its values are only probable."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from retia.cost import Costs, Example
from retia.errors import SupernetError
from retia.oneshot.cost.expected_flops import expected_flops
from retia.oneshot.cost.presence import Layout, expected_params
from retia.oneshot.cost.table import CostTable, TableSum, constant
from retia.rng import stream
from retia.space import Architecture, Parameter, SearchSpace, Value
from retia.supernet import Supernet
from retia.trial import Run

__all__ = ["COUNTED_METRICS", "ExpectedCost", "counted_cost", "measured_cost", "tabled_cost"]

COUNTED_METRICS = ("params", "flops", "macs")
"""The costs that are counted on models."""

CHECKED = 8
"""How many architectures are counted to see whether the tables are right."""


class ExpectedCost(Protocol):
    """A cost of architectures.

    With one-hot probabilities the expectation is the cost of the architecture that they stand for.
    """

    def expected(
        self, probabilities: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the expected cost, or an unbiased estimate of it and its gradient, a float64 scalar."""
        ...

    def cost(self, architecture: Mapping[str, Value]) -> float:
        """Return the cost of an architecture."""
        ...


def counted_cost(metric: str, supernet: Supernet, example: Example | None) -> TableSum:
    """Return the exact expectation of a cost that is counted on models, as what the supernet's modules cost.

    Some architectures are counted alone to see that this is so.

    Raises:
        SupernetError: If it is not, or a part of the supernet depends on too much at once. The message names
            the metric and the remedy.
    """
    space = supernet.space
    subject = f"The expected {metric} of {space.name} can't be had from its modules"
    remedy = f"or estimate it from whole architectures with Penalty({metric!r}, samples=16)"
    if metric != "params" and example is None:
        msg = f"{metric} depend on what the model takes. Bind the penalty with an example, or count params."
        raise SupernetError(msg)
    try:
        layout = Layout(supernet)
        if metric == "params" or example is None:
            cost = expected_params(layout)
        else:
            cost = expected_flops(layout, space, example)
            if metric == "macs":
                cost = cost.scaled(0.5)
    except SupernetError as error:
        msg = f"{subject}: {error}, {remedy}."
        raise SupernetError(msg) from error
    count = Costs(None if metric == "params" else example)
    rng = stream(0, "expected cost")
    for _ in range(CHECKED):
        architecture = space.sample(rng)
        told, counted = cost.cost(architecture), count(architecture, Run(space))[metric]
        if abs(told - counted) > 0.5:
            msg = (
                f"{subject}: these make {told:,.0f} and the model alone {counted:,.0f} for "
                f"{dict(architecture)}. Let what changes with a choice follow from the "
                f"modules' attributes, {remedy}."
            )
            raise SupernetError(msg)
    return cost


def tabled_cost(
    metric: str, table: Mapping[str, Mapping[Any, float]], offset: float, space: SearchSpace
) -> TableSum:
    """Return a cost that is a constant plus what the value of each parameter adds while it is active.

    Raises:
        SupernetError: If a label is not in the space, or has not a cost for each value.
    """
    presences = _Activity(space)
    tables = [constant(offset)]
    for label, row in table.items():
        if label not in space.parameters:
            msg = (
                f"The table of {metric!r} has '{label}', which is no parameter of the space. "
                f"Its parameters are {sorted(space.parameters)}."
            )
            raise SupernetError(msg)
        parameter = space.parameters[label]
        if parameter.domain.size == float("inf"):
            msg = (
                f"The table of {metric!r} has '{label}', a real interval, which has no table of values. "
                "Search space.discretize(points)."
            )
            raise SupernetError(msg)
        values = list(parameter.domain.enumerate())
        if {*row} != {*values}:
            odd = next(value for value in (*values, *row) if (value in row) != (value in values))
            what = "lacks" if odd in values else "has"
            msg = (
                f"The table of {metric!r} needs one cost for each value of '{label}', {values}, "
                f"but {what} {odd!r}."
            )
            raise SupernetError(msg)
        costs = CostTable(
            (label,), torch.tensor([float(row[value]) for value in values], dtype=torch.float64)
        )
        try:
            tables.append(costs * presences.of(parameter))
        except SupernetError as error:
            msg = f"The expected {metric!r} of '{label}' can't be had from its table: {error}."
            raise SupernetError(msg) from error
    return TableSum.of(tables, {label: parameter.domain for label, parameter in space.parameters.items()})


class _Activity:
    """Tables of whether parameters are active."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._known: dict[str, CostTable] = {}

    def of(self, parameter: Parameter) -> CostTable:
        """Return the table that is 1 where the parameter is active and 0 elsewhere."""
        if parameter.label not in self._known:
            absent = constant(1)
            for conjunction in parameter.condition.alternatives:
                holds = constant(1)
                for clause in conjunction:
                    asked = self._space.parameters[clause.label]
                    among = [float(value in clause.values) for value in asked.domain.enumerate()]
                    holds = (
                        holds
                        * self.of(asked)
                        * CostTable((clause.label,), torch.tensor(among, dtype=torch.float64))
                    )
                absent = absent * holds.without()
            self._known[parameter.label] = constant(1) if parameter.condition.always else absent.without()
        return self._known[parameter.label]


def measured_cost(
    metric: str, evaluator: Callable[[Architecture, Run], Mapping[str, float]], space: SearchSpace
) -> Callable[[Architecture], float]:
    """Return a function that asks an evaluator for the cost of an architecture.

    Raises:
        SupernetError: If what the evaluator says of an architecture has no such metric.
    """

    def measure(architecture: Architecture) -> float:
        metrics = evaluator(architecture, Run(space))
        if metric not in metrics:
            msg = (
                f"{type(evaluator).__name__} supplies {sorted(metrics)}, and not {metric!r}. "
                "Name one of these in the penalty, or give another evaluator."
            )
            raise SupernetError(msg)
        return float(metrics[metric])

    return measure
