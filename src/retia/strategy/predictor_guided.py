"""Search guided by a predictor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from retia.errors import SpaceError
from retia.rng import stream
from retia.space import Architecture, SearchSpace
from retia.strategy.random import Random
from retia.strategy.requirements import require_number, require_one_of, require_whole
from retia.strategy.sampling.unseen import AnyOf, sample_unseen, unseen_mutant
from retia.strategy.surrogate.acquisition import Acquisition, acquire
from retia.strategy.surrogate.predictor import FittedPredictor, Predictor, predictions, require_predictor
from retia.strategy.surrogate.targets import targets_of
from retia.trial import History, Proposal, Trial

__all__ = ["PredictorGuided"]

COMPARED = 500
"""Number of the newest trials, besides the front, that are ranked with several objectives."""


@dataclass
class PredictorGuided:
    """Propose the candidates with the highest acquisition value under a predictor.

    The predictor is fitted to the trials so far. The candidates are mutants of the best trials, and random
    architectures; all of them are unseen. With several objectives there is one fit for each, and random
    weights scalarize the predictions (see `acquire`). Infeasible trials rank after all feasible ones, by
    constraint violation, and failed or rejected trials rank last.

    Args:
        predictor: Predictor of losses, such as `retia.predictor.GaussianProcess()`.
        acquisition: Acquisition function: "improvement" (expected improvement, the default), "thompson"
            (independent Thompson sampling) or "bound" (lower confidence bound).
        initial: Number of random trials before the first fit. Default 10.
        mutants: Number of mutants of the best trials among the candidates. Default 50.
        randoms: Number of random architectures among the candidates. Default 50.
        parents: Number of best trials that are mutated. Default 10.
        bound: Number of standard deviations between the mean and the confidence bound. Default 1.
        refit: Number of new trials between two fits; N / 200 after N trials, if that is more. Default 1.
        warp: Whether the predictor learns `normal_scores` of the losses; otherwise it learns the standardized
            losses. Default True.

    Raises:
        SpaceError: If an argument is out of its range.
        StudyError: If `predictor` is not a predictor.

    Reference:
        White et al., BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture Search,
        AAAI 2021, algorithm 1. Deviations: any predictor; ranks are learnt instead of losses; random
        candidates besides the mutants; expected improvement, which finds the optimum of NAS-Bench-201 with
        fewer trials.
    """

    predictor: Predictor
    acquisition: Acquisition = field(default="improvement", kw_only=True)
    initial: int = field(default=10, kw_only=True)
    mutants: int = field(default=50, kw_only=True)
    randoms: int = field(default=50, kw_only=True)
    parents: int = field(default=10, kw_only=True)
    bound: float = field(default=1.0, kw_only=True)
    refit: int = field(default=1, kw_only=True)
    warp: bool = field(default=True, kw_only=True)
    _key: tuple[object, ...] = field(default=(), init=False, repr=False, compare=False)
    _trials: list[Trial] = field(default_factory=list[Trial], init=False, repr=False, compare=False)
    _targets: NDArray[np.float64] = field(
        default_factory=lambda: np.zeros((0, 1)), init=False, repr=False, compare=False
    )
    _fitted: list[FittedPredictor] = field(
        default_factory=list[FittedPredictor], init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        require_one_of(self, "acquisition", get_args(Acquisition))
        require_predictor(self, self.predictor)
        require_whole(self, initial=1, mutants=0, randoms=0, parents=1, refit=1)
        require_number(self, "bound", least=0)
        if not self.mutants + self.randoms:
            msg = "PredictorGuided needs candidates, got mutants=0 and randoms=0. Increase one of them."
            raise SpaceError(msg)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return the `n` candidates with the highest acquisition values.

        They are random until `initial` trials have begun, and one has been evaluated.

        Raises:
            StudyError: If the predictor does not predict finite means and standard deviations.
        """
        count = min(n, max(self.initial - len(history), 0)) if history.evaluated else n
        proposals = list(Random().propose(space, history, count, rng))
        if count == n or len(proposals) < count:
            return proposals
        taken = {proposal.architecture for proposal in proposals}
        return [*proposals, *self._guided(space, history, n - count, taken, rng)]

    def _guided(
        self, space: SearchSpace, history: History, n: int, taken: set[Architecture], rng: np.random.Generator
    ) -> list[Proposal]:
        self._learn(space, history)
        candidates = self._candidates(space, history, n, taken, rng)
        if not candidates:
            return []
        architectures = list(candidates)
        predicted = [
            predictions(self.predictor, fitted.predict(architectures), len(architectures))
            for fitted in self._fitted
        ]
        mean, std = (np.stack(column, axis=1) for column in zip(*predicted, strict=True))  # (C, M)
        left = np.ones(len(architectures), dtype=bool)
        chosen: list[Proposal] = []
        while len(chosen) < n and left.any():
            worth = acquire(self.acquisition, mean, std, self._targets, bound=self.bound, rng=rng)
            best = int(np.where(left, worth, -np.inf).argmax())
            left[best] = False
            chosen.append(Proposal(architectures[best], parent=candidates[architectures[best]]))
        return chosen

    def _learn(self, space: SearchSpace, history: History) -> None:
        """Fit the predictors, unless they are fitted to these trials."""
        known = history.evaluated
        if history.unusable:
            known = sorted([*known, *history.unusable], key=lambda trial: trial.number)
        step = max(self.refit, len(known) // 200)
        trials = list(known[: len(known) - max(len(known) - self.initial, 0) % step])
        key = (space, history.objectives, history.constraints)
        if key == self._key and trials == self._trials:  # the same objects, so that this is quick
            return
        self._key, self._trials, self._targets = key, trials, targets_of(history, trials, warp=self.warp)
        architectures = [trial.architecture for trial in trials]
        place = (len(trials), architectures[-1].key)
        self._fitted = [
            self.predictor.fit(space, architectures, losses, stream(0, "predictor", *place, objective))
            for objective, losses in enumerate(self._targets.T)
        ]

    def _candidates(
        self, space: SearchSpace, history: History, n: int, taken: set[Architecture], rng: np.random.Generator
    ) -> Mapping[Architecture, int | None]:
        """Return at least `n` unseen architectures if there are any, each with its parent's number."""
        found: dict[Architecture, int | None] = {}
        seen = AnyOf(history, taken)
        best = _best(history, self.parents)
        for place in rng.integers(len(best), size=self.mutants).tolist():
            mutant = unseen_mutant(space, seen, best[place].architecture, rng)
            if mutant is not None:
                found.setdefault(mutant, best[place].number)
        for _ in range(self.randoms):
            drawn = space.sample(rng)
            if drawn not in seen:
                found.setdefault(drawn, None)
        while len(found) < n:
            drawn = sample_unseen(space, AnyOf(seen, found), rng)
            if drawn is None:
                break
            found[drawn] = None
        return found


def _best(history: History, count: int) -> list[Trial]:
    """Return the best trials; with several objectives of the front and the newest, as ranking is slow."""
    trials = history.evaluated
    if len(history.objectives) > 1 and len(trials) > COMPARED:
        trials = list({trial.number: trial for trial in (*history.front, *trials[-COMPARED:])}.values())
    return history.ranked(trials)[:count]
