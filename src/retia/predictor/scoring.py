"""Scores of predictors: how well they rank unseen architectures."""

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
    """Rank correlations of predicted and true losses, from -1 to 1; 0 without correlation.

    Args:
        kendall: Kendall's tau-b.
        spearman: Spearman's rho.
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
    """Return how well a predictor, fitted to some architectures, ranks others.

    The predictor learns the ranks of the losses (`normal_scores`), as in `PredictorGuided`.

    Args:
        predictor: The predictor.
        space: Space of the architectures.
        train: Architectures of the training set, and their losses; lower is better (negate an accuracy).
        held_out: Architectures to rank, and their losses.
        seed: Seed of the fit. Default 0.

    Raises:
        SpaceError: If `train` or `held_out` has fewer than two architectures, or another number of losses.
    """
    architectures, losses = _validated("to learn from", *train)
    others, truth = _validated("to rank", *held_out)
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
    """Return the mean score over folds, each of which is ranked by a fit to the others.

    Args:
        predictor: The predictor.
        space: Space of the architectures.
        architectures: The architectures.
        losses: Losses of the architectures; lower is better.
        folds: Number of random folds, at least 2. Default 5.
        seed: Seed of the folds and the fits. Default 0.

    Raises:
        SpaceError: If the number of losses differs from that of architectures, or there are fewer than two
            architectures for each fold.
    """
    architectures, truth = _validated("to learn from", architectures, losses)
    if folds < 2 or len(architectures) < 2 * folds:
        msg = (
            "Cross-validation needs at least two folds with two architectures each, "
            f"got folds={folds} and {len(architectures)} architectures. Use fewer folds, or more trials."
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


def _validated(
    what: str, architectures: Sequence[Architecture], losses: Sequence[float] | Numbers
) -> tuple[Sequence[Architecture], Numbers]:
    """Return the architectures, and the losses as an array, shape (N,)."""
    truth = np.asarray(losses, dtype=np.float64)
    if truth.shape != (len(architectures),) or len(truth) < 2:
        msg = (
            f"A score needs at least two architectures {what} and one loss for each, "
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
    if np.ptp(predicted) == 0 or np.ptp(truth) == 0:  # constant values have no order
        return Score(0.0, 0.0)
    kendall: Any = kendalltau(predicted, truth)
    spearman: Any = spearmanr(predicted, truth)
    return Score(float(kendall.statistic), float(spearman.statistic))
