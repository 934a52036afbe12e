"""The protocol of strategies."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from retia.space import SearchSpace
from retia.trial import History, Proposal

__all__ = ["Strategy"]


class Strategy(Protocol):
    """A function from the history of a study to the next proposals.

    An optional method `capabilities() -> StrategyCapabilities` returns what else the strategy can do.

    Laws (`retia.testing.STRATEGY_LAWS`):

    - Every proposal is an architecture of the space.
    - A strategy keeps only caches: a fresh instance with the same arguments returns the same proposals. So a
      resumed study continues as if it had not been interrupted.
    - Its randomness comes from `rng` alone.
    - It reads the history, and does not change it. Trials in it may be running, failed or infeasible.
    - When every architecture of a finite space has been proposed, it returns no proposals.

    A strategy may repeat proposals: the study answers a repeated proposal from its records, and asks again
    with other random numbers.
    """

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return up to `n` proposals; fewer if the strategy waits for running trials, or is exhausted."""
        ...
