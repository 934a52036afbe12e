"""Bounds on costs, checked before training."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from retia.errors import StudyError
from retia.space import Architecture, SearchSpace
from retia.trial import CostEvaluator, History, Run, Trial

__all__ = ["Feasibility"]


@dataclass
class Feasibility:
    """Counts costs before training, and remembers why architectures were infeasible.

    Args:
        space: What is searched.
        history: The study's trials and constraints.
        costs: The evaluator of costs.

    Attributes:
        bounded: Whether a constraint bounds a cost, so that costs are counted before training.
        rejected: Number of infeasible architectures in a row.
    """

    space: SearchSpace
    history: History
    costs: CostEvaluator | None
    bounded: bool = field(init=False)
    rejected: int = field(default=0, init=False)
    _reason: str | None = field(default=None, init=False)
    _seen: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]], init=False)

    def __post_init__(self) -> None:
        metrics = () if self.costs is None else self.costs.metrics
        self.bounded = any(constraint.metric in metrics for constraint in self.history.constraints)

    def count(self, architecture: Architecture, fidelity: float | None) -> Mapping[str, float]:
        """Return what an architecture costs.

        Raises:
            InfeasibleArchitecture: If it is not a working model.
        """
        assert self.costs is not None
        counted = self.costs(architecture, Run(self.space, fidelity=fidelity))
        for name, value in counted.items():
            low, high = self._seen.get(name, (value, value))
            self._seen[name] = min(low, value), max(high, value)
        return counted

    def holds(self, costs: Mapping[str, float]) -> bool:
        """Return whether costs meet the constraints on them."""
        return all(one.holds(costs) for one in self.history.constraints if one.metric in costs)

    def record(self, ended: Trial) -> None:
        """Take note of an ended trial."""
        if ended.state == "infeasible":
            self.rejected += 1
            self._reason = ended.error
        else:
            self.rejected = 0

    def error(self) -> StudyError:
        """Return the error of a study that has found no feasible architecture."""
        constraints = self.history.constraints
        bounds = " and ".join(str(constraint) for constraint in constraints)
        what = f"meets {bounds}" if bounds else "is a working model"
        seen = ", ".join(
            f"{name} from {low:,.6g} to {high:,.6g}"
            for name, (low, high) in self._seen.items()
            if math.isfinite(low)
        )
        last = "" if self._reason is None else f" The last one: {self._reason}"
        remedy = (
            "Loosen the bound, or widen the space to where it can be met."
            if bounds
            else "Exclude what can't be built with space.where(...)."
        )
        tried = f"{self.history.count('infeasible')} tried beside the baseline{seen and f', with {seen}'}"
        return StudyError(f"No architecture {what} ({tried}). {remedy}{last}")
