"""A random forest over encoded architectures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from retia.predictor.encoding import Encoder, Encoding, WeisfeilerLehman, check_encoding
from retia.space import Architecture, SearchSpace
from retia.strategy import FittedPredictor, check_number, check_whole

__all__ = ["RandomForest"]

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class RandomForest:
    """Predict by the mean of many trees, each grown on a bootstrap sample; the uncertainty is the trees'
    spread.

    Args:
        encoding: What the trees ask about.
        trees: How many.
        share: The share of the features among which a split is chosen.
        leaf: The fewest architectures in a leaf.

    Raises:
        SpaceError: If `encoding` is none, or a number is out of its range.

    Reference:
        Breiman, Random Forests, 2001; Hutter et al., Sequential Model-Based Optimization for General
        Algorithm Configuration, LION 2011, section 4.1, for the uncertainty. Deviation: the variance within
        leaves, which are small, is left out.
    """

    encoding: Encoding = field(default_factory=WeisfeilerLehman)
    trees: int = field(default=100, kw_only=True)
    share: float = field(default=0.5, kw_only=True)
    leaf: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        check_encoding(self, self.encoding)
        check_whole(self, trees=1, leaf=1)
        check_number(self, "share", above=0, most=1)

    def fit(
        self,
        space: SearchSpace,
        architectures: Sequence[Architecture],
        losses: Numbers,
        rng: np.random.Generator,
    ) -> FittedPredictor:
        """Learn the losses of some architectures; lower is better."""
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
        # The trees themselves are asked, for a forest checks its input once for each of them.
        predicted = np.array(
            [tree.tree_.predict(features)[:, 0] for tree in self.forest.estimators_]
        )  # (T, N)
        return predicted.mean(0), predicted.std(0)
