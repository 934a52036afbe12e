"""Mixtures: weights of the values of a choice, used instead of one chosen value."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from retia.nn.batch import Nest, map_tensors

__all__ = ["Mixture", "WeightedSum", "weighted", "weighted_sum"]


class Mixture(Protocol):
    """Weights of the values of a choice, and a rule that combines the candidates of a layer choice.

    Weight k belongs to value k of the domain, and receives gradients.
    """

    @property
    def weights(self) -> Tensor:
        """Weights of the K values, shape (K,)."""
        ...

    def combine(
        self, candidates: Sequence[nn.Module], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Return the combined output of the candidates, called with `args` and `kwargs`."""
        ...


@dataclass(frozen=True, eq=False)
class WeightedSum:
    """The weighted sum of the outputs of all candidates, tensor by tensor.

    The outputs must have the same structure and shapes.

    Attributes:
        weights: Weights of the K values, shape (K,).
    """

    weights: Tensor

    def combine(
        self, candidates: Sequence[nn.Module], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Return `sum_k weights[k] * candidates[k](*args, **kwargs)`."""
        return weighted_sum(self.weights, (candidate(*args, **kwargs) for candidate in candidates))


def weighted(weight: Tensor, nest: Nest) -> Nest:
    """Return a nest whose tensors are multiplied by a weight; tensors of integers are unchanged."""
    return map_tensors(
        lambda tensor: weight * tensor if tensor.is_floating_point() or tensor.is_complex() else tensor, nest
    )


def weighted_sum(weights: Iterable[Tensor], nests: Iterable[Nest]) -> Nest:
    """Return the weighted sum of nests of one structure, tensor by tensor.

    Tensors of integers, such as lengths, are taken from the first nest.

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
