"""What a strategy is."""

from collections.abc import Collection, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from retia.space import SearchSpace
from retia.trial import History, Proposal, Run

__all__ = ["Prepared", "Promoting", "Strategy"]


class Strategy(Protocol):
    """A function from the past to the next proposals.

    Laws (`retia.testing.STRATEGY_LAWS`):

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


@runtime_checkable
class Prepared(Protocol):
    """An optional ability of a strategy: work before the first proposal, such as training a supernet, after
    which it judges otherwise.

    Laws: it goes on from what it has left in `run.directory`; prepared again, it proposes the same.
    """

    def prepare(self, evaluator: Any, run: Run) -> Any:
        """Do the work, and return the evaluator that scores the proposals from then on.

        Args:
            evaluator: The study's own.
            run: With the space (restricted to what the study's bounds on costs allow), a seed, the device, a
                folder, and who hears of progress.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON: a study's trials are scored by one preparation alone."""
        ...


@runtime_checkable
class Promoting(Protocol):
    """An optional ability of a strategy: it knows which trials none will go on from any more, so that what
    they kept for that may be removed.

    Laws: what is spent stays so, whatever trials end; of trials at fidelities that it does not use it says
    nothing.
    """

    def spent(self, history: History, left: int) -> Collection[int]:
        """Return the numbers of completed trials at a lower fidelity that will not be promoted, or have been
        and that has ended.

        Args:
            history: The study's trials.
            left: How many more trials may end.
        """
        ...
