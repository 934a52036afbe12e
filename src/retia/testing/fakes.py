"""Strategies and evaluators that misbehave, each in one way, to test a study."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retia.rng import stream_seed
from retia.space import Architecture, SearchSpace
from retia.strategy import Random
from retia.trial import History, Proposal, Run

__all__ = [
    "ConstantEvaluator",
    "FailingEvaluator",
    "FailingStrategy",
    "HashCosts",
    "RepeatingStrategy",
    "ReturningEvaluator",
    "unit_of",
]


@dataclass(frozen=True)
class FailingStrategy:
    """Random strategy that raises an exception when the history has `after` trials."""

    after: int = 0

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return proposals of `Random`.

        Raises:
            RuntimeError: If the history has `after` trials or more.
        """
        if len(history) >= self.after:
            msg = f"This strategy fails on purpose after {self.after} trials."
            raise RuntimeError(msg)
        return Random().propose(space, history, n, rng)


@dataclass(frozen=True)
class RepeatingStrategy:
    """Strategy that always proposes the default architecture."""

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return the default architecture `n` times."""
        del history, rng
        return [Proposal(space.default())] * n


@dataclass(frozen=True)
class ConstantEvaluator:
    """Evaluator that returns the same value for every architecture."""

    value: float = 0.5
    metric: str = "score"

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Return the constant."""
        del architecture, run
        return {self.metric: self.value}


@dataclass(frozen=True)
class FailingEvaluator:
    """Evaluator that always fails for the same `share` of architectures; other values are hashes."""

    share: float = 1.0
    metric: str = "score"

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Return the metric.

        Raises:
            ArithmeticError: If the architecture is one of those that fail.
        """
        del run
        unit = unit_of(architecture)
        if unit < self.share:
            msg = f"This evaluator fails on purpose for {architecture.key}."
            raise ArithmeticError(msg)
        return {self.metric: unit}


@dataclass(frozen=True)
class ReturningEvaluator:
    """Evaluator that returns a fixed object, such as None, a string or NaN.

    Args:
        result: The returned object.
        good: Metrics of the default architecture, so that the first trial completes. Default: `result`.
    """

    result: Any = math.nan
    good: Mapping[str, float] | None = None

    def __call__(self, architecture: Architecture, run: Run) -> Any:
        """Return `good` for the default architecture, and `result` otherwise."""
        return self.good if self.good is not None and architecture == run.space.default() else self.result


@dataclass(frozen=True)
class HashCosts:
    """Costs from 1 to 1000 that depend on the hash of the architecture."""

    metric: str = "params"

    @property
    def metrics(self) -> tuple[str, ...]:
        """The name of the metric."""
        return (self.metric,)

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Return the cost."""
        del run
        return {self.metric: 1.0 + int(1000 * unit_of(architecture, "costs"))}


def unit_of(architecture: Architecture, what: str = "score") -> float:
    """Return a pseudorandom number in [0, 1) that depends on the architecture."""
    return stream_seed(0, what, architecture.key) / 2**63
