"""Mixtures: what stands for a choice while its values are weighed instead of chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

__all__ = ["Mixture", "WeightedSum"]


@runtime_checkable
class Mixture(Protocol):
    """Weights of a choice's values, and how the candidates of a layer choice are combined by them.

    A weight belongs to the value of the domain at its place; gradients flow to it.
    """

    @property
    def weights(self) -> Tensor:
        """The weights of the values, shape (K,)."""
        ...

    def combine(self, candidates: Sequence[nn.Module], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return what stands for the output of the chosen candidate, given what it would be called with."""
        ...


@dataclass(frozen=True, eq=False)
class WeightedSum:
    """The sum of the candidates' outputs, which have one shape, by their weights.

    Attributes:
        weights: One for each value, shape (K,).
    """

    weights: Tensor

    def combine(self, candidates: Sequence[nn.Module], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run every candidate."""
        terms = (weight * candidate(*args, **kwargs) for weight, candidate in zip(self.weights, candidates, strict=True))
        total = next(terms)
        for term in terms:
            total = total + term
        return total
