"""A prior on choices."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TypeAlias, cast

import numpy as np

from retia.errors import SpaceError
from retia.space import Architecture, Domain, SearchSpace, Subset, Value
from retia.strategy.protocol import Strategy
from retia.strategy.wrapping import check_wrapped
from retia.trial import History, Proposal, StrategyCapabilities, strategy_capabilities_of

__all__ = ["Prior", "Weights"]

Weights: TypeAlias = "Mapping[Value, float] | Callable[[Value], float]"
"""How likely each value is to be good, as positive numbers of any sum: of a mapping, 1 for what it lacks; of
a subset, for each item.
"""

COUNTABLE = 1_000
"""The largest domain whose mean weight is computed."""


@dataclass
class Prior:
    """Prefer what is believed to be good among the proposals of another strategy.

    For each proposal the strategy is asked for several candidates, and one is drawn with a probability in
    proportion to the product of its values' weights, each relative to the mean of its domain. Over `Random`
    that is importance resampling from the prior; over any other strategy the prior and what the strategy has
    learnt both count. With c candidates no architecture becomes more than c times as likely.

    Args:
        strategy: What proposes.
        weights: For a label, or a pattern such as `"body/*/kernel"`, the weights of the values; several that
            match are multiplied.
        candidates: How many candidates each proposal is drawn from.
        fade: After how many trials the logarithm of the weights counts half, as 1 / (1 + trials / fade); it
            stays if not given.

    Raises:
        SpaceError: If a number is out of its range.
        StudyError: If `strategy` is none, or prepares something before it proposes.

    Reference:
        Hvarfner et al., πBO: Augmenting Acquisition Functions with User Beliefs for Bayesian Optimization,
        ICLR 2022. Deviation: the prior weighs proposals and not the values of an acquisition function, so
        that it serves every strategy.
    """

    strategy: Strategy
    weights: Mapping[str, Weights]
    candidates: int = field(default=10, kw_only=True)
    fade: float | None = field(default=None, kw_only=True)
    _space: SearchSpace | None = field(default=None, init=False, repr=False, compare=False)
    _believed: dict[str, list[Callable[[Value], float]]] = field(
        default_factory=dict[str, list[Callable[[Value], float]]], init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        check_wrapped(self, self.strategy)
        if self.candidates < 2:
            msg = (
                f"A prior draws each proposal from at least two candidates, got candidates={self.candidates}."
            )
            raise SpaceError(msg)
        if self.fade is not None and not self.fade > 0:
            msg = f"'fade' is a positive number of trials, or None for a prior that stays, got {self.fade}."
            raise SpaceError(msg)

    def capabilities(self) -> StrategyCapabilities:
        """Return those of the wrapped strategy."""
        return replace(strategy_capabilities_of(self.strategy), wraps=self.strategy)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return up to `n` of the strategy's candidates, drawn by their weights.

        Raises:
            SpaceError: If a label or pattern names no parameter, or a weight is not a positive number.
        """
        if space is not self._space:
            self._believed = _believed(space, self.weights)
            self._space = space
        asked = self.strategy.propose(space, history, n * self.candidates, rng)
        fresh = list(
            {
                one.architecture: one for one in asked if history.find(one.architecture, one.fidelity) is None
            }.values()
        )
        trust = 1.0 if self.fade is None else 1.0 / (1.0 + len(history) / self.fade)
        # The largest of log-weights with Gumbel noise are a draw without replacement in proportion to the
        # weights.
        keys = rng.gumbel(size=len(fresh)) + trust * np.array(
            [self._log_weight(one.architecture) for one in fresh]
        )
        return [fresh[i] for i in np.argsort(-keys, kind="stable")[:n].tolist()]

    def _log_weight(self, architecture: Architecture) -> float:
        believed = self._believed
        return sum(
            log_weight(value)
            for label, value in architecture.items()
            if label in believed
            for log_weight in believed[label]
        )


def _believed(
    space: SearchSpace, weights: Mapping[str, Weights]
) -> dict[str, list[Callable[[Value], float]]]:
    believed: dict[str, list[Callable[[Value], float]]] = {}
    for pattern, given in weights.items():
        labels = [label for label in space.parameters if label == pattern or fnmatchcase(label, pattern)]
        if not labels:
            msg = (
                f"A prior has weights for '{pattern}', which names no parameter of the space. "
                f"There are {list(space.parameters)}."
            )
            raise SpaceError(msg)
        for label in labels:
            believed.setdefault(label, []).append(_log_weight(label, space.parameters[label].domain, given))
    return believed


def _log_weight(label: str, domain: Domain, given: Weights) -> Callable[[Value], float]:
    """Return the function that gives the logarithm of a value's weight, relative to the mean of the
    domain's.
    """
    if isinstance(given, Mapping):
        legal = domain.items if isinstance(domain, Subset) else None
        for value in given:
            if value not in legal if legal is not None else not domain.contains(value):
                msg = (
                    f"A prior has a weight for {value!r} of '{label}', which takes {domain}. "
                    "Take one of these."
                )
                raise SpaceError(msg)

    def one(value: Value) -> float:
        weight = given.get(value, 1.0) if isinstance(given, Mapping) else given(value)
        if not (weight > 0 and math.isfinite(weight)):
            msg = (
                f"A weight is a positive number, got {weight} for {value!r} of '{label}'. "
                "To forbid a value restrict the space: space.where(...)."
            )
            raise SpaceError(msg)
        return math.log(weight)

    def log_weight(value: Value) -> float:
        return (
            sum(one(item) for item in cast("tuple[Value, ...]", value))
            if isinstance(domain, Subset)
            else one(value)
        )

    mean = 0.0
    if domain.size <= COUNTABLE:
        mean = math.log(sum(math.exp(log_weight(value)) for value in domain.enumerate()) / domain.size)
    return lambda value: log_weight(value) - mean
