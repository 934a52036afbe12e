"""A Gaussian process over encoded architectures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.sparse import csr_array, issparse

from retia.predictor.encoding import Encoder, Encoding, WeisfeilerLehman, require_encoding
from retia.space import Architecture, SearchSpace
from retia.strategy import FittedPredictor, require_whole

__all__ = ["GaussianProcess"]

Numbers = NDArray[np.float64]

LENGTHS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Candidate length scales, relative to the median squared distance."""
NOISES = (1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
"""Candidate noise variances, relative to the variance of the signal."""
DENSE = 0.1
"""Share of nonzero features above which products are dense."""
TUNED_ON = 150
"""Number of architectures to which the length scale and the noise are fitted."""


@dataclass(frozen=True)
class GaussianProcess:
    """Predict with a Gaussian process with the covariance exp(-d^2 / 2l) + noise.

    d is the distance of two encodings: with `WeisfeilerLehman` that of the graphs of cells and of one-hot
    vectors for all other parameters. With `OneHot` d^2 / 2 is the Hamming distance on the conditional space.
    The length scale l and the noise maximize the marginal likelihood on a grid.

    Args:
        encoding: Encoding of the architectures. Default: `WeisfeilerLehman()`.
        most: Largest number of architectures that are fitted, at least 2: the best half of them, and a random
            sample of the others. Default 500.

    Raises:
        SpaceError: If `encoding` is not an encoding, or `most` is below 2.

    Reference:
        Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, algorithm 2.1 and equation 5.8.
        Deviation from Ru et al., ICLR 2021: the squared exponential kernel of the Weisfeiler-Lehman counts,
        which ranks NAS-Bench-201 better than their linear one.
    """

    encoding: Encoding = field(default_factory=WeisfeilerLehman)
    most: int = field(default=500, kw_only=True)

    def __post_init__(self) -> None:
        require_encoding(self, self.encoding)
        require_whole(self, most=2)

    def fit(
        self,
        space: SearchSpace,
        architectures: Sequence[Architecture],
        losses: Numbers,
        rng: np.random.Generator,
    ) -> FittedPredictor:
        """Fit to the losses of architectures, shape (N,); lower is better."""
        if len(architectures) > self.most:
            order = np.argsort(losses, kind="stable")
            best = order[: self.most // 2]
            rest = rng.permutation(order[self.most // 2 :])[: self.most - len(best)]
            kept = np.sort(np.concatenate([best, rest]))
            architectures, losses = [architectures[i] for i in kept], losses[kept]
        encode = self.encoding.fit(space, architectures)
        rows = _Rows(encode(architectures))
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
        scale = float(whitened @ whitened) / len(losses)
        return _Posterior(encode, rows, inverse, whitened, length, center, scale)


class _Rows:
    """Rows of features, stored sparsely if most are 0: a graph has a few dozen of thousands of labels.

    Args:
        features: Features, shape (N, F).
    """

    def __init__(self, features: Numbers) -> None:
        dense = np.count_nonzero(features) > DENSE * features.size
        self._features = features if dense else csr_array(features)
        self._lengths = np.einsum("nf,nf->n", features, features)

    def squared_distances(self, others: "_Rows") -> Numbers:
        """Return half the squared Euclidean distance of each pair of rows, shape (N, M)."""
        products: Any = self._features @ others._features.T
        dense = products.toarray() if issparse(products) else products
        return np.maximum(0.5 * (self._lengths[:, None] + others._lengths) - dense, 0.0)


@dataclass(frozen=True)
class _Posterior:
    encode: Encoder
    rows: _Rows
    inverse: Numbers  # (N, N)
    whitened: Numbers  # (N,)
    length: float
    center: float
    scale: float

    def predict(self, architectures: Sequence[Architecture]) -> tuple[Numbers, Numbers]:
        """Return the mean and the standard deviation of each loss, without noise."""
        distances = self.rows.squared_distances(_Rows(self.encode(architectures)))
        covariance = np.exp(-distances / self.length)  # (N, C)
        projected = self.inverse @ covariance  # (N, C)
        mean = self.center + self.whitened @ projected
        variance = self.scale * np.maximum(1.0 - (projected**2).sum(0), 0.0)
        return mean, np.sqrt(variance)


def _most_likely(distances: Numbers, targets: Numbers) -> tuple[float, float]:
    """Return the length scale and noise of greatest marginal likelihood, maximized over the variance."""
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
