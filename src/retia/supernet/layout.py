"""How a dimension whose size is a product is laid out: its factors are nested, and an architecture uses the
first entries of each.
"""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise, permutations
from typing import TYPE_CHECKING, Any, TypeAlias

from torch import nn

from retia.space import (
    Call,
    Domain,
    Operation,
    Value,
    concrete,
    evaluate,
    expression_of,
    labels_of,
    possible_values,
)
from retia.supernet.convolution import ElasticConvolution
from retia.supernet.elastic import Elastic
from retia.supernet.usage import tensors_in_use

if TYPE_CHECKING:
    from retia.supernet.following import Following

__all__ = ["Layouts", "Orders", "Product", "factors_of", "fits", "lay_out", "products_of"]

MOST = 4
"""How many factors a product may have for its orders to be tried."""
SHOWN = 3
"""How many layers a warning names."""

Orders: TypeAlias = "Mapping[tuple[str, str, int], tuple[Any, ...]]"
"""The factors of sizes from the outermost, by the module's path, the tensor's name and the dimension."""
_Sight: TypeAlias = "tuple[Mapping[str, Value], tuple[int, ...], str | None]"
"""The values of an architecture's parameters, the extents that its run divides a dimension into, and the
operation that it was lost at.
"""


@dataclass(frozen=True, eq=False)
class Product:
    """A dimension of an elastic layer's tensor whose size is a product with a searched factor.

    Attributes:
        path: The layer's path.
        module: The layer.
        tensor: The tensor's name in it.
        dim: The dimension.
        factors: The factors, as they are written.
    """

    path: str
    module: Elastic
    tensor: str
    dim: int
    factors: tuple[Any, ...]

    @property
    def place(self) -> tuple[str, str, int]:
        """Where it is."""
        return self.path, self.tensor, self.dim

    @property
    def key(self) -> tuple[str, ...]:
        """What equal products share, in whichever order they are written."""
        return tuple(sorted(map(str, self.factors)))

    @property
    def open(self) -> bool:
        """Whether a run has to show the order of the factors: whether neither the layer's code nor who
        registered it says how it is divided.
        """
        return not self.module.stacked and type(self.module).pieces in (
            Elastic.pieces,
            ElasticConvolution.pieces,
        )

    @property
    def is_input(self) -> bool | None:
        """Whether a known layer's inputs lie along it, or its outputs; None where that is not known."""
        outputs = self.module.outputs
        return None if outputs is None else self.tensor == "weight" and self.dim != outputs

    def __str__(self) -> str:
        layer = type(self.module).__name__.removeprefix("Elastic")
        return f"'{f'{self.path}.{self.tensor}'.lstrip('.')}' ({layer}, {' * '.join(map(str, self.factors))})"


def products_of(path: str, module: Elastic, domains: Mapping[str, Domain]) -> Iterator[Product]:
    """Yield the dimensions of an elastic layer's tensors whose sizes are products."""
    for name, shape in module.elastic_sizes.items():
        for dim, size in enumerate(shape):
            term = expression_of(size)
            if labels_of(term) and not any(math.isinf(domains[label].size) for label in labels_of(term)):
                factors = factors_of(term, domains)
                if (
                    module.stacked
                ):  # the blocks are what torch's own code stacks, whichever way it writes their number
                    factors = tuple(sorted(factors, key=lambda factor: bool(labels_of(factor))))
                if len(factors) > 1:
                    yield Product(path, module, name, dim, factors)


def factors_of(size: Any, domains: Mapping[str, Domain]) -> tuple[Any, ...]:
    """Return the factors of a size as they are written, the outermost first: `3 * (heads * width)` has three.

    What is divided and multiplied again, as in `heads * (width // heads)`, is one factor if it always comes
    out even.

    >>> from retia.space import Categorical, Reference
    >>> heads, width = Reference("heads"), Reference("width")
    >>> domains = {"heads": Categorical((2, 4)), "width": Categorical((8, 16))}
    >>> size = Operation("mul", (3, Operation("mul", (heads, Operation("floordiv", (width, heads))))))
    >>> [str(factor) for factor in factors_of(size, domains)]
    ['3', 'width']
    """
    if (
        isinstance(size, Operation) and size.name == "floordiv" and size.operands[1] == 1
    ):  # inputs by groups of convolutions
        return factors_of(size.operands[0], domains)
    if not (isinstance(size, Operation) and size.name == "mul"):
        return () if size == 1 else (size,)
    left, right = size.operands
    for by, quotient in ((left, right), (right, left)):
        if isinstance(quotient, Operation) and quotient.name == "floordiv" and quotient.operands[1] == by:
            whole = quotient.operands[0]
            if possible_values(Call(_leaves_nothing, (whole, by)), domains) == {True}:
                return factors_of(whole, domains)
    return (*factors_of(left, domains), *factors_of(right, domains))


def lay_out(
    module: Elastic, products: Sequence[Product], orders: Orders, domains: Mapping[str, Domain]
) -> dict[str, tuple[tuple[Any, ...], ...]]:
    """Give an elastic layer the factors of its full tensors, and return the terms of those of a part.

    A factor that is inside of no other that varies needs no cut: a size such as `heads * 64` is the first
    entries.
    """
    terms: dict[str, list[tuple[Any, ...]]] = {}
    full: dict[str, list[tuple[int, ...]]] = {}
    for product in products:
        factors = orders.get(product.place, product.factors)
        extents = tuple(max(possible_values(factor, domains)) for factor in factors)
        tensor = module.full(product.tensor)
        varies = any(len(possible_values(factor, domains)) > 1 for factor in factors[1:])
        if varies and math.prod(extents) == tensor.shape[product.dim]:
            shape = module.elastic_sizes[product.tensor]
            terms.setdefault(product.tensor, [(expression_of(size),) for size in shape])[product.dim] = (
                factors
            )
            full.setdefault(product.tensor, [(size,) for size in tensor.shape])[product.dim] = extents
    module.full_factors = {name: tuple(dims) for name, dims in full.items()}
    found = {name: tuple(dims) for name, dims in terms.items()}
    if found:
        module.factors = concrete({name: module.full_factors[name] for name in found})
    return found


@dataclass
class Layouts:
    """What runs show of the order in which the factors of sizes are laid out.

    Attributes:
        products: The sizes that are products.
        seen: For each how runs divide it: the values of the parameters, the extents, and the operation that
            it was lost at.
    """

    products: Sequence[Product]
    seen: "dict[Product, list[_Sight]]" = field(default_factory=dict)

    def note(self, model: nn.Module, values: Mapping[str, Value], run: "Following") -> None:
        """Note what a run of the model of an architecture, built alone, shows of the supernet's model, in
        which the architecture is activated.
        """
        names = {(id(use.module), use.tensor): use.name for use in tensors_in_use(model)}
        for product in self.products:
            name = names.get((id(product.module), product.tensor))
            if (
                name is not None and name in run
            ):  # the model's own code may make modules that this architecture lacks
                self.seen.setdefault(product, []).append((values, *run.seen(name, product.dim)))

    def orders(self) -> Orders:
        """Return the orders, and warn once of those that are not known."""
        first: dict[tuple[str, ...], tuple[Any, ...]] = {}
        for product in self.products:
            first.setdefault(product.key, product.factors)
        found: dict[tuple[str, str, int], tuple[Any, ...]] = {}
        unknown: list[Product] = []
        passed_on = {
            key
            for key in first
            if {True, False} <= {product.is_input for product in self.products if product.key == key}
        }
        for product in self.products:
            if not product.open:
                continue
            seen = self.seen.get(product, [])
            if not seen and product.key not in passed_on:
                order = first[product.key]
                known = all(map(labels_of, order))  # heads * width is heads of some width
            else:
                order = _order(first[product.key], seen)
                known = order is not None and not (
                    any(lost for _, _, lost in seen) and all(len(extents) <= 1 for _, extents, _ in seen)
                )
            found[product.place] = order or first[product.key]
            if not known:
                unknown.append(product)
        if unknown:
            warnings.warn(_message(unknown, ran=bool(self.seen)), stacklevel=4)
        return found


def _order(written: Sequence[Any], seen: "Sequence[_Sight]") -> tuple[Any, ...] | None:
    """Return the first order that all runs allow, those that need the fewest cuts first; None if no order is
    allowed by all.
    """
    candidates = permutations(written) if len(written) <= MOST else [tuple(written)]
    for order in sorted(
        dict.fromkeys(candidates), key=lambda order: sum(bool(labels_of(factor)) for factor in order[1:])
    ):
        if all(fits(evaluate(order, values), extents) for values, extents, _ in seen):
            return order
    return None


def fits(extents: Sequence[int], seen: Sequence[int]) -> bool:
    """Whether a dimension of certain factors can be the one that a run divides, or puts together, with
    others.

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
    """Return for each factor the distance between its entries, and that between the entries of the next outer
    one.
    """
    ends = accumulate(reversed(tuple(extents)), lambda a, b: a * b, initial=1)
    return [(inner, outer) for inner, outer in pairwise(ends) if outer > inner]


def _leaves_nothing(whole: int, divisor: int) -> bool:
    return divisor != 0 and whole % divisor == 0


def _message(unknown: Sequence[Product], *, ran: bool) -> str:
    shown = ", ".join(map(str, unknown[:SHOWN])) + (
        f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
    )
    remedy = "" if ran else "Give Supernet(..., example=...): then a run shows it. Or "
    return (
        f"It can't be told how sizes that are products are laid out in {shown}: "
        "as blocks one after the other (queries, keys, values) or interleaved. "
        "Every architecture still computes what its model built alone does, "
        "but smaller ones may share other entries of the larger ones' weights than "
        f"you mean. {remedy or 'To say it, '}derive a class from the layer's, "
        "and register it with @retia.elastic(...) above a class of "
        f"retia.supernet.Elastic that has `stacked = True` for blocks, or whose `pieces` returns the part."
    )
