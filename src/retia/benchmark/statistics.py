"""Statistics of strategies over several seeds: bands, ranks, and tests of their differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retia.errors import EvaluationError

__all__ = ["Band", "CriticalDifference", "average_ranks", "band", "critical_difference"]


@dataclass(frozen=True, eq=False)
class Band:
    """The mean, the median and two quantiles of curves over seeds, each of shape (T,)."""

    mean: NDArray[np.float64]
    median: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def to_json(self) -> dict[str, list[float]]:
        """Return the curves as lists."""
        curves = {"mean": self.mean, "median": self.median, "low": self.low, "high": self.high}
        return {kind: curve.tolist() for kind, curve in curves.items()}


def band(curves: Sequence[NDArray[np.float64]], quantiles: tuple[float, float] = (0.25, 0.75)) -> Band:
    """Return the band of curves of S seeds.

    Args:
        curves: The S curves of shape (T,); shorter curves are extended with their last value.
        quantiles: Lower and upper quantile. Default: the quartiles.

    Raises:
        EvaluationError: If `curves` is empty, or contains an empty curve.
    """
    if not curves or not all(len(curve) for curve in curves):
        msg = (
            "A band needs at least one curve, and at least one value in each, got the lengths "
            f"{[len(curve) for curve in curves]}. Leave empty curves out."
        )
        raise EvaluationError(msg)
    longest = max(map(len, curves))
    stacked = np.array(
        [np.concatenate([curve, np.full(longest - len(curve), curve[-1])]) for curve in curves]
    )  # (S, T)
    low, median, high = np.quantile(stacked, [quantiles[0], 0.5, quantiles[1]], axis=0)
    return Band(stacked.mean(0), median, low, high)


def average_ranks(losses: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the mean rank of each strategy over seeds, 1 for the least loss; ties share their mean rank.

    Args:
        losses: One number for each of the same S seeds (or problems), by strategy.

    Raises:
        EvaluationError: If the strategies have different numbers of seeds.

    >>> average_ranks({"a": [0.1, 0.2], "b": [0.3, 0.2], "c": [0.4, 0.5]})
    {'a': 1.25, 'b': 1.75, 'c': 3.0}
    """
    return dict(zip(losses, _ranks(losses).mean(1).tolist(), strict=True))


@dataclass(frozen=True)
class CriticalDifference:
    """The result of a test whether strategies differ.

    Args:
        ranks: Mean rank of each strategy, best first.
        p: p-value of the Friedman test, whose null hypothesis is that all strategies are equal.
        difference: Critical difference of the Nemenyi test between two mean ranks.
        alpha: Significance level.
    """

    ranks: Mapping[str, float]
    p: float
    difference: float
    alpha: float

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """The maximal groups without a significant difference: bars of a critical-difference diagram."""
        names = list(self.ranks)
        found: list[tuple[str, ...]] = []
        for i, name in enumerate(names):
            group = tuple(
                other for other in names[i:] if self.ranks[other] - self.ranks[name] < self.difference
            )
            if len(group) > 1 and not (found and set(group) <= set(found[-1])):
                found.append(group)
        return found


def critical_difference(losses: Mapping[str, Sequence[float]], alpha: float = 0.05) -> CriticalDifference:
    """Test whether K strategies differ over S seeds (or problems).

    The statistic of the Friedman test, with the correction for ties, is chi-squared with K - 1 degrees of
    freedom. The critical difference of the Nemenyi test is q_alpha * sqrt(K * (K + 1) / (6 * S)), where
    q_alpha is the quantile of the studentized range, divided by sqrt(2).

    Args:
        losses: One number for each of the same S seeds, by strategy; less is better.
        alpha: Significance level.

    Raises:
        EvaluationError: If there are fewer than three strategies or two seeds, or the strategies have
            different numbers of seeds.

    Reference:
        Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 2006, section 3.2.2.
        Deviation: none.
    """
    from scipy.stats import chi2, studentized_range  # scikit-learn depends on scipy

    ranks = _ranks(losses)  # (K, S)
    count, seeds = ranks.shape
    if count < 3 or seeds < 2:
        msg = (
            "The Friedman test compares at least three strategies over at least two seeds, "
            f"got {count} over {seeds}. For two strategies, use a test such as Wilcoxon's."
        )
        raise EvaluationError(msg)
    means = ranks.mean(1)
    # The sum over seeds of squared deviations of ranks; with ties less than S * (K^3 - K) / 12.
    spread = ((ranks - (count + 1) / 2) ** 2).sum()
    statistic = (count - 1) * seeds**2 * ((means - (count + 1) / 2) ** 2).sum() / spread if spread else 0.0
    critical = float(studentized_range.ppf(1 - alpha, count, np.inf)) / np.sqrt(2)
    order = sorted(zip(means.tolist(), losses, strict=True), key=lambda pair: pair[0])
    return CriticalDifference(
        {name: mean for mean, name in order},
        float(chi2.sf(statistic, count - 1)),
        float(critical * np.sqrt(count * (count + 1) / (6 * seeds))),
        alpha,
    )


def _ranks(losses: Mapping[str, Sequence[float]]) -> NDArray[np.float64]:
    """Return the rank of each strategy for each seed, (K, S)."""
    lengths = {name: len(values) for name, values in losses.items()}
    if len(set(lengths.values())) != 1:
        msg = f"Strategies need the same number of seeds, got {lengths}. Run each with the same seeds."
        raise EvaluationError(msg)
    values = np.array(list(losses.values()), float)  # (K, S)
    below = (values[None] < values[:, None]).sum(1)  # number of better strategies
    equal = (values[None] == values[:, None]).sum(1)
    return below + (equal + 1) / 2
