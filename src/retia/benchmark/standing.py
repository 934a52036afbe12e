"""How a strategy did over its seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Spread", "Standing", "known"]


@dataclass(frozen=True)
class Spread:
    """The mean of S numbers, their median, and the quartiles below and above it."""

    mean: float
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of some numbers; NaN if one of them is."""
        low, median, high = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
        return cls(float(np.mean(values)), median, low, high)


@dataclass(frozen=True)
class Standing:
    """How one strategy did over all seeds.

    Args:
        strategy: Its name.
        halfway: The regret after half of the evaluations, or of the hours.
        final: The regret after all of them.
        found: How many seeds found the optimum.
        evaluations_to_optimum: The median over seeds; infinite if less than half of them found it.
        hours_to_optimum: The same in simulated hours.
        test_accuracy: The mean test accuracy of the best by the objective; NaN if the table has none.
        rank: The mean rank among the strategies by the final regret, 1 for the best.
        trials: How many trials a seed had, the mean.
        propose_ms: The mean processor time to propose a trial, in milliseconds.
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
        """Return a JSON object, with null for what is infinite or not known."""
        plain = {name: value for name, value in vars(self).items() if name not in ("halfway", "final")}
        return {
            **{name: known(value) for name, value in plain.items()},
            "halfway": {name: known(value) for name, value in vars(self.halfway).items()},
            "final": {name: known(value) for name, value in vars(self.final).items()},
        }


def known(value: Any) -> Any:
    """Return a value as JSON has it: null for a number that is none."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
