"""A strategy that begins with known architectures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retia.space import SearchSpace, Value
from retia.strategy.listed import Listed
from retia.strategy.protocol import Strategy
from retia.strategy.wrapping import check_wrapped
from retia.trial import History, Proposal, Trial

__all__ = ["WarmStarted"]


@dataclass(frozen=True)
class WarmStarted:
    """Propose known architectures first, then go on by another strategy, which has their results in its history.

    An earlier study is known by its best: `WarmStarted(RegularizedEvolution(), study.top(10))`. They are evaluated anew, for another
    evaluator, data set or budget gives another score; trials of several scores in one history would mislead whatever learns from it.

    Args:
        strategy: What proposes once the known architectures have been.
        known: Architectures, or trials that have them, in the order in which to propose them.

    Raises:
        StudyError: If `strategy` is none, or prepares something before it proposes.

    >>> from retia.space import Integer
    >>> from retia.strategy import Random
    >>> from retia.trial import Objective
    >>> strategy = WarmStarted(Random(), [{"width": 9}])
    >>> space, history = SearchSpace({"width": Integer(1, 9)}), History((Objective("y", "maximize"),))
    >>> [proposal.architecture["width"] for proposal in strategy.propose(space, history, 1, np.random.default_rng(0))]
    [9]
    """

    strategy: Strategy
    known: Sequence[Mapping[str, Value] | Trial]

    def __post_init__(self) -> None:
        check_wrapped(self, self.strategy)

    def propose(self, space: SearchSpace, history: History, n: int, rng: np.random.Generator) -> Sequence[Proposal]:
        """Return the next known architectures; when these have been proposed, what the strategy proposes.

        Raises:
            ArchitectureError: If a known architecture is not of the space.
        """
        known = [one.architecture if isinstance(one, Trial) else one for one in self.known]
        return Listed(known).propose(space, history, n, rng) or self.strategy.propose(space, history, n, rng)
