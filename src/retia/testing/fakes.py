"""Strategies and evaluators that misbehave, each in one way, to see what a study makes of it."""

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
    """Proposes at random, and raises once the history has so many trials."""

    after: int = 0

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Propose like `Random`.

        Raises:
            RuntimeError: If the history has `after` trials or more.
        """
        if len(history) >= self.after:
            msg = f"This strategy fails after {self.after} trials, as it was made to."
            raise RuntimeError(msg)
        return Random().propose(space, history, n, rng)


@dataclass(frozen=True)
class RepeatingStrategy:
    """Proposes one architecture again and again: the space's default."""

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return the default `n` times."""
        del history, rng
        return [Proposal(space.default())] * n


@dataclass(frozen=True)
class ConstantEvaluator:
    """Finds every architecture equally good."""

    value: float = 0.5
    metric: str = "score"

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Return the constant."""
        del architecture, run
        return {self.metric: self.value}


@dataclass(frozen=True)
class FailingEvaluator:
    """Fails for a share of the architectures, always the same ones, and finds the others as good as their
    hash.
    """

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
            msg = f"This evaluator fails on {architecture.key}, as it was made to."
            raise ArithmeticError(msg)
        return {self.metric: unit}


@dataclass(frozen=True)
class ReturningEvaluator:
    """Returns what it was given, whatever that is: None, a string, a NaN.

    Args:
        result: What to return.
        good: What to return for the space's default, so that a study's first trial completes; the result if
            not given.
    """

    result: Any = math.nan
    good: Mapping[str, float] | None = None

    def __call__(self, architecture: Architecture, run: Run) -> Any:
        """Return the result, or, for the space's default, the good metrics."""
        return self.good if self.good is not None and architecture == run.space.default() else self.result


@dataclass(frozen=True)
class HashCosts:
    """Costs that follow from an architecture's hash: 1 to 1000, as good as random."""

    metric: str = "params"

    @property
    def metrics(self) -> tuple[str, ...]:
        """The name of the metric."""
        return (self.metric,)

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Count."""
        del run
        return {self.metric: 1.0 + int(1000 * unit_of(architecture, "costs"))}


def unit_of(architecture: Architecture, what: str = "score") -> float:
    """Return a number in [0, 1) that belongs to the architecture, and looks random."""
    return stream_seed(0, what, architecture.key) / 2**63
