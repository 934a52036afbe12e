"""Costs as an evaluator, which runs before training."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from retia.cost.count import count, count_parameters
from retia.cost.example import Example, ExampleLike
from retia.cost.inspection import inspect_model
from retia.errors import EvaluationError
from retia.space import Architecture, strays_in
from retia.trial import Capabilities, Run

__all__ = ["Costs"]


@dataclass(frozen=True)
class Costs:
    """Count the costs of an architecture's model, built on `meta`: no memory and no computation.

    The metrics are `params`, and with `input_shape` also `flops` and `macs` of one sample (see `Count`). A
    model that can't run on `meta`, because it reads values, is counted on the CPU.

    Args:
        input_shape: Shape of one sample, without the batch dimension; or example tensors with the batch
            dimension, of which only shapes and dtypes are kept. Default: no `flops` and `macs`.
        dtype: Dtype of an input given by its shape. Default: float32.

    Raises:
        EvaluationError: If `input_shape` is neither of these, or contains a choice.
    """

    input_shape: "ExampleLike | None" = None
    dtype: torch.dtype | None = None

    def __post_init__(self) -> None:
        for stray in strays_in((self.input_shape, self.dtype)):
            msg = (
                f"The input of Costs contains the choice '{stray.label}' made at {stray.place}, "
                "which no search sees. Give the shape of your data."
            )
            raise EvaluationError(msg)
        if self.input_shape is not None:
            object.__setattr__(self, "input_shape", Example.of(self.input_shape, dtype=self.dtype))

    @property
    def example(self) -> Example | None:
        """Example input of the model; None if it is not known."""
        return None if self.input_shape is None else Example.of(self.input_shape)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics."""
        return ("params",) if self.input_shape is None else ("params", "flops", "macs")

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Count the costs of one architecture.

        Raises:
            EvaluationError: If the space does not build models.
            InfeasibleArchitecture: If shapes do not fit, or the constructor rejects the architecture.
            SpaceError: If the model can't be built, or can't run on the input, for another reason.
        """
        return inspect_model(run.space, architecture, self._count)

    def _count(self, model: nn.Module) -> Mapping[str, float]:
        if self.example is None:
            return {"params": float(count_parameters(model))}
        counted = count(model, self.example)
        return {"params": float(counted.params), "flops": float(counted.flops), "macs": float(counted.macs)}

    def capabilities(self) -> Capabilities:
        """Return the example input, and the settings."""
        shown = None if self.example is None else str(self.example)
        return Capabilities(example=self.example, settings=lambda: {"type": "Costs", "input": shown})
