"""Choices that are omitted if there is a single value."""

from collections.abc import Sequence
from typing import TypeVar

from retia.space import choice

__all__ = ["choose"]

T = TypeVar("T")


def choose(label: str, values: Sequence[T]) -> T:
    """Choose one of several values; return a single value without declaring a choice.

    >>> choose("kernel", [5])
    5
    """
    return values[0] if len(values) == 1 else choice(label, values)
