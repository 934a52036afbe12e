"""What makes a predicted architecture worth an evaluation. Losses: lower is better; of an acquisition value
more is better.
"""

import math
from statistics import NormalDist
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Acquisition", "acquire", "expected_improvement", "normal_scores", "scalarize"]

Acquisition: TypeAlias = Literal["improvement", "thompson", "bound"]
"""Expected improvement, independent Thompson sampling, or the (lower) confidence bound."""

Numbers: TypeAlias = NDArray[np.float64]

DRAWS = 64
"""How many draws estimate the expected improvement of a scalarization."""
AUGMENTATION = 0.05
"""How much of the weighted sum is added to the weighted maximum."""


def normal_scores(losses: Numbers) -> Numbers:
    """Return the losses, shape (N,), as the quantiles of a normal distribution at their ranks; equal losses
    get equal scores.

    What a predictor learns from is then free of units and of outliers, such as the networks that did not
    train at all.

    >>> normal_scores(np.array([3.0, 900.0, 1.0])).round(2).tolist()
    [0.0, 0.97, -0.97]
    """
    _, places, counts = np.unique(losses, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - counts / 2  # the middle of each group of equals
    quantile = NormalDist().inv_cdf
    return np.array([quantile(share) for share in (ranks / len(losses)).tolist()])[places]


def expected_improvement(mean: Numbers, std: Numbers, best: float) -> Numbers:
    """Return by how much each loss, normal with `mean` and `std`, shape (C,), is expected to fall below
    `best`.

    Reference:
        Jones et al., Efficient Global Optimization of Expensive Black-Box Functions, 1998, equation 15.
    """
    std = np.maximum(std, 1e-12)
    z = (best - mean) / std
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    below = np.array([0.5 * math.erfc(-one / math.sqrt(2)) for one in z.tolist()])
    return std * (z * below + density)


def scalarize(losses: Numbers, weights: Numbers, ideal: Numbers) -> Numbers:
    """Return the augmented weighted Chebyshev distance of losses, shape (..., M), from the ideal point, shape
    (M,).

    Reference:
        Knowles, ParEGO: A Hybrid Algorithm with On-line Landscape Approximation for Expensive Multiobjective
        Optimization Problems, 2006, equation 2, with its 0.05. Deviation: the paper scales each objective to
        lie between 0 and 1; here the losses are those that the predictors learn, of deviation 1.
    """
    weighted = weights * (losses - ideal)
    return weighted.max(-1) + AUGMENTATION * weighted.sum(-1)


def acquire(
    kind: Acquisition, mean: Numbers, std: Numbers, seen: Numbers, *, bound: float, rng: np.random.Generator
) -> Numbers:
    """Return how much each candidate is worth.

    With several objectives the losses are drawn, or bounded, one objective at a time, and then scalarized by
    weights that are drawn uniformly from the simplex for this call.

    Args:
        kind: By which acquisition.
        mean: The predicted losses, shape (C, M): C candidates, M objectives.
        std: How far they may be off, shape (C, M).
        seen: The losses of the trials so far, shape (N, M).
        bound: How many standard deviations below the mean the bound lies.
        rng: Where the randomness comes from.

    Reference:
        White et al. 2021, section 4 (independent Thompson sampling); Srinivas et al., Gaussian Process
        Optimization in the Bandit Setting, 2010 (the bound); Paria et al., A Flexible Framework for
        Multi-Objective Bayesian Optimization using Random Scalarizations, UAI 2019, algorithm 1, with the
        scalarization of ParEGO.
    """
    candidates, objectives = mean.shape
    if objectives == 1 and kind == "improvement":
        return expected_improvement(mean[:, 0], std[:, 0], float(seen.min()))
    weights = rng.dirichlet(np.ones(objectives))
    ideal = seen.min(0)
    if kind == "bound":
        return -scalarize(mean - bound * std, weights, ideal)
    if kind == "thompson":
        return -scalarize(mean + std * rng.standard_normal((candidates, objectives)), weights, ideal)
    drawn = mean + std * rng.standard_normal((DRAWS, 1, objectives))  # (S, C, M)
    improvement = scalarize(seen, weights, ideal).min() - scalarize(drawn, weights, ideal)
    return np.maximum(improvement, 0).mean(0)
