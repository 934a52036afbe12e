"""Penalties: what makes a one-shot method mind what architectures cost."""

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
"""How a cost enters a loss or a reward."""


@dataclass(frozen=True)
class Penalty:
    """A penalty on what an architecture is expected to cost, for the loss or the reward by which a one-shot
    method chooses.

    With the cost relative to its target, r = cost / target, and the scale s, the forms make of a loss (to
    minimize) and of a quality (to maximize), such as an accuracy:

    - "add": loss + s (r - 1), and quality - s (r - 1). Every saving counts, also below the target.
      ProxylessNAS's; deviation: the cost is relative to the target, so that the scale has no unit.
    - "hinge": loss + s max(0, r - 1), and quality - s max(0, r - 1). Nothing counts below the target.
    - "absolute": loss + s |r - 1|, and quality - s |r - 1|: TuNAS's absolute reward, whose beta is
      -s. It draws towards the target from both sides.
    - "multiply": loss * r^s, and quality * r^-s: MnasNet's soft reward, whose alpha and beta are both -s. For
      a loss it stands for FBNet's CE * alpha log(latency)^beta; deviation: a power of the cost instead of one
      of its logarithm, which depends on the unit and is negative below 1. A loss below 0 is divided instead,
      so that costs are never a merit.
    - "hard": loss * max(1, r)^s, and quality * max(1, r)^-s: MnasNet's hard reward, whose alpha is 0 and beta
      is -s.

    A target that no architecture reaches is no error: "hinge", "absolute" and "hard" then lead to what costs
    least, as "add" and "multiply" do.

    An exact expectation, that is any without `samples` or an `evaluator`, knows no restrictions of the space
    (`where`), nor bounds: parameters are independent of each other, so it also counts what a restriction
    excludes. An estimated one is of allowed architectures alone. Where restrictions exclude much of what
    costs most or least, estimate: `Penalty("params", samples=16)`. What an architecture costs is exact
    always.

    Args:
        metric: "params", "flops" or "macs", which are counted; or the name of what `table` or `evaluator`
            gives, such as "latency_ms".
        target: The cost at which there is no penalty, above 0; if not given, what is expected while all
            values are equally probable, in the forms "add" and "multiply".
        scale: How much the cost counts, at least 0.
        form: How.
        table: For each label what each of its values costs. The cost is their sum over the active parameters,
            plus `constant`; a parameter that the table leaves out costs nothing.
        constant: What every architecture costs besides its table.
        evaluator: Measures architectures, as an evaluator of costs does: `evaluator(architecture, run)`
            returns metrics by name.
        samples: From how many architectures the expectation is estimated, at least 2, where it is not exact:
            with an `evaluator`, or with a counted metric of a space whose models' cost is not the sum of what
            their modules cost. None is 16 with an `evaluator`.

    Raises:
        EvaluationError: If a setting can't be.

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
            msg = f"The form of {name} is one of {list(get_args(Form))}, got {self.form!r}."
            raise EvaluationError(msg)
        if self.target is not None and not 0 < self.target < math.inf:
            msg = f"The target of {name} is a cost above 0, got {self.target}."
            raise EvaluationError(msg)
        if self.target is None and self.form not in ("add", "multiply"):
            msg = (
                f"{name} of the form {self.form!r} is about a target, but has none. Give it target=..., "
                "or take 'add' or 'multiply'."
            )
            raise EvaluationError(msg)
        if not 0 <= self.scale < math.inf:
            msg = f"The scale of {name} is at least 0, got {self.scale}: what costs less is always better."
            raise EvaluationError(msg)
        if self.samples is not None and self.samples < 2:
            msg = (
                f"The samples of {name} are at least 2, of which each is compared with the others, "
                f"got {self.samples}."
            )
            raise EvaluationError(msg)
        if self.table is not None and (self.evaluator is not None or self.samples is not None):
            msg = (
                f"{name} has a table, whose expectation is exact, so it takes no evaluator and no samples. "
                "Leave out one or the other."
            )
            raise EvaluationError(msg)
        if self.table is None and self.constant != 0:
            msg = (
                f"{name} has a constant, {self.constant}, which is part of a table. Give table=..., "
                "or leave it out."
            )
            raise EvaluationError(msg)
        if self.table is None and self.evaluator is None and self.metric not in COUNTED_METRICS:
            msg = (
                f"{name} has a metric that is not counted on models; {list(COUNTED_METRICS)} are. "
                "Give the cost of each value with table=..., or measure architectures with evaluator=..."
            )
            raise EvaluationError(msg)

    def bind(self, supernet: Supernet, *, example: "ExampleLike | None" = None) -> "BoundPenalty":
        """Return the penalty on the architectures of a supernet.

        Args:
            supernet: The supernet.
            example: What the model takes, for "flops" and "macs": a shape without the batch dimension, or
                example tensors with it.

        Raises:
            SupernetError: If the supernet's space can't give the cost; the message names the metric and the
                remedy.
        """
        cost = self._cost(supernet, None if example is None else Example.of(example))
        return BoundPenalty(
            self, cost, self._reference(supernet, cost) if self.target is None else self.target
        )

    def _cost(self, supernet: Supernet, example: Example | None) -> ExpectedCost:
        space = supernet.space
        if self.table is not None:
            return tabled_cost(self.metric, self.table, self.constant, space)
        if self.evaluator is None and self.samples is None:
            return counted_cost(self.metric, supernet, example)
        evaluator = self.evaluator or Costs(None if self.metric == "params" else example)
        cost = SampledCost(space, measured_cost(self.metric, evaluator, space), self.samples or 16)
        cost.cost(
            space.sample(stream(0, "penalty"))
        )  # what can't be measured is an error before the training
        return cost

    def _reference(self, supernet: Supernet, cost: ExpectedCost) -> float:
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
                "to which nothing can be relative. Give the penalty a target above 0."
            )
            raise SupernetError(msg)
        return reference


@dataclass(frozen=True, eq=False)
class BoundPenalty:
    """A penalty on the architectures of one supernet.

    Attributes:
        penalty: The penalty.
        source: Gives the cost.
        target: The cost at which there is no penalty.
    """

    penalty: Penalty
    source: ExpectedCost
    target: float

    def expected(
        self, probabilities: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the expected cost, with gradients to the probabilities of each parameter's values, shape
        (K,).

        A parameter's probabilities are those of its values while it is active, in the order of its domain.
        Parameters are independent of each other; one that is used in many places is one random variable. A
        cost that has to be estimated is estimated from samples. Restrictions of the space make no difference
        to an exact expectation; samples keep to them.

        Args:
            probabilities: For each label that the cost depends on.
            generator: Where samples come from, if any are needed; if not given, they follow from the
                probabilities.

        Returns:
            A float64 scalar, on the device of the probabilities.

        Raises:
            SupernetError: If a parameter has not one probability for each value.
        """
        return self.source.expected(probabilities, generator)

    def cost(self, architecture: Mapping[str, Value]) -> float:
        """Return what an architecture costs."""
        return self.source.cost(architecture)

    def penalized(self, loss: Tensor, cost: Tensor) -> Tensor:
        """Return a loss with the penalty of a cost, a scalar of the loss's precision."""
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
        """Return a quality, of which more is better, with the penalty of a cost.

        Raises:
            EvaluationError: If a quality below 0 is to be multiplied, which would make costs a merit.
        """
        ratio, scale = cost / self.target, self.penalty.scale
        if quality < 0 and self.penalty.form in ("multiply", "hard"):
            msg = (
                f"A penalty of the form {self.penalty.form!r} multiplies a quality of at least 0, "
                f"such as an accuracy, got {quality:g}. Take 'add' or 'absolute'."
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
