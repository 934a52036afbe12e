"""Scales: the position of a number between two bounds."""

import math

__all__ = ["position"]


def position(value: float, low: float, high: float, *, log: bool) -> float:
    """Return the position of `value` between `low` (0) and `high` (1); 0 if the bounds are equal.

    >>> position(10, 1, 100, log=True)
    0.5
    """
    if low == high:
        return 0.0
    if log:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return (value - low) / (high - low)
