"""Kernel densities over architectures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retia.space import Architecture
from retia.strategy.sampling.flat_space import FlatSpace, Row

__all__ = ["KernelDensity", "rows_of"]

Rows = NDArray[np.float64]  # (N, D): N architectures, D columns; NaN where a parameter is inactive

LEAST_BANDWIDTH = 1e-3


def rows_of(flat: FlatSpace, architectures: Sequence[Architecture]) -> Rows:
    """Return architectures as rows of all columns, shape (N, D); NaN where a parameter is inactive."""
    names = [column.name for column in flat.columns]
    rows = np.full((len(architectures), len(names)), np.nan)
    for i, architecture in enumerate(architectures):
        row = flat.row(architecture)
        rows[i] = [row.get(name, np.nan) for name in names]
    return rows


class KernelDensity:
    """A density over architectures: the mean of one kernel around each observed architecture.

    The kernel of an architecture is a product over the columns d: p(x) = 1/N sum_n prod_d k_d(x_d, x_nd). A
    number has a normal kernel. A category has the kernel of Aitchison and Aitken: 1 - h for the same
    category, h / (categories - 1) for each other one. If a parameter is inactive in the observed
    architecture, k_d is uniform, so that p is a density on the conditional space.

    Args:
        flat: The columns of the space.
        rows: The observed architectures, shape (N, D), N >= 1.

    Reference:
        Falkner et al., BOHB, ICML 2018, section 3.2, with the densities of statsmodels and Scott's rule for
        the bandwidths h. Deviations: the spread of a categorical column is the square root of its normalized
        Gini index (statsmodels: the standard deviation of the category numbers); inactive values are left out
        (the authors impute them at random).
    """

    def __init__(self, flat: FlatSpace, rows: Rows) -> None:
        self._flat = flat
        self._rows = rows
        self._categories = np.array([column.categories for column in flat.columns])
        scott = 1.06 * len(rows) ** (-1 / (4 + rows.shape[1]))
        self.bandwidths = np.array(
            [max(scott * _spread(rows[:, d], c), LEAST_BANDWIDTH) for d, c in enumerate(self._categories)]
        )
        named = self._categories > 0
        self.bandwidths[named] = np.minimum(self.bandwidths[named], 1 - 1 / self._categories[named])

    def log_density(self, rows: Rows) -> NDArray[np.float64]:
        """Return the logarithm of the density at each row, shape (C,), up to a constant of the space."""
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
        """Draw an architecture, which may break a restriction.

        Args:
            rng: Random generator.
            widening: Factor on the bandwidths of numbers.
        """
        seen = self._rows[int(rng.integers(len(self._rows)))]
        row: Row = {}
        for column, at, width in zip(
            self._flat.columns, seen.tolist(), self.bandwidths.tolist(), strict=True
        ):
            count = column.categories
            if count:
                kept = not np.isnan(at) and rng.random() >= width * count / (count - 1)
                row[column.name] = int(at) if kept else int(rng.integers(count))
            elif np.isnan(at):
                row[column.name] = rng.random()
            else:
                row[column.name] = _reflected(rng.normal(at, widening * width))
        return self._flat.architecture(row, rng)


def _spread(column: NDArray[np.float64], categories: int) -> float:
    """Return the spread of a column's active values: 0 if all are equal; 1 for evenly used categories."""
    active = column[~np.isnan(column)]
    if not len(active):
        return 1.0
    if not categories:
        return float(active.std())
    shares = np.bincount(active.astype(int), minlength=categories) / len(active)
    return float(np.sqrt((1 - (shares**2).sum()) / (1 - 1 / categories)))


def _reflected(unit: float) -> float:
    """Return `unit` reflected at 0 and 1 into the interval between them."""
    return abs((unit + 1) % 2 - 1)
