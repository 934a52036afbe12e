"""Objectives and constraints on metrics."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from retia.errors import StudyError

__all__ = [
    "Constraint",
    "ConstraintsLike",
    "Direction",
    "Objective",
    "constraints_from",
    "objectives_from",
    "reference_point",
]


Direction: TypeAlias = Literal["maximize", "minimize"]
"""Direction in which a metric is better."""


@dataclass(frozen=True)
class Objective:
    """A metric and the direction in which it is better."""

    metric: str
    direction: Direction

    def loss(self, metrics: Mapping[str, float]) -> float:
        """Return the metric, negated if it is maximized: lower is better."""
        value = metrics[self.metric]
        return value if self.direction == "minimize" else -value

    def __str__(self) -> str:
        return f"{self.direction} {self.metric}"


def objectives_from(
    maximize: str | Sequence[str] | None, minimize: str | Sequence[str] | None
) -> tuple[Objective, ...]:
    """Return the objectives, those to maximize first.

    Raises:
        StudyError: If no metric is given, or a metric is given twice.
    """
    up = [maximize] if isinstance(maximize, str) else list(maximize or ())
    down = [minimize] if isinstance(minimize, str) else list(minimize or ())
    objectives = (
        *(Objective(name, "maximize") for name in up),
        *(Objective(name, "minimize") for name in down),
    )
    if not objectives:
        msg = (
            "A study needs an objective. Name the metrics to improve: maximize='accuracy', "
            "or minimize=['loss', 'params']."
        )
        raise StudyError(msg)
    names = [*up, *down]
    if len(set(names)) < len(names):
        msg = f"A metric can be one objective only, got {names}. Remove the duplicate."
        raise StudyError(msg)
    return objectives


@dataclass(frozen=True)
class Constraint:
    """A bound on a metric, both ends included.

    >>> Constraint("params", upper=100_000).holds({"params": 99_000})
    True
    >>> print(Constraint.parse("latency_ms <= 4.5"))
    latency_ms <= 4.5

    Raises:
        StudyError: If there is no bound, a bound is not a number, or `lower` is greater than `upper`.
    """

    metric: str
    upper: float | None = None
    lower: float | None = None

    def __post_init__(self) -> None:
        for bound in (self.upper, self.lower):
            if bound is not None and (
                isinstance(bound, bool) or not isinstance(bound, int | float) or math.isnan(bound)
            ):
                msg = (
                    f"A bound of '{self.metric}' must be a number, got {bound!r}. "
                    f"Write it as '{self.metric} <= 4.5', or Constraint('{self.metric}', upper=4.5)."
                )
                raise StudyError(msg)
        if self.upper is None and self.lower is None:
            msg = (
                f"A constraint on '{self.metric}' needs a bound: Constraint('{self.metric}', "
                "upper=...) or lower=...."
            )
            raise StudyError(msg)
        if self.upper is not None and self.lower is not None and self.lower > self.upper:
            msg = f"A constraint needs lower <= upper, got {self}."
            raise StudyError(msg)

    @classmethod
    def parse(cls, text: str) -> "Constraint":
        """Read `"params <= 100_000"` or `"accuracy >= 0.9"`.

        Raises:
            StudyError: If `text` has neither form.
        """
        match = re.fullmatch(r"\s*([\w./-]+)\s*(<=|>=)\s*(\S+)\s*", text)
        try:
            metric, sign, bound = match.groups() if match else ("", "", "")
            value = float(bound)
        except ValueError:
            msg = f"A constraint reads 'metric <= number' or 'metric >= number', got {text!r}."
            raise StudyError(msg) from None
        return cls(metric, upper=value) if sign == "<=" else cls(metric, lower=value)

    def holds(self, metrics: Mapping[str, float]) -> bool:
        """Whether the metric is within the bounds."""
        return self.violation(metrics) == 0

    def violation(self, metrics: Mapping[str, float]) -> float:
        """Return the distance beyond the bound as a fraction of the bound; 0 within the bounds."""
        value, worst = metrics[self.metric], 0.0
        if self.upper is not None and value > self.upper:
            worst = (value - self.upper) / max(abs(self.upper), 1e-12)
        if self.lower is not None and value < self.lower:
            worst = (self.lower - value) / max(abs(self.lower), 1e-12)
        return worst

    def __str__(self) -> str:
        low = f"{self.lower:.12g} <= " if self.lower is not None and self.upper is not None else ""
        bound = f" <= {self.upper:.12g}" if self.upper is not None else f" >= {self.lower:.12g}"
        return f"{low}{self.metric}{bound}"


ConstraintsLike: TypeAlias = (
    "Mapping[str, float | tuple[float, float]] | Sequence[Constraint | str] | str | Constraint | None"
)
"""`["params <= 1e6"]`, `{"params": 1e6}`, `{"latency_ms": (1, 4)}`, or `Constraint` objects."""


def constraints_from(constraints: ConstraintsLike) -> tuple[Constraint, ...]:
    """Return the constraints that a user wrote in any of the accepted forms.

    Raises:
        StudyError: If a constraint can't be read.
    """
    if constraints is None:
        return ()
    if isinstance(constraints, str | Constraint):
        constraints = [constraints]
    if isinstance(constraints, Mapping):
        return tuple(_bounds(metric, bound) for metric, bound in constraints.items())
    return tuple(_constraint(one) for one in constraints)


def _constraint(one: Constraint | str) -> Constraint:
    if isinstance(one, str):
        return Constraint.parse(one)
    if not isinstance(one, Constraint):  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
        msg = (
            f"A constraint is a text such as 'params <= 1e6', or a Constraint, got {one!r}. "
            f"With a dictionary: constraints={{'params': 1e6}}."
        )
        raise StudyError(msg)
    return one


def _bounds(metric: str, bound: Any) -> Constraint:
    if not isinstance(bound, tuple | list):
        return Constraint(metric, upper=bound)
    if len(bound) != 2:
        msg = (
            f"The bounds of '{metric}' are a number (the greatest allowed) or a pair (least, greatest), "
            f"got {bound!r}."
        )
        raise StudyError(msg)
    return Constraint(metric, lower=bound[0], upper=bound[1])


def reference_point(objectives: Sequence[Objective], reference: Mapping[str, float]) -> list[float]:
    """Return the losses of a reference point, in the order of the objectives.

    Raises:
        StudyError: If `reference` has no value for an objective.
    """
    if missing := [one.metric for one in objectives if one.metric not in reference]:
        msg = (
            f"The reference point needs a value for every objective; '{missing[0]}' is missing in "
            f"{dict(reference)}."
        )
        raise StudyError(msg)
    return [one.loss(reference) for one in objectives]
