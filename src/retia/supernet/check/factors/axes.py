"""Axes: the dimensions of tensors, and the factors that a run divides them into."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

__all__ = ["Axis", "Dims", "fresh", "leaves_of", "lose", "new_axis", "regrouped", "unify"]


class Axis:
    """A dimension or one of its factors, together with all dimensions that it was seen to be equal to.

    Attributes:
        extent: Number of entries.
        parts: Factors that it has been divided into, the outermost first.
        lost: Name of the operation that it could not be followed through, if any.
    """

    def __init__(self, extent: int, lost: str | None = None) -> None:
        self.extent = extent
        self.parts: list[Axis] = []
        self.lost = lost

    def leaves(self) -> "list[Axis]":
        """Return the factors that are not divided further, the outermost first."""
        return leaves_of(self.parts) if self.parts else [self]

    def divide(self, outer: int) -> "list[Axis]":
        """Divide it into `outer` blocks, and return the two factors."""
        self.parts = [Axis(outer, self.lost), Axis(self.extent // outer, self.lost)]
        return self.parts


Dims: TypeAlias = "list[list[Axis]]"
"""The axes of each dimension of a tensor, the outermost first. A dimension of extent 1 has no axis."""


def fresh(shape: Iterable[int]) -> Dims:
    """Return new axes for a shape."""
    return [new_axis(extent) for extent in shape]


def new_axis(extent: int) -> list[Axis]:
    """Return the axes of a new dimension."""
    return [] if extent == 1 else [Axis(extent)]


def leaves_of(axes: Iterable[Axis]) -> list[Axis]:
    """Return the undivided factors of several axes."""
    return [leaf for axis in axes for leaf in axis.leaves()]


def unify(one: Iterable[Axis], other: Iterable[Axis]) -> None:
    """Make two dimensions equal, as far as their factors fit together."""
    a, b = leaves_of(one)[::-1], leaves_of(other)[::-1]
    while a and b:
        x, y = a.pop(), b.pop()
        if x.parts or y.parts:  # divided by an earlier step, as a factor of the other dimension
            a += x.leaves()[::-1]
            b += y.leaves()[::-1]
        elif x.extent == y.extent:
            if x is not y:
                y.parts = [x]
                x.lost = x.lost or y.lost
        elif max(x.extent, y.extent) % min(x.extent, y.extent):
            return
        elif x.extent > y.extent:
            a += x.divide(y.extent)[::-1]
            b.append(y)
        else:
            b += y.divide(x.extent)[::-1]
            a.append(x)


def regrouped(dims: Dims, shape: Sequence[int]) -> Dims:
    """Return the dimensions of a view: the factors of all dimensions in order, regrouped to `shape`."""
    waiting = leaves_of(axis for dim in dims for axis in dim)[::-1]
    groups: Dims = []
    for extent in shape:
        axes: list[Axis] = []
        rest = extent
        while rest > 1:
            if not waiting:
                return fresh(shape)
            axis = waiting.pop()
            if axis.parts:
                waiting += axis.leaves()[::-1]
            elif rest % axis.extent == 0:
                axes.append(axis)
                rest //= axis.extent
            elif axis.extent % rest == 0:
                waiting += axis.divide(rest)[::-1]
            else:
                lose([[axis], waiting], "view")
                return fresh(shape)
        groups.append(axes)
    return groups


def lose(dims: Dims, name: str) -> None:
    """Record that dimensions can't be followed through an operation."""
    for leaf in leaves_of(axis for dim in dims for axis in dim):
        leaf.lost = leaf.lost or name
