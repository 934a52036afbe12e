"""Kernel densities over architectures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retia.space import Architecture, Value
from retia.strategy.columns import Columns, Row

__all__ = ["KernelDensity", "rows_of"]

Rows = NDArray[np.float64]  # (N, D): N architectures, D columns; NaN where a parameter is not active

LEAST_BANDWIDTH = 1e-3


def rows_of(columns: Columns, architectures: Sequence[Architecture]) -> Rows:
    """Return architectures as rows of all columns, shape (N, D); NaN where a parameter is not active."""
    names = [column.name for column in columns.all]
    rows = np.full((len(architectures), len(names)), np.nan)
    for i, architecture in enumerate(architectures):
        row = columns.row(architecture)
        rows[i] = [row.get(name, np.nan) for name in names]
    return rows


class KernelDensity:
    """How densely some architectures lie: the mean of a kernel around each, the product of one kernel a
    column.

    A number has a normal kernel, a category one that gives its bandwidth to the other categories in equal
    parts. Where a parameter is active in an architecture and not in one of those observed, that one knows
    nothing of it: its kernel is uniform. So the density is one over the conditional space, whatever is
    active.

    Args:
        columns: How architectures are rows.
        rows: Those observed, shape (N, D), at least one.

    Reference:
        Falkner et al., BOHB, ICML 2018, section 3.2, whose densities are the multivariate ones of statsmodels
        with its normal reference rule (Scott) for the bandwidths and the kernel of Aitchison and Aitken for
        categories. Deviations: the spread of categories is the square root of their normalized Gini index,
        where statsmodels takes the standard deviation of their numbers; values that are not active are left
        open, where the authors draw them.
    """

    def __init__(self, columns: Columns, rows: Rows) -> None:
        self._columns = columns
        self._rows = rows
        self._categories = np.array([column.categories for column in columns.all])
        scott = 1.06 * len(rows) ** (-1 / (4 + rows.shape[1]))
        self.bandwidths = np.array(
            [max(scott * _spread(rows[:, d], c), LEAST_BANDWIDTH) for d, c in enumerate(self._categories)]
        )
        named = self._categories > 0
        self.bandwidths[named] = np.minimum(self.bandwidths[named], 1 - 1 / self._categories[named])

    def log_density(self, rows: Rows) -> NDArray[np.float64]:
        """Return the logarithm of the density at each row, shape (C,), up to a term that is the same for all
        densities of these columns.
        """
        total = np.zeros((len(rows), len(self._rows)))  # (C, N)
        for d, (categories, width) in enumerate(zip(self._categories, self.bandwidths, strict=True)):
            at, seen = rows[:, d, None], self._rows[None, :, d]
            if categories:
                kernel = np.where(at == seen, np.log1p(-width), np.log(width / (categories - 1)))
                unknown = -np.log(categories)
            else:
                kernel = -0.5 * ((at - seen) / width) ** 2 - np.log(width * np.sqrt(2 * np.pi))
                unknown = 0.0
            kernel = np.where(np.isnan(seen), unknown, kernel)
            total += np.where(np.isnan(at), 0.0, kernel)
        most = total.max(1)
        return most + np.log(np.exp(total - most[:, None]).mean(1))

    def sample(self, rng: np.random.Generator, *, widening: float) -> Architecture:
        """Draw an architecture; the kernels of numbers are wider by a factor. It may break a restriction."""
        seen = self._rows[int(rng.integers(len(self._rows)))]
        row: Row = {}
        for column, at, width in zip(self._columns.all, seen.tolist(), self.bandwidths.tolist(), strict=True):
            if column.categories:
                kept = not np.isnan(at) and rng.random() >= width * column.categories / (
                    column.categories - 1
                )
                row[column.name] = int(at) if kept else int(rng.integers(column.categories))
            else:
                row[column.name] = (
                    _reflected(rng.normal(at, widening * width)) if not np.isnan(at) else rng.random()
                )
        values: dict[str, Value] = dict(self._columns.architecture(row, rng))
        return Architecture(values)


def _spread(column: NDArray[np.float64], categories: int) -> float:
    """Return how far the active values of a column are spread: 0 if they are all the same, and of evenly used
    categories 1.
    """
    active = column[~np.isnan(column)]
    if not len(active):
        return 1.0
    if not categories:
        return float(active.std())
    shares = np.bincount(active.astype(int), minlength=categories) / len(active)
    return float(np.sqrt((1 - (shares**2).sum()) / (1 - 1 / categories)))


def _reflected(unit: float) -> float:
    """Return a number between 0 and 1, what is beyond an end reflected there."""
    return abs((unit + 1) % 2 - 1)
