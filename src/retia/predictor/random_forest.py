"""A random forest over encoded architectures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from retia.predictor.encoding import Encoder, Encoding, WeisfeilerLehman, require_encoding
from retia.space import Architecture, SearchSpace
from retia.strategy import FittedPredictor, require_number, require_whole

__all__ = ["RandomForest"]

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class RandomForest:
    """Predict the mean and the standard deviation of trees that are grown on bootstrap samples.

    Args:
        encoding: Encoding of the architectures. Default: `WeisfeilerLehman()`.
        trees: Number of trees. Default 100.
        share: Share of the features among which a split is chosen, above 0 and at most 1. Default 0.5.
        leaf: Minimum number of architectures in a leaf. Default 1.

    Raises:
        SpaceError: If `encoding` is not an encoding, or a number is out of its range.

    Reference:
        Breiman, Random Forests, 2001; Hutter et al., Sequential Model-Based Optimization for General
        Algorithm Configuration, LION 2011, section 4.1, for the standard deviation. Deviation: without the
        variance within leaves.
    """

    encoding: Encoding = field(default_factory=WeisfeilerLehman)
    trees: int = field(default=100, kw_only=True)
    share: float = field(default=0.5, kw_only=True)
    leaf: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        require_encoding(self, self.encoding)
        require_whole(self, trees=1, leaf=1)
        require_number(self, "share", above=0, most=1)

    def fit(
        self,
        space: SearchSpace,
        architectures: Sequence[Architecture],
        losses: Numbers,
        rng: np.random.Generator,
    ) -> FittedPredictor:
        """Fit to the losses of architectures, shape (N,); lower is better."""
        encode = self.encoding.fit(space, architectures)
        forest = RandomForestRegressor(
            self.trees,
            max_features=float(self.share),
            min_samples_leaf=self.leaf,
            random_state=int(rng.integers(2**31)),
        )
        return _Forest(encode, forest.fit(encode(architectures), losses))


@dataclass(frozen=True)
class _Forest:
    encode: Encoder
    forest: RandomForestRegressor

    def predict(self, architectures: Sequence[Architecture]) -> tuple[Numbers, Numbers]:
        """Return the mean of the trees' predictions and their standard deviation."""
        features = self.encode(architectures).astype(np.float32)
        # Each tree's own predict would validate the features again.
        trees = (tree.tree_ for tree in self.forest.estimators_)
        predicted = np.array([tree.predict(features)[:, 0] for tree in trees])  # (T, N)
        return predicted.mean(0), predicted.std(0)
