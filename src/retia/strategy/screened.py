"""Proposals screened by a cheap score."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from retia.errors import StudyError
from retia.space import Architecture, SearchSpace
from retia.strategy.protocol import Strategy
from retia.strategy.requirements import require_number, require_strategy
from retia.trial import History, Proposal, StrategyCapabilities, strategy_capabilities_of

__all__ = ["Screened"]


@dataclass(frozen=True)
class Screened:
    """Ask another strategy for more proposals than needed, and keep those with the highest score.

    Args:
        strategy: Strategy that proposes.
        score: Function that scores an architecture, higher is better, such as a zero-cost proxy, or minus the
            latency. It must be deterministic; it is called once for each architecture. NaN is the worst.
        keep: Share of the proposals that is kept, above 0 and at most 1. Default 0.1, the best of ten.

    Raises:
        SpaceError: If `keep` is out of its range.
        StudyError: If `strategy` is not a strategy that only proposes.

    Reference:
        Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021 (zero-cost warm-up and move
        proposal). Deviation: the proposals are screened throughout the search.

    >>> from retia.space import Integer
    >>> from retia.strategy import Random
    >>> from retia.trial import Objective
    >>> strategy = Screened(Random(), lambda architecture: -architecture["width"], keep=1 / 9)
    >>> space, history = SearchSpace({"width": Integer(1, 9)}), History((Objective("y", "maximize"),))
    >>> proposals = strategy.propose(space, history, 1, np.random.default_rng(0))
    >>> [proposal.architecture["width"] for proposal in proposals]
    [1]
    """

    strategy: Strategy
    score: Callable[[Architecture], float]
    keep: float = field(default=0.1, kw_only=True)
    _scores: dict[Architecture, float] = field(
        default_factory=dict[Architecture, float], init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        require_strategy(self, self.strategy)
        require_number(self, "keep", above=0, most=1)

    def capabilities(self) -> StrategyCapabilities:
        """Return the capabilities of the wrapped strategy."""
        return replace(strategy_capabilities_of(self.strategy), wraps=self.strategy)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return the `n` proposals with the highest scores, of `n / keep`; ties go to the first.

        Raises:
            StudyError: If a score is not a number.
        """
        asked = self.strategy.propose(space, history, max(n, round(n / self.keep)), rng)
        fresh: dict[Architecture, Proposal] = {}
        for proposal in asked:
            if history.find(proposal.architecture, proposal.fidelity) is None:
                fresh.setdefault(proposal.architecture, proposal)
        return sorted(fresh.values(), key=self._rank)[:n]

    def _rank(self, proposal: Proposal) -> float:
        architecture = proposal.architecture
        if architecture not in self._scores:
            returned: Any = self.score(architecture)
            try:
                score = float(returned)
            except (TypeError, ValueError):
                msg = (
                    f"The score of Screened must be a number, got {returned!r} for {dict(architecture)}. "
                    "Return a number from 'score', higher for better architectures."
                )
                raise StudyError(msg) from None
            self._scores[architecture] = -math.inf if math.isnan(score) else score
        return -self._scores[architecture]
