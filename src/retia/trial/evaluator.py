"""What judges architectures."""

from collections.abc import Mapping
from typing import Protocol

from retia.space import Architecture
from retia.trial.run import Run

__all__ = ["CostEvaluator", "Evaluator"]


class Evaluator(Protocol):
    """Turns an architecture into metrics.

    What it can do beside that, it says in an optional method `capabilities() -> Capabilities`.

    Laws: the metrics are finite numbers by name, at least one; the same architecture and run give the same
    metrics on the CPU; an exception fails the trial, not the study, unless the trial is the baseline; an
    `InfeasibleArchitecture` ends the trial as infeasible.
    """

    def __call__(self, architecture: Architecture, run: Run, /) -> Mapping[str, float]:
        """Evaluate one architecture."""
        ...


class CostEvaluator(Evaluator, Protocol):
    """An evaluator that is cheap enough to run before training, and names its metrics."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics."""
        ...
