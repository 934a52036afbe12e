"""Asynchronous successive halving."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise

import numpy as np

from retia.space import SearchSpace
from retia.strategy.multi_fidelity.certain_ranks import certain_ranks
from retia.strategy.multi_fidelity.fidelities import growth, require_multi_fidelity, rung_fidelities
from retia.strategy.multi_fidelity.rungs import Rungs
from retia.strategy.protocol import Strategy
from retia.strategy.views.fidelity_view import FidelityView
from retia.trial import History, Proposal, StrategyCapabilities

__all__ = ["ASHA"]


@dataclass
class ASHA:
    """Evaluate many architectures at the lowest fidelity, and promote the best as soon as they are known.

    A rung is the set of completed trials at one fidelity. An architecture among the best 1/eta of a rung is
    evaluated at the next fidelity, the highest rung first. If there is no promotion, the wrapped strategy
    proposes a new architecture for the lowest rung. So no worker waits.

    A promoted trial has the lower one as its parent, so that an evaluator can continue its training. Its
    checkpoint is removed when the promotion has ended. The wrapped strategy sees the lowest rung only. Every
    trial counts, at any fidelity.

    Args:
        strategy: Strategy that proposes new architectures.
        fidelities: Fidelities of the rungs, increasing, in the unit of the evaluator (epochs). Trials at the
            last have the fidelity None, like those of strategies without fidelities.
        eta: The best 1/eta of a rung is promoted. Default: the factor by which the fidelities grow, so that
            all rungs cost about the same.
        extendable: Whether the study may be given more trials later. If False, the checkpoints of trials that
            the remaining trials can't promote are removed too, so that at most about 1/eta are kept. An
            extension that promotes such a trial trains it from the start, with a warning.

    Raises:
        StudyError: If `strategy` is not a strategy that only proposes, or sets fidelities itself.
        SpaceError: If `fidelities` are not at least two increasing positive numbers, or `eta` is not above 1.

    Reference:
        Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020, algorithm 2 (s = 0).
        Deviations: any strategy proposes the architectures; fidelities need not grow by eta; a failed
        promotion is not repeated; with several objectives or constraints the order is `History.ranked`.

    >>> from retia.space import Integer
    >>> from retia.strategy import Random
    >>> from retia.trial import Objective
    >>> strategy = ASHA(Random(), fidelities=(1, 3, 9))
    >>> space, history = SearchSpace({"width": Integer(4, 4)}), History((Objective("y", "maximize"),))
    >>> strategy.propose(space, history, 1, np.random.default_rng(0))
    [Proposal(architecture=Architecture({'width': 4}), fidelity=1, parent=None, limits=None)]
    """

    strategy: Strategy
    fidelities: Sequence[float] = field(kw_only=True)
    eta: float | None = field(default=None, kw_only=True)
    extendable: bool = field(default=True, kw_only=True)
    _rungs: Rungs | None = field(default=None, init=False, repr=False, compare=False)
    _view: FidelityView | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_multi_fidelity(self, self.strategy, self.fidelities, self.eta)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return up to `n` promotions, filled up with new architectures for the lowest rung."""
        lowest, proposals = self.fidelities[0], list(islice(self._of(history).promotions(), n))
        if len(proposals) == n:
            return proposals
        if self._view is None or self._view.source is not history:
            self._view = FidelityView(history, lowest)
        return [
            *proposals,
            *self._view.propose(self.strategy, space, n - len(proposals), rng, fidelity=lowest),
        ]

    def capabilities(self) -> StrategyCapabilities:
        """Return the fidelities, and the function that finds spent trials."""
        return StrategyCapabilities(fidelities=tuple(self.fidelities), spent=self.spent, wraps=self.strategy)

    def spent(self, history: History, left: int) -> Collection[int]:
        """Return the trials whose promotion has ended.

        If the study is not extendable, also those that `left` more trials in their rung can't promote.
        """
        eta, rungs = self.eta or growth(self.fidelities), self._of(history)
        found: set[int] = set()
        for lower, higher in pairwise(rung_fidelities(self.fidelities)):
            room = int((len(rungs[lower]) + left) / eta + 1e-9)
            places = [-1] * len(rungs[lower]) if self.extendable else certain_ranks(history, rungs[lower])
            for trial, ahead in zip(rungs[lower], places, strict=True):
                promoted = history.find(trial.architecture, higher)
                if ahead >= room if promoted is None else promoted.finished:
                    found.add(trial.number)
        return found

    def _of(self, history: History) -> Rungs:
        if self._rungs is None or self._rungs.history is not history:
            eta = self.eta or growth(self.fidelities)
            self._rungs = Rungs(history, rung_fidelities(self.fidelities), eta)
        return self._rungs
