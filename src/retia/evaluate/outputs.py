"""The outputs of a model as one tensor."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from retia.errors import EvaluationError
from retia.nn import Batch, Nest, run_on

__all__ = ["TensorOutputs"]


@dataclass(frozen=True)
class TensorOutputs:
    """Run a model on a batch, and return its output tensor or the attribute `logits` of its output.

    Args:
        inputs: Function `batch -> inputs`.
        forward: Function `(model, batch) -> outputs` instead of a call with the inputs.
    """

    inputs: Callable[[Batch], Nest]
    forward: Callable[[nn.Module, Batch], Any] | None = None

    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the tensor.

        Raises:
            EvaluationError: If the output is not a tensor.
        """
        outputs = run_on(model, self.inputs(batch)) if self.forward is None else self.forward(model, batch)
        found = getattr(outputs, "logits", outputs)
        if not isinstance(found, Tensor):
            msg = (
                f"The model returns a {type(outputs).__name__}, but a tensor of outputs is needed. "
                "Let its forward return that, "
                f"or take it out: forward=lambda model, batch: model(...)[...]."
            )
            raise EvaluationError(msg)
        return found
