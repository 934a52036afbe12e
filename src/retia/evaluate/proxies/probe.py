"""What a proxy looks at: an untrained model, a batch and a loss."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, cast

import torch
from torch import Tensor, nn

from retia.errors import EvaluationError
from retia.evaluate.data import forward_arguments

__all__ = ["Probe", "Proxy", "derivatives", "map_tensors"]

T = TypeVar("T", bound=Tensor)


@dataclass(frozen=True, eq=False)
class Probe:
    """What a proxy looks at.

    Args:
        model: An untrained model, in training mode, which is the proxy's own: it may change the weights, and nobody sees it afterwards.
        x: The inputs of a batch: a tensor, a tuple of tensors, or tensors by name.
        y: Its targets.
        loss: Of outputs and targets, a number.
        generator: For what is drawn; on the CPU, so that it draws the same for a model anywhere.
    """

    model: nn.Module
    x: Any
    y: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]
    generator: torch.Generator

    def outputs(self, x: Any) -> Tensor:
        """Return the model's outputs for inputs.

        Raises:
            EvaluationError: If they are no tensor.
        """
        args, kwargs = forward_arguments(x)
        outputs = self.model(*args, **kwargs)
        if not isinstance(outputs, Tensor):
            msg = (
                f"The model returns a {type(outputs).__name__}, but a proxy needs a tensor of outputs. "
                f"Let its forward return that (of a transformers model, .logits)."
            )
            raise EvaluationError(msg)
        return outputs

    def weights(self) -> list[nn.Parameter]:
        """Return the trainable parameters of two or more dimensions: the weights of convolutions and linear layers, and the like."""
        return [parameter for parameter in self.model.parameters() if parameter.ndim >= 2 and parameter.requires_grad]

    def gradients(self, *, differentiable: bool = False) -> list[tuple[nn.Parameter, Tensor]]:
        """Return each weight that the loss of the batch depends on, with the gradient of the loss.

        Args:
            differentiable: Whether the gradients can be differentiated again.
        """
        return derivatives(self.loss(self.outputs(self.x), self.y), self.weights(), differentiable=differentiable)


Proxy: TypeAlias = Callable[[Probe], float]
"""Tells from a probe how good the trained network will be: the more the better."""


def map_tensors(function: Callable[[Tensor], Any], x: Any) -> Any:
    """Return inputs with a function applied to each tensor."""
    if isinstance(x, Mapping):
        return {name: map_tensors(function, part) for name, part in cast("Mapping[str, Any]", x).items()}
    if isinstance(x, tuple | list):
        return tuple(map_tensors(function, part) for part in cast("Sequence[Any]", x))
    return function(x) if isinstance(x, Tensor) else x


def derivatives(value: Tensor, tensors: Sequence[T], *, differentiable: bool = False) -> list[tuple[T, Tensor]]:
    """Return each of the tensors that a number depends on, with the number's derivative by it.

    Args:
        value: The number.
        tensors: What to differentiate by.
        differentiable: Whether the derivatives can be differentiated again.
    """
    if not tensors or not value.requires_grad:
        return []
    found = torch.autograd.grad(value, tensors, create_graph=differentiable, allow_unused=True)
    return [(tensor, derivative) for tensor, derivative in zip(tensors, found, strict=True) if derivative is not None]  # None: it doesn't
