"""A Gaussian process over encoded architectures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.sparse import csr_array, issparse

from retia.predictor.encoding import Encoder, Encoding, WeisfeilerLehman, check_encoding
from retia.space import Architecture, SearchSpace
from retia.strategy import FittedPredictor, check_whole

__all__ = ["GaussianProcess"]

Numbers = NDArray[np.float64]

LENGTHS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
"""The length scales that are tried, in shares of the median squared distance."""
NOISES = (1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
"""The noise variances that are tried, in shares of the signal's."""
DENSE = 0.1
"""From which share of features that are not 0 on the products of all are taken."""
TUNED_ON = 150
"""How many architectures decide on the length scale and the noise."""


@dataclass(frozen=True)
class GaussianProcess:
    """Predict by likeness: the covariance of two architectures falls with the squared distance of their
    encodings, exp(-d^2 / 2l).

    With `WeisfeilerLehman` the graphs of cells are compared, and all other parameters as with `OneHot`, where
    d^2 / 2 is the Hamming distance on the conditional space. The length scale and the noise maximize the
    marginal likelihood on a grid.

    Args:
        encoding: What distances are taken of.
        most: How many architectures it learns from at most; of more, the best half and a random draw from the
            rest.

    Raises:
        SpaceError: If `encoding` is none, or `most` is below 2.

    Reference:
        Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, algorithm 2.1 and equation 5.8.
        Ru et al., ICLR 2021, take a linear kernel of the Weisfeiler-Lehman counts; the squared exponential
        ranks NAS-Bench-201 better.
    """

    encoding: Encoding = field(default_factory=WeisfeilerLehman)
    most: int = field(default=500, kw_only=True)

    def __post_init__(self) -> None:
        check_encoding(self, self.encoding)
        check_whole(self, most=2)

    def fit(
        self,
        space: SearchSpace,
        architectures: Sequence[Architecture],
        losses: Numbers,
        rng: np.random.Generator,
    ) -> FittedPredictor:
        """Learn the losses of some architectures; lower is better."""
        if len(architectures) > self.most:
            order = np.argsort(losses, kind="stable")
            best = order[: self.most // 2]
            rest = rng.permutation(order[self.most // 2 :])[: self.most - len(best)]
            kept = np.sort(np.concatenate([best, rest]))
            architectures, losses = [architectures[i] for i in kept], losses[kept]
        encode = self.encoding.fit(space, architectures)
        features = encode(architectures)
        rows = _Rows(features)
        distances = rows.squared_distances(rows)
        center = float(losses.mean())
        targets = losses - center
        tuned = np.sort(rng.permutation(len(losses))[:TUNED_ON])
        length, noise = _most_likely(distances[np.ix_(tuned, tuned)], targets[tuned])
        covariance = np.exp(-distances / length)
        np.fill_diagonal(covariance, 1.0 + noise)
        inverse: Numbers = np.asarray(
            solve_triangular(np.linalg.cholesky(covariance), np.eye(len(losses)), lower=True),
            dtype=np.float64,
        )  # covariance^-1 = inverse.T @ inverse
        whitened = inverse @ targets
        return _Posterior(
            encode,
            features,
            rows,
            inverse,
            whitened,
            length,
            center,
            float(whitened @ whitened) / len(losses),
        )


class _Rows:
    """Rows of features whose products with others are taken: of thousands of labels a graph has a few dozen,
    so that most are products of zeros.

    Args:
        features: The rows, shape (N, F).
    """

    def __init__(self, features: Numbers) -> None:
        self._features = (
            features if np.count_nonzero(features) > DENSE * features.size else csr_array(features)
        )
        self._lengths = np.einsum("nf,nf->n", features, features)

    def squared_distances(self, others: "_Rows") -> Numbers:
        """Return half the squared Euclidean distances from each of these rows to each of the others, shape
        (N, M).
        """
        products: Any = self._features @ others._features.T
        return np.maximum(
            0.5 * (self._lengths[:, None] + others._lengths)
            - (products.toarray() if issparse(products) else products),
            0.0,
        )


@dataclass(frozen=True)
class _Posterior:
    encode: Encoder
    features: Numbers  # (N, F)
    rows: _Rows
    inverse: Numbers  # (N, N)
    whitened: Numbers  # (N,)
    length: float
    center: float
    scale: float

    def predict(self, architectures: Sequence[Architecture]) -> tuple[Numbers, Numbers]:
        """Return the mean and the standard deviation of each loss, without noise."""
        covariance = np.exp(
            -self.rows.squared_distances(_Rows(self.encode(architectures))) / self.length
        )  # (N, C)
        projected = self.inverse @ covariance  # (N, C)
        mean = self.center + self.whitened @ projected
        variance = self.scale * np.maximum(1.0 - (projected**2).sum(0), 0.0)
        return mean, np.sqrt(variance)


def _most_likely(distances: Numbers, targets: Numbers) -> tuple[float, float]:
    """Return the length scale and the noise of the greatest marginal likelihood, with the signal's variance
    at its own maximum.
    """
    apart = distances[distances > 0]
    typical = float(np.median(apart)) if apart.size else 1.0
    best = (math.inf, typical, NOISES[0])
    for share in LENGTHS:
        length = typical * share
        values, vectors = np.linalg.eigh(np.exp(-distances / length))
        projected = (targets @ vectors) ** 2
        for noise in NOISES:
            variances = np.maximum(values, 0.0) + noise
            scale = max(float((projected / variances).mean()), 1e-300)
            misfit = len(targets) * math.log(scale) + float(np.log(variances).sum())
            if misfit < best[0]:
                best = (misfit, length, noise)
    return best[1], best[2]
