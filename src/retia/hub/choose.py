"""A choice, where there is something to choose."""

from collections.abc import Sequence
from typing import TypeVar

from retia.space import choice

__all__ = ["choose"]

T = TypeVar("T")


def choose(label: str, values: Sequence[T]) -> T:
    """Choose one of several values; a single value is no choice, and declares none.

    >>> choose("kernel", [5])
    5
    """
    return values[0] if len(values) == 1 else choice(label, values)
