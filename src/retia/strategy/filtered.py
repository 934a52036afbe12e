"""A strategy kept to the architectures of which something is true."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from retia.errors import StudyError
from retia.space import Architecture, SearchSpace
from retia.strategy.protocol import Strategy
from retia.strategy.wrapping import check_wrapped
from retia.trial import History, Proposal, StrategyCapabilities, strategy_capabilities_of

__all__ = ["Filtered"]

TRIES = 100
"""How many times a strategy that takes no notice of restrictions is asked again."""


@dataclass
class Filtered:
    """Propose by another strategy in the part of the space where a predicate holds.

    The other strategy is given the space restricted by `SearchSpace.where`, so that it samples and mutates
    within it; what it proposes outside all the same is dropped. Unlike `space.where(...)` in the study itself
    this leaves the study's space, its baseline and its stored trials as they are: a search can be narrowed
    while it goes on.

    Args:
        strategy: What proposes.
        predicate: Whether an architecture may be proposed; always the same for the same architecture.

    Raises:
        StudyError: If `strategy` is none, or prepares something before it proposes, or `predicate` is no
            function.

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
        check_wrapped(self, self.strategy)
        if not callable(self.predicate):
            msg = (
                "Filtered keeps what a function of the architecture holds true of, such as lambda one: "
                f"one['depth'] < 4, got {self.predicate!r}."
            )
            raise StudyError(msg)

    def capabilities(self) -> StrategyCapabilities:
        """Return those of the wrapped strategy."""
        return replace(strategy_capabilities_of(self.strategy), wraps=self.strategy)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return up to `n` proposals for which the predicate holds.

        Raises:
            SpaceError: If no sampled architecture meets the predicate.
        """
        if self._part is None or space is not self._space:
            self._space, self._part = space, space.where(self.predicate)
        for _ in range(TRIES):
            proposals = self.strategy.propose(self._part, history, n, rng)
            kept = [proposal for proposal in proposals if self.predicate(proposal.architecture)]
            if kept or not proposals:
                return kept
        return []
