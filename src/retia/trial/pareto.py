"""Pareto dominance, ranks, crowding distance and hypervolume of losses (lower is better)."""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "crowded_order",
    "crowding_distance",
    "dominates",
    "hypervolume",
    "nondominated",
    "nondominated_ranks",
]

Losses = NDArray[np.float64]  # (N, M): N points, M objectives


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether `a` is at most `b` in every objective and less in at least one.

    >>> dominates((1, 2), (1, 3)), dominates((1, 2), (1, 2)), dominates((1, 3), (2, 1))
    (True, False, False)
    """
    return all(x <= y for x, y in zip(a, b, strict=True)) and tuple(a) != tuple(b)


def nondominated(points: Sequence[Sequence[float]]) -> list[int]:
    """Return the indices of the points that no other point dominates; of equal points, the first.

    >>> nondominated([(1, 5), (2, 2), (3, 3), (2, 2)])
    [0, 1]
    """
    front: list[int] = []
    # In this order, a point comes after all points that dominate it.
    for i in sorted(range(len(points)), key=lambda i: (tuple(points[i]), i)):
        if not any(dominates(points[j], points[i]) or tuple(points[j]) == tuple(points[i]) for j in front):
            front.append(i)
    return sorted(front)


def nondominated_ranks(losses: Losses) -> NDArray[np.int64]:
    """Return the Pareto rank of each point: 0 for the front, 1 for the front of the rest, and so on.

    Reference:
        Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, 2002, section III-A.
        Deviation: the dominance of all pairs is computed as one array; with two objectives, a sweep in the
        order of the first one takes O(N log N).
    """
    if losses.shape[1] == 2:
        return _ranks_of_two(losses)
    no_worse = (losses[:, None] <= losses[None]).all(-1)  # (N, N): i is nowhere worse than j
    dominated = no_worse & ~no_worse.T
    ranks = np.full(len(losses), -1, dtype=np.int64)
    left, rank = np.ones(len(losses), dtype=bool), 0
    while left.any():
        front = left & ~(dominated & left[:, None]).any(0)
        ranks[front] = rank
        left &= ~front
        rank += 1
    return ranks


def _ranks_of_two(losses: Losses) -> NDArray[np.int64]:
    """Return the Pareto ranks of points (N, 2)."""
    ranks = np.zeros(len(losses), dtype=np.int64)
    lasts: list[float] = []  # the least second objective of each front, in ascending order
    before, rank = (np.nan, np.nan), 0
    for i in np.lexsort((losses[:, 1], losses[:, 0])).tolist():
        point = (float(losses[i, 0]), float(losses[i, 1]))
        if point != before:  # equal points are in one front
            rank = bisect_right(lasts, point[1])  # the first front in which no point dominates this one
            lasts[rank : rank + 1] = [point[1]]
            before = point
        ranks[i] = rank
    return ranks


def crowded_order(losses: Losses, ranks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices of the points, best first: by rank, then by descending crowding distance.

    Reference:
        Deb et al. 2002, section III-C (crowded comparison). Deviation: ties go to the earlier point.
    """
    crowding = np.zeros(len(losses))
    for rank in np.unique(ranks):
        crowding[ranks == rank] = crowding_distance(losses[ranks == rank])
    return np.lexsort((-crowding, ranks)).astype(np.int64)


def crowding_distance(losses: Losses) -> NDArray[np.float64]:
    """Return the crowding distance of each point of one front; infinite at the ends.

    Reference:
        Deb et al. 2002, section III-B. Deviation: none.
    """
    count, objectives = losses.shape
    distance = np.zeros(count)
    for m in range(objectives):
        order = np.argsort(losses[:, m], kind="stable")
        ordered = losses[order, m]
        span = ordered[-1] - ordered[0]
        distance[order[[0, -1]]] = np.inf
        if span > 0:
            distance[order[1:-1]] += (ordered[2:] - ordered[:-2]) / span
    return distance


def hypervolume(points: Sequence[Sequence[float]], reference: Sequence[float]) -> float:
    """Return the volume that the points dominate up to `reference`; points beyond it do not count.

    >>> hypervolume([(1, 2), (2, 1)], (3, 3))
    3.0

    Reference:
        While et al., A faster algorithm for calculating hypervolume, 2006 (HSO: slice by the first objective
        and recurse).
    """
    inside = [
        tuple(map(float, point))
        for point in points
        if all(x < r for x, r in zip(point, reference, strict=True))
    ]
    if not inside:
        return 0.0
    if len(reference) == 1:
        return float(reference[0] - min(inside)[0])
    inside = sorted(inside[i] for i in nondominated(inside))
    volume = 0.0
    for i, point in enumerate(inside):
        depth = (inside[i + 1][0] if i + 1 < len(inside) else reference[0]) - point[0]
        if depth > 0:
            volume += depth * hypervolume([other[1:] for other in inside[: i + 1]], reference[1:])
    return volume
