"""The orders of factors that agree with all runs."""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise, permutations
from typing import Any, TypeAlias

from torch import nn

from retia.space import Value, evaluate, labels_of
from retia.supernet.check.factors.recorder import AxisRecorder, Split
from retia.supernet.layout import Orders, Product
from retia.supernet.usage import tensors_in_use

__all__ = ["FactorOrders", "fits"]

MOST = 4
"""Largest number of factors whose permutations are tried."""
SHOWN = 3
"""Number of layers that a warning names."""

_Sight: TypeAlias = "tuple[Mapping[str, Value], Split]"
"""The values of an architecture's parameters, and how its run divides a dimension."""


class FactorOrders:
    """Orders in which the factors of sizes are laid out, as far as runs show them.

    Args:
        products: Sizes that are products.
    """

    def __init__(self, products: Sequence[Product]) -> None:
        self._products = products
        self._seen: dict[Product, list[_Sight]] = {}

    @property
    def open(self) -> bool:
        """Whether the order of some size has to be observed in runs."""
        return any(product.open for product in self._products)

    def note(self, supernet: nn.Module, values: Mapping[str, Value], run: AxisRecorder) -> None:
        """Note what a run of an architecture's model built alone shows.

        Args:
            supernet: Model of all architectures, in which that architecture is activated.
            values: Values of the architecture's parameters.
            run: Recorder of the run.
        """
        names = {(id(use.module), use.tensor): use.name for use in tensors_in_use(supernet)}
        for product in self._products:
            name = names.get((id(product.module), product.tensor))
            split = None if name is None else run.split(name, product.dim)
            if split is not None:
                self._seen.setdefault(product, []).append((values, split))

    def known(self) -> Orders:
        """Return the orders, and warn of sizes whose order is not known."""
        written: dict[tuple[str, ...], tuple[Any, ...]] = {}
        sides: dict[tuple[str, ...], set[bool | None]] = {}
        for product in self._products:
            written.setdefault(product.key, product.factors)
            sides.setdefault(product.key, set()).add(product.is_input)
        found: dict[tuple[str, str, int], tuple[Any, ...]] = {}
        unknown: list[Product] = []
        for product in self._products:
            if not product.open:
                continue
            factors, seen = written[product.key], self._seen.get(product, [])
            if seen or {True, False} <= sides[product.key]:  # a size of outputs that are also inputs
                order = _order(factors, seen)
                lost = any(split.lost for _, split in seen)
                whole = all(len(split.extents) <= 1 for _, split in seen)
                known = order is not None and not (lost and whole)
            else:
                order = factors
                known = all(map(labels_of, order))  # heads * width are heads of some width
            found[product.place] = order or factors
            if not known:
                unknown.append(product)
        if unknown:
            warnings.warn(_message(unknown, ran=bool(self._seen)), stacklevel=4)
        return found


def _order(written: Sequence[Any], seen: Sequence[_Sight]) -> tuple[Any, ...] | None:
    """Return the order with the fewest cuts that agrees with all runs; None if there is no such order."""
    candidates: Iterator[tuple[Any, ...]] = (
        permutations(written) if len(written) <= MOST else iter([tuple(written)])
    )
    for order in sorted(
        dict.fromkeys(candidates), key=lambda order: sum(bool(labels_of(factor)) for factor in order[1:])
    ):
        if all(fits(evaluate(order, values), split.extents) for values, split in seen):
            return order
    return None


def fits(extents: Sequence[int], seen: Sequence[int]) -> bool:
    """Return whether factors with certain extents can make up a dimension that a run divides otherwise.

    >>> fits((3, 32), (3, 4, 8)), fits((32, 3), (3, 4, 8)), fits((4, 3, 8), (4, 24))
    (True, False, True)
    """
    if math.prod(extents) != math.prod(seen):
        return False
    mine, theirs = _spans(extents), _spans(seen)
    for inner, outer in mine:
        for low, high in theirs:
            overlap = max(inner, low) < min(outer, high)
            if overlap and not (inner <= low and high <= outer) and not (low <= inner and outer <= high):
                return False
    strides = sorted({inner for inner, _ in (*mine, *theirs)})
    return all(larger % smaller == 0 for smaller, larger in pairwise(strides))


def _spans(extents: Iterable[int]) -> list[tuple[int, int]]:
    """Return the stride of each factor and that of the next outer one, the innermost factor first."""
    strides = accumulate(reversed(tuple(extents)), lambda a, b: a * b, initial=1)
    return [(inner, outer) for inner, outer in pairwise(strides) if outer > inner]


def _message(unknown: Sequence[Product], *, ran: bool) -> str:
    more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
    shown = ", ".join(map(str, unknown[:SHOWN])) + more
    remedy = "To declare it, " if ran else "Give Supernet(..., example=...), so that a run shows it. Or "
    return (
        f"The layout of sizes that are products is not known in {shown}: "
        "as blocks one after the other (queries, keys, values), or interleaved. "
        "Every architecture still computes what its model built alone computes, but smaller architectures "
        "may share other entries of the weights with larger ones than you intend. "
        f"{remedy}derive a class from the layer's class, and register it with @retia.supernet.elastic(...) "
        "above a "
        "subclass of retia.supernet.Elastic that sets `stacked = True` for blocks, or whose `pieces` returns "
        "the part."
    )
