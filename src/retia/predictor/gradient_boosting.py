"""Gradient boosting over encoded architectures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingRegressor

from retia.predictor.encoding import Encoder, Encoding, WeisfeilerLehman, require_encoding
from retia.space import Architecture, SearchSpace
from retia.strategy import FittedPredictor, require_number, require_whole

__all__ = ["GradientBoosting"]

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class GradientBoosting:
    """Predict the mean and the standard deviation of boosted tree ensembles on bootstrap samples.

    Each split is chosen among half of the features. With one member the standard deviation is 0.

    Args:
        encoding: Encoding of the architectures. Default: `WeisfeilerLehman()`.
        members: Number of ensembles. Default 5.
        trees: Number of trees in each. Default 100.
        depth: Maximum depth of a tree. Default 3.
        rate: Learning rate, the factor on each tree's prediction. Default 0.1.

    Raises:
        SpaceError: If `encoding` is not an encoding, or a number is out of its range.

    Reference:
        Friedman, Greedy Function Approximation: A Gradient Boosting Machine, 2001; Lakshminarayanan et al.,
        Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles, 2017, for the standard
        deviation. Deviation: the members are boosted trees.
    """

    encoding: Encoding = field(default_factory=WeisfeilerLehman)
    members: int = field(default=5, kw_only=True)
    trees: int = field(default=100, kw_only=True)
    depth: int = field(default=3, kw_only=True)
    rate: float = field(default=0.1, kw_only=True)

    def __post_init__(self) -> None:
        require_encoding(self, self.encoding)
        require_whole(self, members=1, trees=1, depth=1)
        require_number(self, "rate", above=0)

    def fit(
        self,
        space: SearchSpace,
        architectures: Sequence[Architecture],
        losses: Numbers,
        rng: np.random.Generator,
    ) -> FittedPredictor:
        """Fit to the losses of architectures, shape (N,); lower is better."""
        encode = self.encoding.fit(space, architectures)
        features = encode(architectures)
        members: list[GradientBoostingRegressor] = []
        for _ in range(self.members):
            drawn = rng.integers(len(losses), size=len(losses))
            member = GradientBoostingRegressor(
                n_estimators=self.trees,
                max_depth=self.depth,
                learning_rate=self.rate,
                max_features=0.5,
                random_state=int(rng.integers(2**31)),
            )
            members.append(member.fit(features[drawn], losses[drawn]))
        return _Boosted(encode, members)


@dataclass(frozen=True)
class _Boosted:
    encode: Encoder
    members: list[GradientBoostingRegressor]

    def predict(self, architectures: Sequence[Architecture]) -> tuple[Numbers, Numbers]:
        """Return the mean of the members' predictions and their standard deviation."""
        features = self.encode(architectures)
        predicted = np.array([member.predict(features) for member in self.members])  # (E, N)
        return predicted.mean(0), predicted.std(0)
