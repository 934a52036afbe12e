"""How well a predictor ranks architectures that it has not seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, spearmanr

from retia.errors import SpaceError
from retia.rng import stream
from retia.space import Architecture, SearchSpace
from retia.strategy import Predictor, normal_scores

__all__ = ["Score", "cross_validate", "score"]

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """The rank correlation of predicted and true losses: 1 for the same order, 0 for none, -1 for the
    opposite.

    Args:
        kendall: Kendall's tau-b: the share of pairs in the right order less the share in the wrong one.
        spearman: The correlation of the ranks.
    """

    kendall: float
    spearman: float

    def __str__(self) -> str:
        return f"Kendall's tau {self.kendall:.3f}, Spearman's rho {self.spearman:.3f}"


def score(
    predictor: Predictor,
    space: SearchSpace,
    train: tuple[Sequence[Architecture], Sequence[float] | Numbers],
    held_out: tuple[Sequence[Architecture], Sequence[float] | Numbers],
    *,
    seed: int = 0,
) -> Score:
    """Fit a predictor to some architectures, and return how well it ranks others.

    It learns the ranks of the losses, as `PredictorGuided` has it learn them.

    Args:
        predictor: The predictor.
        space: The space of the architectures.
        train: The architectures to learn from, and their losses (lower is better; turn an accuracy by its
            sign).
        held_out: The architectures to rank, and their losses.
        seed: Seeds the fit.

    Raises:
        SpaceError: If there are not as many losses as architectures, or fewer than two to learn from or to
            rank.
    """
    architectures, losses = _checked("to learn from", *train)
    others, truth = _checked("to rank", *held_out)
    fitted = predictor.fit(space, architectures, normal_scores(losses), stream(seed, "predictor"))
    return _agreement(fitted.predict(others)[0], truth)


def cross_validate(
    predictor: Predictor,
    space: SearchSpace,
    architectures: Sequence[Architecture],
    losses: Sequence[float] | Numbers,
    *,
    folds: int = 5,
    seed: int = 0,
) -> Score:
    """Return how well a predictor ranks architectures, each predicted by a fit to the other folds: the mean
    over the folds.

    Args:
        predictor: The predictor.
        space: The space of the architectures.
        architectures: The architectures.
        losses: Their losses: lower is better.
        folds: Into how many parts they are divided, at random.
        seed: Seeds the division and the fits.

    Raises:
        SpaceError: If there are not as many losses as architectures, or fewer than two for each fold.
    """
    architectures, truth = _checked("to learn from", architectures, losses)
    if folds < 2 or len(architectures) < 2 * folds:
        msg = (
            "Cross-validation needs at least two folds of two architectures, "
            f"got folds={folds} of {len(architectures)}. Take fewer folds, or more trials."
        )
        raise SpaceError(msg)
    scores: list[Score] = []
    for fold, (inside, outside) in enumerate(_folds(len(architectures), folds, seed)):
        fitted = predictor.fit(
            space,
            [architectures[i] for i in inside],
            normal_scores(truth[inside]),
            stream(seed, "predictor", fold),
        )
        scores.append(_agreement(fitted.predict([architectures[i] for i in outside])[0], truth[outside]))
    return Score(
        float(np.mean([one.kendall for one in scores])), float(np.mean([one.spearman for one in scores]))
    )


def _checked(
    what: str, architectures: Sequence[Architecture], losses: Sequence[float] | Numbers
) -> tuple[Sequence[Architecture], Numbers]:
    truth = np.asarray(losses, dtype=np.float64)
    if truth.shape != (len(architectures),) or len(truth) < 2:
        msg = (
            f"A predictor is scored by one loss for each architecture, at least two {what}, "
            f"got {len(architectures)} architectures and {truth.size} losses."
        )
        raise SpaceError(msg)
    return architectures, truth


def _folds(count: int, folds: int, seed: int) -> Iterator[tuple[list[int], list[int]]]:
    order = stream(seed, "folds").permutation(count)
    for fold in range(folds):
        outside = order[fold::folds]
        yield np.setdiff1d(order, outside).tolist(), outside.tolist()


def _agreement(predicted: Numbers, truth: Numbers) -> Score:
    if np.ptp(predicted) == 0 or np.ptp(truth) == 0:  # no order, so none that agrees
        return Score(0.0, 0.0)
    kendall: Any = kendalltau(predicted, truth)
    spearman: Any = spearmanr(predicted, truth)
    return Score(float(kendall.statistic), float(spearman.statistic))
