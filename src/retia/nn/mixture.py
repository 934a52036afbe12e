"""Mixtures: what stands for a choice while its values are weighed instead of chosen."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from retia.nn.batch import Nest, map_tensors

__all__ = ["Mixture", "WeightedSum", "weighted", "weighted_sum"]


@runtime_checkable
class Mixture(Protocol):
    """Weights of a choice's values, and how the candidates of a layer choice are combined by them.

    A weight belongs to the value of the domain at its place; gradients flow to it.
    """

    @property
    def weights(self) -> Tensor:
        """The weights of the values, shape (K,)."""
        ...

    def combine(
        self, candidates: Sequence[nn.Module], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Return what stands for the output of the chosen candidate, given what it would be called with."""
        ...


@dataclass(frozen=True, eq=False)
class WeightedSum:
    """The sum of the candidates' outputs by their weights, tensor by tensor: outputs have one structure,
    whose tensors have one shape.

    Attributes:
        weights: One for each value, shape (K,).
    """

    weights: Tensor

    def combine(
        self, candidates: Sequence[nn.Module], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Run every candidate."""
        return weighted_sum(self.weights, (candidate(*args, **kwargs) for candidate in candidates))


def weighted(weight: Tensor, nest: Nest) -> Nest:
    """Return a nest whose tensors are multiplied by a weight; tensors of integers, such as lengths, stay as
    they are.
    """
    return map_tensors(
        lambda tensor: weight * tensor if tensor.is_floating_point() or tensor.is_complex() else tensor, nest
    )


def weighted_sum(weights: Iterable[Tensor], nests: Iterable[Nest]) -> Nest:
    """Return the sum of nests of one structure by weights, tensor by tensor; tensors of integers are those of
    the first.

    >>> import torch
    >>> outputs = [{"state": torch.tensor(4.0)}, {"state": torch.tensor(8.0)}]
    >>> weighted_sum(torch.tensor([0.25, 0.75]), outputs)
    {'state': tensor(7.)}
    """
    terms = (weighted(weight, nest) for weight, nest in zip(weights, nests, strict=True))
    total = next(terms)
    for term in terms:
        total = map_tensors(
            lambda one, other: one + other if one.is_floating_point() or one.is_complex() else one,
            total,
            term,
        )
    return total
