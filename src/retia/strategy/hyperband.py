"""Hyperband."""

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

__all__ = ["Hyperband"]


@dataclass
class Hyperband:
    """Successive halving in brackets that begin ever higher, with ever fewer architectures, in case low
    fidelities mislead.

    The first bracket begins at the lowest fidelity, the last tries a few architectures at all of it; then the
    first comes again. All brackets cost about the same. A rung waits until the one below has ended. A
    promoted trial has the lower one as its parent, so that an evaluator goes on from what that has trained.
    Checkpoints are removed of what has been promoted, and of what was not when its rung ended.

    A study counts every trial, at whatever fidelity. The strategy within sees one fidelity alone, the highest
    at which enough trials have been evaluated, for scores of several don't compare.

    Args:
        strategy: What proposes new architectures.
        fidelities: What a trial may cost, growing, in whatever the evaluator counts (epochs); the last is
            all, and its trials have the fidelity None, like those of any other strategy.
        eta: One in so many is promoted; as many as the fidelities grow by, if not given, so that all rungs
            cost about the same.
        enough: How many trials at a fidelity are enough to learn from; three more than the space has
            parameters, if not given.

    Raises:
        StudyError: If `strategy` is none, prepares something before it proposes, or decides on fidelities
            itself.
        SpaceError: If the fidelities are not at least two growing positive numbers, `eta` is not above 1, or
            `enough` is below 1.

    Reference:
        Li et al., Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization, JMLR 2018,
        algorithm 1; what the strategy sees is after Falkner et al., BOHB, ICML 2018, algorithm 2, line 3.
        Deviations: new architectures come from any strategy; the fidelities are given, and need not grow by
        eta; a trial that fails leaves its place empty; a bracket that the space can't fill goes on with what
        there is.

    >>> from retia.strategy import Random
    >>> for bracket in Hyperband(Random(), fidelities=(1, 3, 9)).brackets:
    ...     print(bracket)
    Bracket(sizes=(9, 3, 1), labels=(1, 3, None))
    Bracket(sizes=(5, 1), labels=(3, None))
    Bracket(sizes=(3,), labels=(None,))
    """

    strategy: Strategy
    fidelities: Sequence[float] = field(kw_only=True)
    eta: float | None = field(default=None, kw_only=True)
    enough: int | None = field(default=None, kw_only=True)
    _brackets: Brackets | None = field(default=None, init=False, repr=False, compare=False)
    _view: FidelityView | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_multi_fidelity(self, self.strategy, self.fidelities, self.eta)
        if self.enough is not None and self.enough < 1:
            msg = f"'enough' is a number of trials from 1, got {self.enough}."
            raise SpaceError(msg)

    @property
    def brackets(self) -> tuple[Bracket, ...]:
        """The brackets of a round: how many architectures are tried at which fidelity."""
        labels, eta = labels_of(self.fidelities), self.eta or growth(self.fidelities)
        count = len(labels)
        return tuple(
            halving(math.ceil(count / (s + 1) * eta**s - 1e-9), labels[count - 1 - s :], eta)
            for s in range(count - 1, -1, -1)
        )

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return new architectures until the bracket is full, then promotions; fewer than `n`, or none, while
        a rung is running.
        """
        due = self._of(history).due()
        if due.entries:
            learnt = self._learnt_from(
                history, len(space.parameters) + 3 if self.enough is None else self.enough
            )
            if self._view is None or self._view.source is not history or self._view.fidelity != learnt:
                self._view = FidelityView(history, learnt)
            if entries := self._view.propose(
                self.strategy, space, min(n, due.entries), rng, fidelity=due.fidelity
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
            self._brackets = Brackets(self.brackets, history)
        return self._brackets

    def _learnt_from(self, history: History, enough: int) -> float | None:
        """Return the highest fidelity with enough evaluated trials, as trials have it; the lowest if there is
        none.
        """
        labels, counts = labels_of(self.fidelities), self._of(history).evaluated
        return next((label for label in reversed(labels) if counts[label] >= enough), labels[0])
