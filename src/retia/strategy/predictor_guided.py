"""Search guided by a predictor."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from retia.errors import SpaceError, StudyError
from retia.rng import stream
from retia.space import Architecture, SearchSpace
from retia.strategy.acquisition import Acquisition, acquire, normal_scores
from retia.strategy.settings import check_number, check_whole
from retia.strategy.unseen import AnyOf, sample_unseen
from retia.trial import History, Proposal, Trial

__all__ = ["FittedPredictor", "Predictor", "PredictorGuided", "targets_of"]

WALK = 10
"""How far a mutant of a mutant is followed until it is new."""


class FittedPredictor(Protocol):
    """What a predictor has learnt."""

    def predict(
        self, architectures: Sequence[Architecture]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean of each architecture's loss and its standard deviation, shapes (N,) and (N,)."""
        ...


class Predictor(Protocol):
    """A way to learn losses from architectures.

    Laws: it keeps nothing of what it has learnt, so that the same arguments give the same fit; its randomness
    comes from `rng` alone; it learns from one architecture, from equal losses, and from an architecture that
    stands twice.
    """

    def fit(
        self,
        space: SearchSpace,
        architectures: Sequence[Architecture],
        losses: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> FittedPredictor:
        """Learn the losses of some architectures, at least one; lower is better."""
        ...


@dataclass
class PredictorGuided:
    """Evaluate what a predictor, fitted to all trials so far, thinks the most worth of many candidates.

    The candidates are mutants of the best trials (one that is known is mutated on until it is new) and random
    architectures. With several objectives there is a predictor for each, and random weights turn what they
    predict into one number (see `acquisition.acquire`). Trials that failed or were rejected, and those that
    miss the constraints, count as worse than every other, these by how much they miss.

    Args:
        predictor: What learns, such as a `retia.predictor.GaussianProcess()`.
        acquisition: "improvement" (expected), "thompson" (independent samples) or "bound" (lower confidence
            bound).
        initial: How many random trials come first.
        mutants: How many mutants of the best trials there are to choose from.
        randoms: How many random architectures.
        parents: How many of the best trials are mutated.
        bound: How many standard deviations below the mean the bound lies.
        refit: By how many trials the history grows between two fits; after the 200 `refit`-th trial a
            two-hundredth of it.
        warp: Whether the predictor learns the ranks of the losses, as `normal_scores`; otherwise it learns
            the losses, standardized.

    Raises:
        SpaceError: If an argument is out of its range.
        StudyError: If the predictor is none; in a proposal, if it predicts no mean and standard deviation for
            each architecture.

    Reference:
        White et al., BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture Search,
        AAAI 2021, algorithm 1 describes the frame. Deviations: any predictor; ranks are learnt instead of
        losses; random candidates beside the mutants; the expected improvement, which found the optimum of
        NAS-Bench-201 sooner and more surely than the others.
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
        if self.acquisition not in get_args(Acquisition):
            msg = f"acquisition is one of {list(get_args(Acquisition))}, got {self.acquisition!r}."
            raise SpaceError(msg)
        check_predictor(self, self.predictor)
        check_whole(self, initial=1, mutants=0, randoms=0, parents=1, refit=1)
        check_number(self, "bound", least=0)
        if not self.mutants + self.randoms:
            msg = "A guided search needs candidates, got mutants=0 and randoms=0. Give it some of either."
            raise SpaceError(msg)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return the `n` candidates that are the most worth; random architectures until `initial` trials have
        begun and one has been evaluated.
        """
        proposals: list[Proposal] = []
        taken: set[Architecture] = set()
        while len(proposals) < n and (len(history) + len(proposals) < self.initial or not history.evaluated):
            drawn = sample_unseen(space, AnyOf(history, taken), rng)
            if drawn is None:
                return proposals
            taken.add(drawn)
            proposals.append(Proposal(drawn))
        if len(proposals) < n:
            proposals += self._guided(space, history, n - len(proposals), taken, rng)
        return proposals

    def _guided(
        self, space: SearchSpace, history: History, n: int, taken: set[Architecture], rng: np.random.Generator
    ) -> list[Proposal]:
        self._learn(space, history)
        candidates = self._candidates(space, history, n, taken, rng)
        if not candidates:
            return []
        architectures = list(candidates)
        predicted = [
            _checked(self.predictor, fitted.predict(architectures), len(architectures))
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
        """Fit the predictors to the trials, unless that has been done."""
        known = (
            sorted([*history.evaluated, *bad], key=lambda trial: trial.number)
            if (bad := history.unusable)
            else history.evaluated
        )
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
    ) -> dict[Architecture, int | None]:
        """Return new architectures, each with the number of the trial that it was mutated from."""
        found: dict[Architecture, int | None] = {}
        best = [
            trial
            for trial in _best(history, self.parents)
            if any(space.parameters[label].domain.size > 1 for label in trial.architecture)
        ]
        for place in rng.integers(len(best), size=self.mutants).tolist() if best else ():
            mutant = best[place].architecture
            for _ in range(WALK):
                mutant = space.mutate(mutant, rng)
                if mutant not in history and mutant not in taken:
                    found.setdefault(mutant, best[place].number)
                    break
        for _ in range(self.randoms):
            drawn = space.sample(rng)
            if drawn not in history and drawn not in taken:
                found.setdefault(drawn, None)
        while len(found) < n:
            drawn = sample_unseen(space, AnyOf(history, taken, found), rng)
            if drawn is None:
                break
            found[drawn] = None
        return found


def check_predictor(owner: object, predictor: Any) -> None:
    """Check that a predictor is one, as far as can be told before it has learnt.

    Raises:
        StudyError: If it is a class, has no `fit`, or one that takes other arguments.
    """
    name = type(owner).__name__
    if isinstance(predictor, type) or not hasattr(predictor, "fit"):
        msg = (
            f"{name} is guided by an object with a method fit, such as retia.predictor.GaussianProcess(), "
            f"got {predictor!r}."
        )
        raise StudyError(msg)
    try:
        inspect.signature(predictor.fit).bind("space", "architectures", "losses", "rng")
    except TypeError:
        msg = (
            f"{name} calls fit(space, architectures, losses, rng) of its predictor, "
            f"and fit of {type(predictor).__name__} is "
            f"fit{inspect.signature(predictor.fit)}. Wrap it: encode the architectures, "
            "by space.encode for instance, and fit it to that."
        )
        raise StudyError(msg) from None


def _checked(
    predictor: Predictor, predicted: Any, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a predictor says of `count` architectures, as arrays.

    Raises:
        StudyError: If it is no mean and standard deviation for each, finite, the deviations not negative.
    """
    pair = tuple(predicted) if isinstance(predicted, tuple | list) else (predicted,)
    arrays = [np.asarray(one, dtype=np.float64) for one in pair if one is not None]
    if (
        len(arrays) == 2
        and all(one.shape == (count,) and np.isfinite(one).all() for one in arrays)
        and (arrays[1] >= 0).all()
    ):
        return arrays[0], arrays[1]
    shapes = " and ".join(f"{one.shape}{'' if np.isfinite(one).all() else ', not finite'}" for one in arrays)
    msg = (
        f"{type(predictor).__name__} must predict a pair for {count} architectures: "
        "their mean losses and the standard deviations of these, finite, "
        f"shapes ({count},), and predicted {shapes}."
    )
    if len(arrays) < 2:
        msg += (
            " A predictor without an uncertainty can't guide a search: fit several, "
            "and return how far they differ."
        )
    raise StudyError(msg)


def _best(history: History, count: int) -> list[Trial]:
    """Return the best trials; with several objectives of the last 500 and the front, for all pairs of them
    are compared.
    """
    trials = history.evaluated
    if len(history.objectives) > 1 and len(trials) > 500:
        trials = list({trial.number: trial for trial in (*history.front, *trials[-500:])}.values())
    return history.ranked(trials)[:count]


def targets_of(history: History, trials: Sequence[Trial], *, warp: bool) -> NDArray[np.float64]:
    """Return what predictors learn of some trials that have ended, shape (N, M): their losses, free of units,
    with mean 0 and deviation 1.

    Trials that miss the constraints come after all others, by how much they miss them, and then those that
    failed or were rejected; without ranks these are as bad as the worst of the others.

    Args:
        history: What the trials are of.
        trials: The trials.
        warp: Whether to return the `normal_scores` of the losses.
    """
    good = np.array([history.feasible(trial) for trial in trials])
    raw = np.zeros((len(trials), len(history.objectives)))
    raw[good] = np.reshape(
        [history.losses(trial) for trial in trials if history.feasible(trial)], (-1, len(history.objectives))
    )
    worst = raw[good].max(0) if good.any() else 0.0
    if not good.all():
        # Beyond the worst by their place among the bad; what failed is the worst of these.
        misses = np.array(
            [np.inf if trial.state == "failed" else history.violation(trial) for trial in trials]
        )[~good]
        places = np.unique(misses, return_inverse=True)[1] + 1
        raw[~good] = (
            worst + places[:, None] * (1 + np.abs(worst)) * warp
        )  # without ranks, as bad as the worst
    columns = [normal_scores(column) if warp else column for column in raw.T]
    return np.stack([_standardized(column) for column in columns], axis=1)


def _standardized(column: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = column.std()
    return (column - column.mean()) / (
        spread if spread > 1e-12 * max(1.0, float(np.abs(column).max())) else 1.0
    )
