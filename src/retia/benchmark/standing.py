"""The results of a strategy over its seeds."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

__all__ = ["Spread", "Standing", "finite_json"]


@dataclass(frozen=True)
class Spread:
    """The mean, the median and the quartiles of S numbers."""

    mean: float
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of numbers; NaN if one of them is NaN."""
        low, median, high = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
        return cls(float(np.mean(values)), median, low, high)


@dataclass(frozen=True)
class Standing:
    """The results of one strategy over all seeds.

    Args:
        strategy: Name of the strategy.
        halfway: Regret after half of the budget.
        final: Regret after the whole budget.
        found: Number of seeds that found the optimum.
        evaluations_to_optimum: Median number of trials to the optimum; infinite if most seeds missed it.
        hours_to_optimum: Median simulated hours to the optimum; infinite if most seeds missed it.
        test_accuracy: Mean test accuracy of the best trial by the objective; NaN if unknown.
        rank: Mean rank among the strategies by the final regret, 1 for the best.
        trials: Mean number of trials.
        propose_ms: Mean processor time of a proposal in milliseconds.
    """

    strategy: str
    halfway: Spread
    final: Spread
    found: int
    evaluations_to_optimum: float
    hours_to_optimum: float
    test_accuracy: float
    rank: float
    trials: float
    propose_ms: float

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object, with null for infinite and unknown values."""
        return finite_json(asdict(self))


def finite_json(value: Any) -> Any:
    """Return a JSON value with None (null) instead of NaN and infinities, at any depth."""
    if isinstance(value, dict):
        return {name: finite_json(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [finite_json(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
