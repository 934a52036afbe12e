"""Layout of dimensions whose size is a product of nested factors, each used by its first entries."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from retia.space import Call, Domain, Operation, concrete, expression_of, labels_of, possible_values
from retia.supernet.convolution import ElasticConvolution
from retia.supernet.elastic import Elastic, layer_class

__all__ = ["Orders", "Product", "factors_of", "lay_out", "products_of"]

Orders: TypeAlias = "Mapping[tuple[str, str, int], tuple[Any, ...]]"
"""Factors of sizes, the outermost first, by the module's path, the tensor's name and the dimension."""


@dataclass(frozen=True, eq=False)
class Product:
    """A dimension of an elastic layer's tensor whose size is a product with a searched factor.

    Attributes:
        path: Path of the layer.
        module: The layer.
        tensor: Name of the tensor in the layer.
        dim: The dimension.
        factors: Factors of the size in the order of the code.
    """

    path: str
    module: Elastic
    tensor: str
    dim: int
    factors: tuple[Any, ...]

    @property
    def place(self) -> tuple[str, str, int]:
        """The layer's path, the tensor's name and the dimension."""
        return self.path, self.tensor, self.dim

    @property
    def key(self) -> tuple[str, ...]:
        """What products with the same factors share, whatever their order."""
        return tuple(sorted(map(str, self.factors)))

    @property
    def open(self) -> bool:
        """Whether the order of the factors has to be observed, for no class states it."""
        plain = type(self.module).pieces in (Elastic.pieces, ElasticConvolution.pieces)
        return plain and not self.module.stacked

    @property
    def is_input(self) -> bool | None:
        """Whether a known layer's inputs lie along the dimension, or its outputs; None for unknown layers."""
        outputs = self.module.outputs
        return None if outputs is None else self.tensor == "weight" and self.dim != outputs

    def __str__(self) -> str:
        layer = layer_class(self.module).__name__
        return f"'{f'{self.path}.{self.tensor}'.lstrip('.')}' ({layer}, {' * '.join(map(str, self.factors))})"


def products_of(path: str, module: Elastic, domains: Mapping[str, Domain]) -> Iterator[Product]:
    """Yield the dimensions of an elastic layer's tensors whose sizes are products."""
    for name, shape in module.elastic_sizes.items():
        for dim, size in enumerate(shape):
            term = expression_of(size)
            if labels_of(term) and not any(math.isinf(domains[label].size) for label in labels_of(term)):
                factors = factors_of(term, domains)
                if module.stacked:  # torch stacks blocks, however the code writes their number
                    factors = tuple(sorted(factors, key=lambda factor: bool(labels_of(factor))))
                if len(factors) > 1:
                    yield Product(path, module, name, dim, factors)


def factors_of(size: Any, domains: Mapping[str, Domain]) -> tuple[Any, ...]:
    """Return the factors of a size, the outermost first: `3 * (heads * width)` has three.

    A quotient that is multiplied by its divisor, as in `heads * (width // heads)`, is one factor if the
    division never leaves a remainder.

    >>> from retia.space import Categorical, Reference
    >>> heads, width = Reference("heads"), Reference("width")
    >>> domains = {"heads": Categorical((2, 4)), "width": Categorical((8, 16))}
    >>> size = Operation("mul", (3, Operation("mul", (heads, Operation("floordiv", (width, heads))))))
    >>> [str(factor) for factor in factors_of(size, domains)]
    ['3', 'width']
    """
    match size:
        case Operation(name="floordiv", operands=(dividend, 1)):  # inputs of a convolution with one group
            return factors_of(dividend, domains)
        case Operation(name="mul", operands=(left, right)):
            for by, quotient in ((left, right), (right, left)):
                if isinstance(quotient, Operation) and quotient.name == "floordiv":
                    dividend, divisor = quotient.operands
                    even = Call(_leaves_nothing, (dividend, by))
                    if divisor == by and possible_values(even, domains) == {True}:
                        return factors_of(dividend, domains)
            return (*factors_of(left, domains), *factors_of(right, domains))
        case _:
            return () if size == 1 else (size,)


def lay_out(
    module: Elastic, products: Sequence[Product], orders: Orders, domains: Mapping[str, Domain]
) -> dict[str, tuple[tuple[Any, ...], ...]]:
    """Set the factors of an elastic layer's full tensors, and return the terms of those of a part.

    Only a factor inside of another that varies needs a cut: a size such as `heads * 64` is the first entries.
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
            own = terms.setdefault(product.tensor, [(expression_of(size),) for size in shape])
            own[product.dim] = factors
            whole = full.setdefault(product.tensor, [(size,) for size in tensor.shape])
            whole[product.dim] = extents
    module.full_factors = {name: tuple(dims) for name, dims in full.items()}
    if terms:
        module.factors = concrete(dict(module.full_factors))
    return {name: tuple(dims) for name, dims in terms.items()}


def _leaves_nothing(whole: int, divisor: int) -> bool:
    return divisor != 0 and whole % divisor == 0
