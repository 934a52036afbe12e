"""Acquisition functions."""

import math
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Acquisition", "acquire", "expected_improvement", "scalarize"]

Acquisition: TypeAlias = Literal["improvement", "thompson", "bound"]
"""Expected improvement, independent Thompson sampling, or the lower confidence bound."""

Numbers: TypeAlias = NDArray[np.float64]

DRAWS = 64
"""Number of draws that estimate the expected improvement of a scalarization."""
AUGMENTATION = 0.05
"""Factor on the weighted sum that is added to the weighted maximum."""


def expected_improvement(mean: Numbers, std: Numbers, best: float) -> Numbers:
    """Return the expected improvement of losses N(mean, std^2) over `best`, shape (C,).

    EI = std (z Phi(z) + phi(z)), with z = (best - mean) / std.

    Reference:
        Jones et al., Efficient Global Optimization of Expensive Black-Box Functions, 1998, equation 15.
    """
    std = np.maximum(std, 1e-12)
    z = (best - mean) / std
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    below = np.array([0.5 * math.erfc(-one / math.sqrt(2)) for one in z.tolist()])
    return std * (z * below + density)


def scalarize(losses: Numbers, weights: Numbers, ideal: Numbers) -> Numbers:
    """Return the augmented Chebyshev distance of losses, shape (..., M), from `ideal`, shape (M,).

    max_m w_m (losses_m - ideal_m) + 0.05 sum_m w_m (losses_m - ideal_m)

    Reference:
        Knowles, ParEGO: A Hybrid Algorithm with On-line Landscape Approximation for Expensive Multiobjective
        Optimization Problems, 2006, equation 2. Deviation: the losses have deviation 1; the paper scales them
        to lie between 0 and 1.
    """
    weighted = weights * (losses - ideal)
    return weighted.max(-1) + AUGMENTATION * weighted.sum(-1)


def acquire(
    kind: Acquisition, mean: Numbers, std: Numbers, seen: Numbers, *, bound: float, rng: np.random.Generator
) -> Numbers:
    """Return the acquisition value of each candidate, shape (C,); higher is better.

    With several objectives the losses are drawn or bounded for each objective, and then scalarized with
    weights that are drawn uniformly from the simplex in each call.

    Args:
        kind: The acquisition function.
        mean: Predicted losses of C candidates in M objectives, shape (C, M).
        std: Standard deviations of the predictions, shape (C, M).
        seen: Losses of the trials so far, shape (N, M).
        bound: Number of standard deviations between the mean and the bound: mean - bound * std.
        rng: Random generator of draws and weights.

    Reference:
        White et al., BANANAS, AAAI 2021, section 4 (independent Thompson sampling); Srinivas et al., Gaussian
        Process Optimization in the Bandit Setting, 2010 (the bound); Paria et al., A Flexible Framework for
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
