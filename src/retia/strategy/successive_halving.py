"""Successive halving."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from retia.errors import SpaceError
from retia.space import SearchSpace
from retia.strategy.brackets import Bracket, Brackets, halving
from retia.strategy.fidelities import check_multi_fidelity, growth, labels_of
from retia.strategy.fidelity_view import FidelityView
from retia.strategy.protocol import Strategy
from retia.trial import History, Proposal, StrategyCapabilities

__all__ = ["SuccessiveHalving"]


@dataclass
class SuccessiveHalving:
    """Try some architectures at the lowest fidelity, the best 1/eta of them at the next, and so on; then
    begin again with new ones.

    Each rung waits until the one below has ended: with one worker that costs nothing, with many `ASHA` wastes
    less. A promoted trial has the lower one as its parent, so that an evaluator goes on from what that has
    trained. The strategy within sees the lowest rung alone. Checkpoints are removed of what has been
    promoted, and of what was not when its rung ended. A study counts every trial, at whatever fidelity.

    Args:
        strategy: What proposes new architectures.
        fidelities: What a trial may cost, growing, in whatever the evaluator counts (epochs); the last is
            all, and its trials have the fidelity None, like those of any other strategy.
        eta: One in so many is promoted; as many as the fidelities grow by, if not given, so that all rungs
            cost about the same.
        entries: How many architectures begin together; as many as leave one for the last fidelity, if not
            given.

    Raises:
        StudyError: If `strategy` is none, prepares something before it proposes, or decides on fidelities
            itself.
        SpaceError: If the fidelities are not at least two growing positive numbers, `eta` is not above 1, or
            `entries` is below 1.

    Reference:
        Jamieson and Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization,
        AISTATS 2016, in the form of Li et al., Hyperband, JMLR 2018, algorithm 1, lines 4 to 9. Deviations:
        new architectures come from any strategy; fidelities need not grow by eta; a trial that fails leaves
        its place empty; a bracket that the space can't fill goes on with what there is.
    """

    strategy: Strategy
    fidelities: Sequence[float] = field(kw_only=True)
    eta: float | None = field(default=None, kw_only=True)
    entries: int | None = field(default=None, kw_only=True)
    _brackets: Brackets | None = field(default=None, init=False, repr=False, compare=False)
    _view: FidelityView | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_multi_fidelity(self, self.strategy, self.fidelities, self.eta)
        if self.entries is not None and self.entries < 1:
            msg = f"A bracket needs at least one architecture, got entries={self.entries}."
            raise SpaceError(msg)

    @property
    def bracket(self) -> Bracket:
        """How many architectures are tried at which fidelity."""
        eta = self.eta or growth(self.fidelities)
        entries = self.entries or math.ceil(eta ** (len(self.fidelities) - 1) - 1e-9)
        return halving(entries, labels_of(self.fidelities), eta)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return new architectures until the bracket is full, then promotions; fewer than `n`, or none, while
        a rung is running.
        """
        if self._view is None or self._view.source is not history:
            self._view = FidelityView(history, self.fidelities[0])
        due = self._of(history).due()
        if due.entries and (
            entries := self._view.propose(
                self.strategy, space, min(n, due.entries), rng, fidelity=due.fidelity
            )
        ):
            return entries
        return due.promotions[:n]

    def capabilities(self) -> StrategyCapabilities:
        """Return the fidelities, and which trials are not promoted any more."""
        return StrategyCapabilities(fidelities=tuple(self.fidelities), spent=self.spent, wraps=self.strategy)

    def spent(self, history: History, left: int) -> Collection[int]:
        """Return what has been promoted, and what was not when its rung ended."""
        del left
        return self._of(history).spent()

    def _of(self, history: History) -> Brackets:
        if self._brackets is None or self._brackets.history is not history:
            self._brackets = Brackets([self.bracket], history)
        return self._brackets
