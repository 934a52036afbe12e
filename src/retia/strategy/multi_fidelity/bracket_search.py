"""Search by brackets of successive halving: what SuccessiveHalving and Hyperband share."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from retia.space import SearchSpace
from retia.strategy.multi_fidelity.brackets import Bracket, Brackets
from retia.strategy.multi_fidelity.fidelities import growth, require_multi_fidelity
from retia.strategy.protocol import Strategy
from retia.strategy.views.fidelity_view import FidelityView
from retia.trial import History, Proposal, StrategyCapabilities

__all__ = ["BracketSearch"]


@dataclass
class BracketSearch(ABC):
    """Fill brackets with a strategy's architectures, and promote the best of each rung.

    Args:
        strategy: Strategy that proposes new architectures.
        fidelities: Fidelities of the rungs, increasing.
        eta: The best 1/eta of a rung is promoted. Default: the growth of the fidelities.

    Raises:
        StudyError: If `strategy` is not a strategy that only proposes, or sets fidelities itself.
        SpaceError: If `fidelities` are not at least two increasing positive numbers, or `eta` is not above 1.
    """

    strategy: Strategy
    fidelities: Sequence[float] = field(kw_only=True)
    eta: float | None = field(default=None, kw_only=True)
    _progress: Brackets | None = field(default=None, init=False, repr=False, compare=False)
    _view: FidelityView | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_multi_fidelity(self, self.strategy, self.fidelities, self.eta)

    @property
    @abstractmethod
    def brackets(self) -> tuple[Bracket, ...]:
        """The brackets, which repeat in this order."""

    @abstractmethod
    def _learnt_from(self, space: SearchSpace, evaluated: Mapping[float | None, int]) -> float | None:
        """Return the fidelity whose trials the strategy sees, given the number of trials at each."""

    @property
    def _factor(self) -> float:
        return self.eta or growth(self.fidelities)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return up to `n` new architectures until the bracket is full, then promotions.

        Fewer are returned while a rung is running.
        """
        brackets = self._of(history)
        due = brackets.due()
        if due.entries:
            learnt = self._learnt_from(space, brackets.evaluated)
            if self._view is None or self._view.source is not history or self._view.fidelity != learnt:
                self._view = FidelityView(history, learnt)
            count = min(n, due.entries)
            if entries := self._view.propose(self.strategy, space, count, rng, fidelity=due.fidelity):
                return entries
        return due.promotions[:n]

    def capabilities(self) -> StrategyCapabilities:
        """Return the fidelities, and the function that finds spent trials."""
        return StrategyCapabilities(fidelities=tuple(self.fidelities), spent=self.spent, wraps=self.strategy)

    def spent(self, history: History, left: int) -> Collection[int]:
        """Return the trials that have been promoted, and those that were not when their rung ended."""
        del left
        return self._of(history).spent()

    def _of(self, history: History) -> Brackets:
        if self._progress is None or self._progress.history is not history:
            self._progress = Brackets(self.brackets, history)
        return self._progress
