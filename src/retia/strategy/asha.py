"""Asynchronous successive halving."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise

import numpy as np

from retia.space import SearchSpace
from retia.strategy.fidelities import check_multi_fidelity, growth, labels_of
from retia.strategy.fidelity_view import FidelityView
from retia.strategy.promoting import surely_ahead
from retia.strategy.protocol import Strategy
from retia.strategy.rungs import Rungs
from retia.trial import History, Proposal, StrategyCapabilities

__all__ = ["ASHA"]


@dataclass
class ASHA:
    """Try many architectures at a low fidelity, and promote whatever is among the best of its rung as soon as
    it is; nobody waits.

    A rung is the completed trials at one fidelity. Where an architecture is in the best 1/eta of a rung, and
    has not been tried at the next fidelity, it is next, the highest rung first; otherwise the strategy within
    proposes a new one for the lowest rung. A promoted trial has the lower one as its parent, so that an
    evaluator goes on from what that has trained.

    A study counts every trial, at whatever fidelity. The strategy within sees the lowest rung alone: there
    every architecture has a score, and all scores compare. The checkpoint of what has been promoted is
    removed when that has ended.

    Args:
        strategy: What proposes new architectures.
        fidelities: What a trial may cost, growing, in whatever the evaluator counts (epochs); the last is
            all, and its trials have the fidelity None, like those of any other strategy.
        eta: One in so many is promoted; as many as the fidelities grow by, if not given, so that all rungs
            cost about the same.
        extendable: Whether the study may be given more trials later. If not, checkpoints are also removed of
            what would not be promoted even if all the trials that it has left entered its rung, so that about
            one in eta is kept at most; what an extension promotes after all is trained from the beginning,
            with a warning, to the same result.

    Raises:
        StudyError: If `strategy` is none, prepares something before it proposes, or decides on fidelities
            itself.
        SpaceError: If the fidelities are not at least two growing positive numbers, or `eta` is not above 1.

    Reference:
        Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020, algorithm 2 (with s =
        0). Deviations: new architectures come from any strategy; fidelities need not grow by eta; a failed
        promotion is not repeated; with several objectives, or constraints, the best are by `History.ranked`.

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
        check_multi_fidelity(self, self.strategy, self.fidelities, self.eta)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return promotions, and new architectures for the lowest rung where there are fewer than `n`."""
        proposals = list(islice(self._of(history).promotions(), n))
        if len(proposals) == n:
            return proposals
        if self._view is None or self._view.source is not history:
            self._view = FidelityView(history, self.fidelities[0])
        return [
            *proposals,
            *self._view.propose(self.strategy, space, n - len(proposals), rng, fidelity=self.fidelities[0]),
        ]

    def capabilities(self) -> StrategyCapabilities:
        """Return the fidelities, and which trials are not promoted any more."""
        return StrategyCapabilities(fidelities=tuple(self.fidelities), spent=self.spent, wraps=self.strategy)

    def spent(self, history: History, left: int) -> Collection[int]:
        """Return what has been promoted, and, if the study is not extended, what would not be if all that is
        left entered its rung.
        """
        labels, eta, rungs = (
            labels_of(self.fidelities),
            self.eta or growth(self.fidelities),
            self._of(history),
        )
        found: set[int] = set()
        for lower, higher in pairwise(labels):
            room = int((len(rungs[lower]) + left) / eta + 1e-9)
            places = [-1] * len(rungs[lower]) if self.extendable else surely_ahead(history, rungs[lower])
            for trial, ahead in zip(rungs[lower], places, strict=True):
                promoted = history.find(trial.architecture, higher)
                if ahead >= room if promoted is None else promoted.finished:
                    found.add(trial.number)
        return found

    def _of(self, history: History) -> Rungs:
        if self._rungs is None or self._rungs.history is not history:
            self._rungs = Rungs(history, labels_of(self.fidelities), self.eta or growth(self.fidelities))
        return self._rungs
