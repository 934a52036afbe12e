"""A second strategy for where the first raises."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from retia.space import SearchSpace
from retia.strategy.protocol import Strategy
from retia.strategy.random import Random
from retia.strategy.wrapping import check_wrapped
from retia.trial import History, Proposal, StrategyCapabilities, strategy_capabilities_of

__all__ = ["Fallback"]


@dataclass(frozen=True)
class Fallback:
    """Propose by a strategy, and where it raises an exception by another.

    What was raised is told by a `RuntimeWarning`, each time; the first strategy is asked again the next time.

    Args:
        strategy: What proposes.
        otherwise: What proposes where `strategy` raises.

    Raises:
        StudyError: If one of them is no strategy, or prepares something before it proposes.
    """

    strategy: Strategy
    otherwise: Strategy = field(default_factory=Random)

    def __post_init__(self) -> None:
        check_wrapped(self, self.strategy)
        check_wrapped(self, self.otherwise)

    def capabilities(self) -> StrategyCapabilities:
        """Return those of the wrapped strategy."""
        return replace(strategy_capabilities_of(self.strategy), wraps=self.strategy)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return what the strategy proposes, or the other if it raises."""
        try:
            return self.strategy.propose(space, history, n, rng)
        except Exception as error:  # noqa: BLE001  # whatever it is: that is what this strategy is for
            first, second = type(self.strategy).__name__, type(self.otherwise).__name__
            msg = (
                f"{first} raised {type(error).__name__} after {len(history)} trials, "
                f"so {second} proposes instead: {error}"
            )
            warnings.warn(msg, RuntimeWarning, stacklevel=2)
        return self.otherwise.propose(space, history, n, rng)
