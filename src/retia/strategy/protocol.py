"""What a strategy is."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from retia.space import SearchSpace
from retia.trial import History, Proposal

__all__ = ["Strategy"]


class Strategy(Protocol):
    """A function from the past to the next proposals.

    What it can do beside that, it says in an optional method `capabilities() -> StrategyCapabilities`.

    Laws, which `retia.testing.check_strategy` checks:

    - Every proposal is an architecture of the space.
    - What a strategy keeps is only a cache: a fresh instance given the same arguments answers the same. So a
      study resumes for free.
    - Its randomness comes from `rng` alone.
    - The history is read, never changed. Trials in it may be running, failed or infeasible.
    - A finite space comes to an end: when every architecture has been proposed, it returns nothing.

    A strategy need not avoid repetitions: the study answers a proposal that has been evaluated from its
    records, and asks again with other random numbers.
    """

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return up to `n` proposals; fewer means that it waits for running trials, or has no more."""
        ...
