"""A prior over the values of parameters."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TypeAlias, cast

import numpy as np

from retia.errors import SpaceError
from retia.space import Architecture, Domain, SearchSpace, Subset, Value
from retia.strategy.protocol import Strategy
from retia.strategy.requirements import require_number, require_strategy, require_whole
from retia.trial import History, Proposal, StrategyCapabilities, strategy_capabilities_of

__all__ = ["Prior", "Weights"]

Weights: TypeAlias = "Mapping[Value, float] | Callable[[Value], float]"
"""Positive weights of a parameter's values, of a subset's items; values that a mapping lacks have 1."""

COUNTABLE = 1_000
"""Size of the largest domain whose mean weight is computed."""


@dataclass
class Prior:
    """Prefer architectures that are believed to be good among the proposals of another strategy.

    The strategy is asked for `candidates` times as many proposals as needed. They are drawn without
    replacement, with probabilities proportional to prod_p (w_p / mean w_p)^t: the weights of their values,
    relative to the mean of the domain, with t = 1 / (1 + trials / fade). Around `Random` this is importance
    resampling from the prior. No architecture becomes more than `candidates` times as likely.

    Args:
        strategy: Strategy that proposes.
        weights: Weights of the values, by label or by pattern such as `"body/*/kernel"`. The weights of
            several matching patterns are multiplied.
        candidates: Number of candidates for each proposal, at least 2. Default 10.
        fade: Number of trials after which the exponent t is 1/2. Default: t = 1 throughout.

    Raises:
        SpaceError: If `candidates` or `fade` is out of its range.
        StudyError: If `strategy` is not a strategy that only proposes.

    Reference:
        Hvarfner et al., πBO: Augmenting Acquisition Functions with User Beliefs for Bayesian Optimization,
        ICLR 2022. Deviation: the prior weighs proposals instead of acquisition values, so that it works with
        every strategy.
    """

    strategy: Strategy
    weights: Mapping[str, Weights]
    candidates: int = field(default=10, kw_only=True)
    fade: float | None = field(default=None, kw_only=True)
    _space: SearchSpace | None = field(default=None, init=False, repr=False, compare=False)
    _log_weights: dict[str, list[Callable[[Value], float]]] = field(
        default_factory=dict[str, list[Callable[[Value], float]]], init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        require_strategy(self, self.strategy)
        require_whole(self, candidates=2)
        if self.fade is not None:
            require_number(self, "fade", above=0)

    def capabilities(self) -> StrategyCapabilities:
        """Return the capabilities of the wrapped strategy."""
        return replace(strategy_capabilities_of(self.strategy), wraps=self.strategy)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return up to `n` of the strategy's candidates, drawn by their weights.

        Raises:
            SpaceError: If a label or pattern matches no parameter, or a weight is not a positive number.
        """
        if space is not self._space:
            self._log_weights = _log_weights(space, self.weights)
            self._space = space
        asked = self.strategy.propose(space, history, n * self.candidates, rng)
        unseen = [one for one in asked if history.find(one.architecture, one.fidelity) is None]
        fresh = list({one.architecture: one for one in unseen}.values())
        exponent = 1.0 if self.fade is None else 1.0 / (1.0 + len(history) / self.fade)
        logs = np.array([self._log_weight(one.architecture) for one in fresh])
        # The largest log-weights plus Gumbel noise are a weighted draw without replacement.
        keys = rng.gumbel(size=len(fresh)) + exponent * logs
        return [fresh[i] for i in np.argsort(-keys, kind="stable")[:n].tolist()]

    def _log_weight(self, architecture: Architecture) -> float:
        return sum(
            log_weight(value)
            for label, value in architecture.items()
            for log_weight in self._log_weights.get(label, ())
        )


def _log_weights(
    space: SearchSpace, weights: Mapping[str, Weights]
) -> dict[str, list[Callable[[Value], float]]]:
    """Return the functions whose sum is the log-weight of a value, by label."""
    found: dict[str, list[Callable[[Value], float]]] = {}
    for pattern, given in weights.items():
        labels = [label for label in space.parameters if label == pattern or fnmatchcase(label, pattern)]
        if not labels:
            msg = (
                f"A prior has weights for '{pattern}', which matches no parameter of the space. "
                f"Use a label or a pattern of these: {list(space.parameters)}."
            )
            raise SpaceError(msg)
        for label in labels:
            found.setdefault(label, []).append(_log_weight(label, space.parameters[label].domain, given))
    return found


def _log_weight(label: str, domain: Domain, given: Weights) -> Callable[[Value], float]:
    """Return the function from a value to the logarithm of its weight, relative to the domain's mean."""
    if isinstance(given, Mapping):
        for value in given:
            legal = value in domain.items if isinstance(domain, Subset) else domain.contains(value)
            if not legal:
                msg = (
                    f"A prior has a weight for {value!r} of '{label}', which takes {domain}. "
                    "Use one of these values."
                )
                raise SpaceError(msg)

    def one(value: Value) -> float:
        weight = given.get(value, 1.0) if isinstance(given, Mapping) else given(value)
        if not (weight > 0 and math.isfinite(weight)):
            msg = (
                f"A weight must be a positive number, got {weight} for {value!r} of '{label}'. "
                "To exclude a value restrict the space: space.where(...)."
            )
            raise SpaceError(msg)
        return math.log(weight)

    def log_weight(value: Value) -> float:
        if isinstance(domain, Subset):
            return sum(one(item) for item in cast("tuple[Value, ...]", value))
        return one(value)

    mean = 0.0
    if domain.size <= COUNTABLE:
        mean = math.log(sum(math.exp(log_weight(value)) for value in domain.enumerate()) / domain.size)
    return lambda value: log_weight(value) - mean
