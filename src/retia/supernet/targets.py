"""Targets of mixtures: what is weighed by the shares of its entries that are in use."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from retia.errors import SupernetError
from retia.nn import ElasticNode, ElasticSequential, SelectInputs
from retia.space import Domain, Expression, Value, evaluate, labels_of
from retia.supernet.elastic import Elastic, layer_class
from retia.supernet.slots import Slot

__all__ = ["Target", "targets_of"]


@dataclass(frozen=True, eq=False)
class Target:
    """Something that is weighed: the depths of a stack, the edges of a node, a dimension of a tensor.

    Attributes:
        term: Expression whose value tells which entries are in use.
        entries: Function that returns the number of entries, given the greatest values; for a size that is a
            product, the numbers of its factors.
        use: Function of a value of the term and the entries that returns the share of each entry, shape
            (entries,).
        receive: Function that takes the expected shares, shape (entries,), and which entries are ever used.
    """

    term: Expression
    entries: Callable[[Mapping[str, Value]], Any]
    use: Callable[[Any, Any], Tensor]
    receive: Callable[[Tensor, list[bool]], None]


@dataclass(frozen=True)
class _Tuple(Expression):
    """A tuple of terms as one expression."""

    terms: tuple[Any, ...]

    @property
    def labels(self) -> frozenset[str]:
        """The parameters that the terms depend on."""
        return labels_of(self.terms)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Compute all terms."""
        return evaluate(self.terms, values)


def targets_of(slot: Slot, domains: Mapping[str, Domain]) -> Iterator[Target]:
    """Yield what a mixture weighs where activation fills a slot."""
    module, term = slot.owner, slot.term
    match module, slot.name:
        case Elastic(), "elastic_sizes":
            yield from _sizes(module, term)
        case Elastic(), "factors":
            yield from _products(module, term)
        case (ElasticSequential(), "depth") | (SelectInputs(), "chosen") | (ElasticNode(), "used"):
            if isinstance(term, tuple):
                term = _Tuple(term)
            if isinstance(term, Expression):
                yield _of_switch(module, term, domains)
        case _:
            pass


def _of_switch(
    module: ElasticSequential | SelectInputs | ElasticNode, term: Expression, domains: Mapping[str, Domain]
) -> Target:
    """Return the target of a stack's depths, an input choice's inputs, or a node's edges."""

    def receive(weights: Tensor, possible: list[bool]) -> None:
        if isinstance(module, ElasticSequential):
            module.weights = {depth: weights[depth] for depth, used in enumerate(possible) if used}
        else:
            module.weights = weights

    match module:
        case ElasticSequential():
            return Target(
                term, lambda _: 1 + len(module._modules), lambda depth, n: _shares([depth], n), receive
            )
        case SelectInputs():
            (label,) = term.labels
            inputs: Any = domains[label]
            mean = module.reduction == "mean"
            return Target(
                term,
                lambda _: len(inputs.items),
                lambda chosen, n: _shares(chosen, n, share=1 / len(chosen) if mean else 1.0),
                receive,
            )
        case ElasticNode():
            return Target(term, lambda _: len(module.edges), _shares, receive)


def _sizes(module: Elastic, shapes: Mapping[str, Sequence[Any]]) -> Iterator[Target]:
    """Yield the dimensions of a layer's parameters that are not laid out by factors."""
    for name, shape in shapes.items():
        for dim, size in enumerate(shape):
            divided = name in module.full_factors and len(module.full_factors[name][dim]) > 1
            if isinstance(size, Expression) and not divided and _is_weighed(module, name, dim, len(shape)):
                receive = partial(_add_mask, module, name, dim)
                yield Target(size, partial(evaluate, size), partial(_entries, module, dim), receive)


def _products(module: Elastic, shapes: Mapping[str, Sequence[Any]]) -> Iterator[Target]:
    """Yield the dimensions of a layer's parameters that are laid out by factors."""
    for name, dims in shapes.items():
        for dim, factors in enumerate(dims):
            if len(factors) > 1 and _is_weighed(module, name, dim, len(dims)):
                terms = _Tuple(factors)
                receive = partial(_add_mask, module, name, dim)
                yield Target(terms, terms.evaluate, partial(_nested, module), receive)


def _shares(positions: Sequence[int], entries: int, *, share: float = 1.0) -> Tensor:
    shares = torch.zeros(entries)
    for position in positions:
        shares[position] += share
    return shares


def _nested(module: Elastic, parts: Sequence[int], wholes: Sequence[int]) -> Tensor:
    """Return which entries of a dimension with factors are used: the first entries of each factor."""
    mask = torch.ones(())
    for part, whole in zip(parts, wholes, strict=True):
        mask = mask[..., None] * _entries(module, 0, part, whole)
    return mask.flatten()


def _entries(module: Elastic, dim: int, size: int, entries: int) -> Tensor:
    """Return which entries of a dimension are used: the first ones, or the centre of a kernel."""
    if size > entries:
        msg = (
            f"A size of {layer_class(module).__name__} is {size} for some value and "
            f"{entries} for the greatest ones, at which a mixture runs. "
            "Let sizes grow with their choices, or search them by a method that samples paths."
        )
        raise SupernetError(msg)
    start = (entries - size) // 2 if _is_kernel(module, dim) else 0
    return _shares(range(start, start + size), entries)


def _is_kernel(module: Elastic, dim: int) -> bool:
    return module.kernel is not None and dim >= module.kernel


def _is_weighed(module: Elastic, name: str, dim: int, dims: int) -> bool:
    """Return whether a parameter is masked along a dimension.

    Outputs and kernels are masked. Inputs are masked already, where the layer before computes them.
    """
    output = dims == 1 or module.outputs is None or dim == module.outputs
    return name in module._parameters and (output or _is_kernel(module, dim))


def _add_mask(module: Elastic, name: str, dim: int, mask: Tensor, possible: list[bool]) -> None:
    del possible
    module.masks = {**module.masks, name: (*module.masks.get(name, ()), (dim, mask))}
