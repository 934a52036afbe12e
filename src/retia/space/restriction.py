"""Restrictions: what every architecture of a space must meet."""

from collections.abc import Callable
from dataclasses import dataclass

from retia.space.architecture import Architecture

__all__ = ["Restriction"]


@dataclass(frozen=True)
class Restriction:
    """A predicate that every architecture of the space meets, and what it is called."""

    predicate: Callable[[Architecture], bool]
    description: str
