"""What to say of strategies that ran with several seeds: medians and bands, ranks, and whether a difference
is one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retia.errors import EvaluationError

__all__ = ["Band", "CriticalDifference", "average_ranks", "band", "critical_difference"]


@dataclass(frozen=True, eq=False)
class Band:
    """Curves of several seeds in short, each of shape (T,)."""

    mean: NDArray[np.float64]
    median: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def band(curves: Sequence[NDArray[np.float64]], quantiles: tuple[float, float] = (0.25, 0.75)) -> Band:
    """Return the mean, the median and two quantiles of curves of S seeds, S times (T,). A shorter curve goes
    on at its last value.

    Raises:
        EvaluationError: If there is no curve, or an empty one.
    """
    if not curves or not all(len(curve) for curve in curves):
        msg = (
            "A band needs at least one curve, none of them empty, got lengths "
            f"{[len(curve) for curve in curves]}."
        )
        raise EvaluationError(msg)
    longest = max(map(len, curves))
    stacked = np.array(
        [np.concatenate([curve, np.full(longest - len(curve), curve[-1])]) for curve in curves]
    )  # (S, T)
    low, median, high = np.quantile(stacked, [quantiles[0], 0.5, quantiles[1]], axis=0)
    return Band(stacked.mean(0), median, low, high)


def average_ranks(losses: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the mean rank of each strategy over seeds, 1 for the least loss; equals share the mean of their
    ranks.

    Args:
        losses: By strategy, one number for each seed (or problem), in the same order: K times (S,).

    Raises:
        EvaluationError: If the strategies have different numbers of seeds.

    >>> average_ranks({"a": [0.1, 0.2], "b": [0.3, 0.2], "c": [0.4, 0.5]})
    {'a': 1.25, 'b': 1.75, 'c': 3.0}
    """
    return dict(zip(losses, _ranks(losses).mean(1).tolist(), strict=True))


@dataclass(frozen=True)
class CriticalDifference:
    """Whether strategies differ.

    Args:
        ranks: The mean rank of each strategy, best first.
        p: The probability of such ranks if all strategies were alike (Friedman).
        difference: By how much two mean ranks must differ for the two strategies to (Nemenyi).
        alpha: The level of the test.
    """

    ranks: Mapping[str, float]
    p: float
    difference: float
    alpha: float

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """The largest groups of two or more strategies that the test can't tell apart: the bars of a
        critical-difference diagram.
        """
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
    """Test whether K strategies differ over S seeds (or problems), and by how much their mean ranks must for
    two of them to.

    Args:
        losses: By strategy, one number for each seed, in the same order; less is better.
        alpha: The level of the test.

    Raises:
        EvaluationError: If there are fewer than three strategies or two seeds, or the strategies have
            different numbers of seeds.

    Reference:
        Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 2006, section 3.2.2: the
        Friedman test (chi-squared, with the correction for ties), and the Nemenyi test, whose critical value
        is that of the studentized range for infinite degrees of freedom, divided by the square root of two.
        Deviation: none.
    """
    from scipy.stats import chi2, studentized_range  # scikit-learn depends on scipy

    ranks = _ranks(losses)  # (K, S)
    count, seeds = ranks.shape
    if count < 3 or seeds < 2:
        msg = (
            "The Friedman test compares at least three strategies over at least two seeds, "
            f"got {count} over {seeds}. Use a test for two, such as Wilcoxon's."
        )
        raise EvaluationError(msg)
    means = ranks.mean(1)
    # The spread of the ranks within a seed, which is less than (K^3 - K) / 12 where strategies tie.
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
        msg = f"Every strategy needs one number for each of the same seeds, got {lengths}."
        raise EvaluationError(msg)
    values = np.array(list(losses.values()), float)  # (K, S)
    below = (values[None] < values[:, None]).sum(1)  # how many are better
    equal = (values[None] == values[:, None]).sum(1)
    return below + (equal + 1) / 2
