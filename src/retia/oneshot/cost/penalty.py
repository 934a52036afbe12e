"""Penalties on costs, for the loss or the reward by which a one-shot method learns choices."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor

from retia.cost import Costs, Example, ExampleLike
from retia.errors import EvaluationError, SupernetError
from retia.oneshot.cost.expected_cost import (
    COUNTED_METRICS,
    ExpectedCost,
    counted_cost,
    measured_cost,
    tabled_cost,
)
from retia.oneshot.cost.sampled_cost import SampledCost
from retia.rng import stream
from retia.space import Architecture, Value
from retia.supernet import Supernet
from retia.trial import Run

__all__ = ["BoundPenalty", "Penalty"]

Form: TypeAlias = Literal["add", "hinge", "absolute", "multiply", "hard"]
"""How a cost changes a loss or a reward."""


@dataclass(frozen=True)
class Penalty:
    """A penalty on the expected cost of architectures, for one-shot methods that learn choices.

    With r = cost / target and s = `scale`, a loss (to minimize) or a quality (to maximize) becomes:

    ==========  ====================  =======================
    form        loss                  quality
    ==========  ====================  =======================
    "add"       loss + s (r - 1)      quality - s (r - 1)
    "hinge"     loss + s max(0, r-1)  quality - s max(0, r-1)
    "absolute"  loss + s |r - 1|      quality - s |r - 1|
    "multiply"  loss * r^s            quality * r^-s
    "hard"      loss * max(1, r)^s    quality * max(1, r)^-s
    ==========  ====================  =======================

    - "add" is the form of ProxylessNAS. Deviation: r is relative to the target, so `scale` has no unit.
    - "hinge" has no effect below the target. "absolute" is TuNAS's absolute reward with beta = -s.
    - "multiply" is MnasNet's soft reward with alpha = beta = -s. For a loss it replaces FBNet's
      CE * alpha log(latency)^beta. Deviation: a power of the cost, because the logarithm depends on the unit
      and is negative below 1.
    - "hard" is MnasNet's hard reward with alpha = 0, beta = -s.
    - "multiply" and "hard" divide a negative loss instead, so that a higher cost never lowers the loss.

    If no architecture reaches the target, every form favours the lowest cost.

    Without `samples` and `evaluator`, the expectation is exact, but ignores the restrictions of the space
    (`where`) and bounds: parameters are independent of each other. With them, it is estimated from allowed
    architectures. Use `Penalty("params", samples=16)` if restrictions exclude many of the cheapest or the
    most expensive architectures. The cost of a single architecture is not affected.

    Args:
        metric: Name of the cost: "params", "flops" or "macs", which are counted, or a metric of `table` or
            `evaluator`, such as "latency_ms".
        target: Cost at which there is no penalty, above 0, in the unit of the metric. Default, for "add" and
            "multiply": the expected cost with equal probabilities of all values.
        scale: Strength s of the penalty, at least 0. Default 1.
        form: One of "add", "hinge", "absolute", "multiply" and "hard". Default "add".
        table: Cost of each value, by label. The cost of an architecture is the sum over its active
            parameters, plus `constant`. A parameter that is not in the table costs 0.
        constant: Cost of every architecture in addition to its table. Default 0.
        evaluator: Evaluator that measures the cost: `evaluator(architecture, run)` returns metrics by name.
        samples: Number of sampled architectures for an estimate of the expected cost, at least 2. Default:
            16 with an `evaluator`; without one, the expectation is exact.

    Raises:
        EvaluationError: If `form` is unknown, `target`, `scale` or `samples` is out of range, "hinge",
            "absolute" or "hard" has no `target`, `table` is combined with `evaluator` or `samples`,
            `constant` has no `table`, or `metric` is neither counted nor in a `table` or `evaluator`.

    References:
        Cai et al., ProxylessNAS, ICLR 2019, "making latency differentiable".
        Tan et al., MnasNet, CVPR 2019, the weighted product of accuracy and latency.
        Wu et al., FBNet, CVPR 2019, the latency-aware loss.
        Bender et al., Can Weight Sharing Outperform Random Architecture Search? An Investigation with TuNAS,
        CVPR 2020, the absolute reward.
    """

    metric: str
    target: float | None = None
    scale: float = 1.0
    form: Form = "add"
    table: Mapping[str, Mapping[Any, float]] | None = None
    constant: float = 0.0
    evaluator: Callable[[Architecture, Run], Mapping[str, float]] | None = None
    samples: int | None = None

    def __post_init__(self) -> None:
        name = f"Penalty({self.metric!r})"
        if self.form not in get_args(Form):
            msg = f"The form of {name} must be one of {list(get_args(Form))}, got {self.form!r}. Set form=."
            raise EvaluationError(msg)
        if self.target is not None and not 0 < self.target < math.inf:
            msg = f"The target of {name} must be a finite cost above 0, got {self.target}. Set target=."
            raise EvaluationError(msg)
        if self.target is None and self.form not in ("add", "multiply"):
            msg = (
                f"{name} of the form {self.form!r} requires a target. Give target=..., "
                "or use the form 'add' or 'multiply'."
            )
            raise EvaluationError(msg)
        if not 0 <= self.scale < math.inf:
            msg = f"The scale of {name} must be finite and at least 0, got {self.scale}. Set scale=."
            raise EvaluationError(msg)
        if self.samples is not None and self.samples < 2:
            msg = (
                f"The samples of {name} must be at least 2, got {self.samples}. "
                "Each sample is compared with the mean of the others."
            )
            raise EvaluationError(msg)
        if self.table is not None and (self.evaluator is not None or self.samples is not None):
            msg = (
                f"{name} has a table, whose expectation is exact, but also evaluator= or samples=. "
                "Give either the table or the others."
            )
            raise EvaluationError(msg)
        if self.table is None and self.constant != 0:
            msg = (
                f"{name} has the constant {self.constant}, but no table. Give table=..., "
                "or remove the constant."
            )
            raise EvaluationError(msg)
        if self.table is None and self.evaluator is None and self.metric not in COUNTED_METRICS:
            msg = (
                f"{name} has a metric that is not counted on models; {list(COUNTED_METRICS)} are. "
                "Give the cost of each value with table=..., or measure architectures with evaluator=..."
            )
            raise EvaluationError(msg)

    def bind(self, supernet: Supernet, *, example: "ExampleLike | None" = None) -> "BoundPenalty":
        """Return the penalty for the architectures of a supernet.

        Args:
            supernet: Supernet of the architectures.
            example: Inputs of the model, required for "flops" and "macs": a shape without the batch
                dimension, or example tensors with it.

        Raises:
            SupernetError: If the expected cost can't be computed for the space of `supernet`, `evaluator`
                does not return `metric`, or the default target is not above 0.
        """
        cost = self._cost(supernet, None if example is None else Example.of(example))
        return BoundPenalty(
            self, cost, self._reference(supernet, cost) if self.target is None else self.target
        )

    def _cost(self, supernet: Supernet, example: Example | None) -> ExpectedCost:
        """Return the cost with its exact or estimated expectation."""
        space = supernet.space
        if self.table is not None:
            return tabled_cost(self.metric, self.table, self.constant, space)
        if self.evaluator is None and self.samples is None:
            return counted_cost(self.metric, supernet, example)
        evaluator = self.evaluator or Costs(None if self.metric == "params" else example)
        cost = SampledCost(space, measured_cost(self.metric, evaluator, space), self.samples or 16)
        # One measurement, so that a metric that can't be measured is an error before the training.
        cost.cost(space.sample(stream(0, "penalty")))
        return cost

    def _reference(self, supernet: Supernet, cost: ExpectedCost) -> float:
        """Return the default target: the expected cost with equal probabilities of all values."""
        domains = {
            label: parameter.domain
            for label, parameter in supernet.space.parameters.items()
            if parameter.domain.size < math.inf
        }
        uniform = {
            label: torch.full((int(domain.size),), 1 / domain.size, dtype=torch.float64)
            for label, domain in domains.items()
        }
        reference = float(cost.expected(uniform))
        if reference <= 0:
            msg = (
                f"The {self.metric} of {supernet.space.name} are {reference:g} on average, "
                "which can't be a target. Give the penalty a target above 0."
            )
            raise SupernetError(msg)
        return reference


@dataclass(frozen=True, eq=False)
class BoundPenalty:
    """A penalty for the architectures of one supernet.

    Attributes:
        penalty: Settings of the penalty.
        source: Cost of an architecture, and its expectation.
        target: Cost at which there is no penalty.
    """

    penalty: Penalty
    source: ExpectedCost
    target: float

    def expected(
        self, probabilities: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the expected cost, with gradients to the probabilities.

        Parameters are independent of each other; a parameter used in several places is one random variable.
        An exact expectation ignores restrictions of the space; an estimate samples allowed architectures.

        Args:
            probabilities: Probabilities of each parameter's values while it is active, in the order of its
                domain, shape (K,), by label. An exact expectation needs all labels that the cost depends on.
            generator: CPU generator of the samples of an estimate. Default: seeded by the probabilities.

        Returns:
            A float64 scalar, on the device of the probabilities.

        Raises:
            SupernetError: If the expectation is exact and a parameter does not have one probability for each
                value, or it is estimated and no sample meets the restrictions of the space.
        """
        return self.source.expected(probabilities, generator)

    def cost(self, architecture: Mapping[str, Value]) -> float:
        """Return the cost of an architecture, in the unit of the metric."""
        return self.source.cost(architecture)

    def penalized(self, loss: Tensor, cost: Tensor) -> Tensor:
        """Return the penalized loss for a cost (both scalars), in the precision of the loss."""
        ratio, scale = (cost / self.target).to(loss), self.penalty.scale
        match self.penalty.form:
            case "add":
                return loss + scale * (ratio - 1)
            case "hinge":
                return loss + scale * (ratio - 1).relu()
            case "absolute":
                return loss + scale * (ratio - 1).abs()
            case "multiply":
                return loss * ratio.where(loss >= 0, 1 / ratio) ** scale
            case "hard":
                beyond = ratio.clamp(min=1)
                return loss * beyond.where(loss >= 0, 1 / beyond) ** scale

    def reward(self, quality: float, cost: float) -> float:
        """Return the penalized quality for a cost. A higher quality is better.

        Raises:
            EvaluationError: If `quality` is below 0 in the form "multiply" or "hard".
        """
        ratio, scale = cost / self.target, self.penalty.scale
        if quality < 0 and self.penalty.form in ("multiply", "hard"):
            msg = (
                f"A penalty of the form {self.penalty.form!r} requires a quality of at least 0, "
                f"such as an accuracy, got {quality:g}. Use the form 'add' or 'absolute'."
            )
            raise EvaluationError(msg)
        match self.penalty.form:
            case "add":
                return quality - scale * (ratio - 1)
            case "hinge":
                return quality - scale * max(0.0, ratio - 1)
            case "absolute":
                return quality - scale * abs(ratio - 1)
            case "multiply":
                return quality * ratio**-scale
            case "hard":
                return quality * max(1.0, ratio) ** -scale
