"""Screening proposals by a cheap score."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from retia.errors import SpaceError, StudyError
from retia.space import Architecture, SearchSpace
from retia.strategy.protocol import Strategy
from retia.strategy.wrapping import check_wrapped
from retia.trial import History, Proposal, StrategyCapabilities, strategy_capabilities_of

__all__ = ["Screened"]


@dataclass(frozen=True)
class Screened:
    """Ask another strategy for more proposals than are wanted, and keep those with the highest score.

    Args:
        strategy: What proposes.
        score: How promising an architecture is, higher is better, such as a zero-cost proxy, or minus its
            latency; always the same for the same architecture. It is asked once for each. NaN is worse than
            any number.
        keep: Which share of the proposals is kept: with 0.1 the best of ten.

    Raises:
        SpaceError: If `keep` is out of its range.
        StudyError: If `strategy` is none, or prepares something before it proposes.

    Reference:
        Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021 (zero-cost warm-up and move
        proposal).
        Deviation: every proposal is screened, those of the first population like the later.

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
        check_wrapped(self, self.strategy)
        if not 0 < self.keep <= 1:
            msg = (
                f"'keep' is a share above 0, at most 1, got {self.keep}. To keep the best of ten write "
                "keep=0.1."
            )
            raise SpaceError(msg)

    def capabilities(self) -> StrategyCapabilities:
        """Return those of the wrapped strategy."""
        return replace(strategy_capabilities_of(self.strategy), wraps=self.strategy)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return the `n` best by the score of `n / keep` new proposals; where scores are equal, those that
        came first.

        Raises:
            StudyError: If a score is no number.
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
                    "A score of Screened is a number, higher for what is better, "
                    f"got {returned!r} for {dict(architecture)}. Return one from 'score'."
                )
                raise StudyError(msg) from None
            self._scores[architecture] = -math.inf if math.isnan(score) else score
        return -self._scores[architecture]
