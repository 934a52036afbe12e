"""A strategy restricted to a part of the space."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from retia.errors import StudyError
from retia.space import Architecture, SearchSpace
from retia.strategy.protocol import Strategy
from retia.strategy.requirements import require_strategy
from retia.trial import History, Proposal, StrategyCapabilities, strategy_capabilities_of

__all__ = ["Filtered"]

TRIES = 100
"""Number of times a strategy that ignores restrictions is asked again."""


@dataclass
class Filtered:
    """Propose with another strategy in the part of the space where a predicate holds.

    The strategy gets the space restricted by `SearchSpace.where`. Proposals outside of it are dropped. Unlike
    `space.where(...)` in the study this keeps the study's space, baseline and stored trials, so that a search
    can be narrowed when it resumes.

    Args:
        strategy: Strategy that proposes.
        predicate: Function that returns whether an architecture may be proposed; always the same for the same
            architecture.

    Raises:
        StudyError: If `strategy` is not a strategy that only proposes, or `predicate` is not callable.

    >>> from retia.space import Integer
    >>> from retia.strategy import Random
    >>> from retia.trial import Objective
    >>> space = SearchSpace({"width": Integer(1, 9), "depth": Integer(1, 9)})
    >>> strategy = Filtered(Random(), lambda architecture: architecture["width"] * architecture["depth"] <= 2)
    >>> history = History((Objective("y", "maximize"),))
    >>> proposals = strategy.propose(space, history, 9, np.random.default_rng(0))
    >>> sorted(tuple(proposal.architecture.values()) for proposal in proposals)
    [(1, 1), (1, 2), (2, 1)]
    """

    strategy: Strategy
    predicate: Callable[[Architecture], bool]
    _space: SearchSpace | None = field(default=None, init=False, repr=False, compare=False)
    _part: SearchSpace | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_strategy(self, self.strategy)
        if not callable(self.predicate):
            msg = (
                "Filtered needs a function of the architecture, such as lambda one: one['depth'] < 4, "
                f"got {self.predicate!r}."
            )
            raise StudyError(msg)

    def capabilities(self) -> StrategyCapabilities:
        """Return the capabilities of the wrapped strategy."""
        return replace(strategy_capabilities_of(self.strategy), wraps=self.strategy)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return up to `n` proposals for which the predicate holds.

        Raises:
            SpaceError: If the predicate holds for no sampled architecture.
        """
        if self._part is None or space is not self._space:
            self._space, self._part = space, space.where(self.predicate)
        for _ in range(TRIES):
            proposals = self.strategy.propose(self._part, history, n, rng)
            kept = [proposal for proposal in proposals if self.predicate(proposal.architecture)]
            if kept or not proposals:
                return kept
        return []
