"""Costs of architectures, and expected costs under probabilities of the parameters' values."""

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
"""Names of the costs that are counted on models, without a table or a measurement."""

CHECKED = 8
"""Number of architectures whose counted cost is compared with the tables."""


class ExpectedCost(Protocol):
    """A cost of architectures, and its expectation over independent parameters.

    Law: with one-hot probabilities, `expected` returns the `cost` of the architecture with these values.
    """

    def expected(
        self, probabilities: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Tensor:
        """Return E[cost(a)] for values a drawn by `probabilities`, a float64 scalar with its gradient.

        Either is exact or an unbiased estimate.
        """
        ...

    def cost(self, architecture: Mapping[str, Value]) -> float:
        """Return the cost of an architecture."""
        ...


def counted_cost(metric: str, supernet: Supernet, example: Example | None) -> TableSum:
    """Return a counted cost as the sum of the costs of a supernet's modules, whose expectation is exact.

    The sum is compared with the count of whole models for a few architectures.

    Args:
        metric: One of `COUNTED_METRICS`.
        supernet: Supernet whose modules are counted.
        example: Example inputs of the model, required for "flops" and "macs".

    Raises:
        SupernetError: If `example` is missing, the sum differs from the count of a model, or the cost of a
            module depends on too many combinations of values.
    """
    space = supernet.space
    subject = f"Can't compute the expected {metric} of {space.name} from its modules"
    remedy = f"or estimate it from whole architectures with Penalty({metric!r}, samples=16)"
    if metric != "params" and example is None:
        msg = f"{metric} depend on the inputs. Give example= to Penalty.bind, or penalize 'params'."
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
        total, counted = cost.cost(architecture), count(architecture, Run(space))[metric]
        if abs(total - counted) > 0.5:
            msg = (
                f"{subject}: their sum is {total:,.0f}, but the model has {counted:,.0f} for "
                f"{dict(architecture)}. Keep every choice in the attributes of modules, {remedy}."
            )
            raise SupernetError(msg)
    return cost


def tabled_cost(
    metric: str, table: Mapping[str, Mapping[Any, float]], offset: float, space: SearchSpace
) -> TableSum:
    """Return a cost from a table: cost(a) = offset + sum over active labels l of table[l][a[l]].

    Args:
        metric: Name of the cost, for messages.
        table: Cost of each value of a parameter, by label. A parameter that is not in it costs 0.
        offset: Cost of every architecture, in the unit of the table.
        space: Search space of the labels.

    Raises:
        SupernetError: If a label is not a parameter of `space` or a real interval, or its costs are not
            those of exactly its values, or its activity depends on too many combinations of values.
    """
    presences = _Activity(space)
    tables = [constant(offset)]
    for label, row in table.items():
        if label not in space.parameters:
            msg = (
                f"The table of {metric!r} has '{label}', which is not a parameter of the space. "
                f"Use the labels {sorted(space.parameters)}."
            )
            raise SupernetError(msg)
        parameter = space.parameters[label]
        if parameter.domain.size == float("inf"):
            msg = (
                f"The table of {metric!r} has '{label}', a real interval, whose values can't be listed. "
                "Search space.discretize(points)."
            )
            raise SupernetError(msg)
        values = list(parameter.domain.enumerate())
        if {*row} != {*values}:
            odd = next(value for value in (*values, *row) if (value in row) != (value in values))
            what = f"lacks {odd!r}. Add" if odd in values else f"has {odd!r}. Remove"
            msg = (
                f"The table of {metric!r} needs one cost for each value of '{label}', {values}, "
                f"but {what} it."
            )
            raise SupernetError(msg)
        costs = CostTable(
            (label,), torch.tensor([float(row[value]) for value in values], dtype=torch.float64)
        )
        try:
            tables.append(costs * presences.of(parameter))
        except SupernetError as error:
            msg = f"Can't compute the expected {metric!r} of '{label}' from its table: {error}."
            raise SupernetError(msg) from error
    return TableSum.of(tables, {label: parameter.domain for label, parameter in space.parameters.items()})


class _Activity:
    """Indicator tables of the activity of parameters."""

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
                absent = absent * holds.complement()
            self._known[parameter.label] = constant(1) if parameter.condition.always else absent.complement()
        return self._known[parameter.label]


def measured_cost(
    metric: str, evaluator: Callable[[Architecture, Run], Mapping[str, float]], space: SearchSpace
) -> Callable[[Architecture], float]:
    """Return a function that returns one metric of an evaluator for an architecture.

    The returned function raises a SupernetError if the evaluator does not return `metric`.
    """

    def measure(architecture: Architecture) -> float:
        metrics = evaluator(architecture, Run(space))
        if metric not in metrics:
            msg = (
                f"{type(evaluator).__name__} returns {sorted(metrics)}, but not {metric!r}. "
                "Penalize one of these metrics, or give another evaluator."
            )
            raise SupernetError(msg)
        return float(metrics[metric])

    return measure
