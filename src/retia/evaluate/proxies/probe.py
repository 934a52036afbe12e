"""The input of a proxy: an untrained model, a training and a batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from retia.errors import EvaluationError
from retia.evaluate.requirements import require_scalar
from retia.evaluate.training import Training
from retia.nn import Batch, Nest, inputs_of, with_inputs

__all__ = ["Probe", "Proxy", "derivatives"]

T = TypeVar("T", bound=Tensor)


@dataclass(frozen=True, eq=False)
class Probe:
    """The input of a proxy.

    Args:
        model: Untrained model in training mode. The proxy may change its weights: it is not used afterwards.
        training: Recipe that gives the outputs and the loss.
        batch: Batch of training data on the model's device.
        generator: Random generator on the CPU, so that its numbers do not depend on the device.
    """

    model: nn.Module
    training: Training
    batch: Batch
    generator: torch.Generator

    @property
    def inputs(self) -> Nest:
        """The inputs of the batch."""
        return self.training.inputs(self.batch)

    @property
    def targets(self) -> Nest:
        """The targets of the batch."""
        return self.training.targets(self.batch)

    def outputs(self, inputs: Nest = None) -> Tensor:
        """Return the model's outputs for the batch, or for other inputs in it.

        Raises:
            EvaluationError: If the outputs are not a tensor with a dimension, or other inputs can't be put
                into the batch.
        """
        batch = self.batch
        if inputs is not None:
            if self.training.inputs is not inputs_of:
                msg = (
                    "This proxy runs the model on inputs of its own, but 'inputs' of "
                    f"{self.training.preset} takes them out of the batch in its own "
                    f"way. Leave the proxy out of 'proxies', or give batches as pairs (inputs, targets)."
                )
                raise EvaluationError(msg)
            batch = with_inputs(batch, inputs)
        outputs = self.run(batch)
        if not isinstance(outputs, Tensor):
            msg = (
                f"The model returns a {type(outputs).__name__}, but a proxy needs a tensor of outputs. "
                f"Take it out in the training: forward=lambda model, batch: model(...)[...]."
            )
            raise EvaluationError(msg)
        if not outputs.ndim:
            msg = (
                f"This proxy looks at the outputs of each sample, but {self.training.preset} has only a "
                "scalar: it lacks a 'forward' that returns the model's outputs. Give it "
                "forward=lambda model, batch: model(...) and compute the scalar in 'loss', "
                "or take proxies that need no outputs: grad_norm, snip, grasp, fisher, naswot."
            )
            raise EvaluationError(msg)
        return outputs

    def require_outputs(self) -> None:
        """Check the outputs for the batch, before a proxy runs the model on other inputs.

        Raises:
            EvaluationError: If the outputs are not a tensor with a dimension.
        """
        self.model.eval()
        with torch.no_grad():
            self.outputs()
        self.model.train()

    def run(self, batch: Batch | None = None) -> Any:
        """Return whatever `forward` of the training returns, for the batch or another one."""
        return self.training.outputs(self.model, self.batch if batch is None else batch)

    def loss(self) -> Tensor:
        """Return the training loss of the batch.

        Raises:
            EvaluationError: If it is not a scalar.
        """
        outputs = self.run()
        if self.training.check is not None:
            self.training.check(outputs, self.batch)
        loss = self.training.loss(outputs, self.batch)
        require_scalar(self.training.preset, "loss", loss)
        return loss

    def weights(self) -> list[nn.Parameter]:
        """Return the trainable parameters of two or more dimensions, such as those of convolutions."""
        return [
            parameter
            for parameter in self.model.parameters()
            if parameter.ndim >= 2 and parameter.requires_grad
        ]

    def gradients(self, *, differentiable: bool = False) -> list[tuple[nn.Parameter, Tensor]]:
        """Return each weight that the loss of the batch depends on, with the gradient of the loss.

        Args:
            differentiable: Whether the gradients can be differentiated again.
        """
        return derivatives(self.loss(), self.weights(), differentiable=differentiable)


Proxy: TypeAlias = Callable[[Probe], float]
"""Function of a probe that predicts how good the trained network will be; a higher score is better."""


def derivatives(
    value: Tensor, tensors: Sequence[T], *, differentiable: bool = False
) -> list[tuple[T, Tensor]]:
    """Return each of the tensors that `value` depends on, with the derivative of `value` by it.

    Args:
        value: Scalar to differentiate.
        tensors: Tensors to differentiate by.
        differentiable: Whether the derivatives can be differentiated again.
    """
    if not tensors or not value.requires_grad:
        return []
    found = torch.autograd.grad(value, tensors, create_graph=differentiable, allow_unused=True)
    return [
        (tensor, derivative)
        for tensor, derivative in zip(tensors, found, strict=True)
        if derivative is not None
    ]  # None: it doesn't
