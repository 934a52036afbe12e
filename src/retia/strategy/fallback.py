"""A second strategy for when the first fails."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from retia.space import SearchSpace
from retia.strategy.protocol import Strategy
from retia.strategy.random import Random
from retia.strategy.requirements import require_strategy
from retia.trial import History, Proposal, StrategyCapabilities, strategy_capabilities_of

__all__ = ["Fallback"]


@dataclass(frozen=True)
class Fallback:
    """Propose with a strategy, and with another one whenever the first raises an exception.

    Each exception is reported by a `RuntimeWarning`.

    Args:
        strategy: The first strategy.
        otherwise: The other strategy. Default: `Random()`.

    Raises:
        StudyError: If `strategy` or `otherwise` is not a strategy that only proposes.
    """

    strategy: Strategy
    otherwise: Strategy = field(default_factory=Random)

    def __post_init__(self) -> None:
        require_strategy(self, self.strategy)
        require_strategy(self, self.otherwise)

    def capabilities(self) -> StrategyCapabilities:
        """Return the capabilities of the wrapped strategy."""
        return replace(strategy_capabilities_of(self.strategy), wraps=self.strategy)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return the proposals of `strategy`, or of `otherwise` if it raises."""
        try:
            return self.strategy.propose(space, history, n, rng)
        except Exception as error:  # noqa: BLE001  # any error of the strategy is what this class is for
            first, second = type(self.strategy).__name__, type(self.otherwise).__name__
            msg = (
                f"{first} raised {type(error).__name__} after {len(history)} trials, "
                f"so {second} proposes instead: {error}"
            )
            warnings.warn(msg, RuntimeWarning, stacklevel=2)
        return self.otherwise.propose(space, history, n, rng)
