"""The Pareto front of a whole table."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["front_rows"]


def front_rows(losses: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the nondominated rows (F,) of losses (N, M), sorted by the first loss.

    Of equal rows the first one is returned; rows with a NaN are omitted. In lexicographic order a row comes
    after all rows that dominate it, so each row is compared with the front so far.

    >>> front_rows(np.array([[1.0, 5.0], [3.0, 3.0], [2.0, 2.0], [2.0, 2.0], [np.nan, 0.0]])).tolist()
    [0, 2]
    """
    known = np.flatnonzero(~np.isnan(losses).any(1))
    order = known[np.lexsort(losses[known].T[::-1])]
    front = np.empty((len(order), losses.shape[1]))
    rows: list[int] = []
    for row in order.tolist():
        point = losses[row]
        if not (front[: len(rows)] <= point).all(1).any():
            front[len(rows)] = point
            rows.append(row)
    return np.array(rows, np.int64)
