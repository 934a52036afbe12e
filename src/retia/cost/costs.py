"""Costs as an evaluator: cheap, and run before training."""

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
    """Count what an architecture's model costs, on a `meta` build: nothing is allocated, nothing is computed.

    A model that can't be built or run there, because it reads values, is counted on the CPU.

    It supplies `params`, and with a known input also `flops` and `macs` of one sample (see `Count`).

    Args:
        input_shape: The shape of one sample, without the batch dimension; or example tensors, with it, of
            which only shapes and dtypes are kept.
        dtype: The dtype of an input given by its shape; float32 if not given.

    Raises:
        EvaluationError: If the input is neither, or holds a choice; when called, if the space builds no
            models.
    """

    input_shape: "ExampleLike | None" = None
    dtype: torch.dtype | None = None

    def __post_init__(self) -> None:
        for stray in strays_in((self.input_shape, self.dtype)):
            msg = (
                f"The input of Costs holds the choice '{stray.label}' made at {stray.place}, "
                "which no search sees. Give the numbers of your data's shape."
            )
            raise EvaluationError(msg)
        if self.input_shape is not None:
            object.__setattr__(self, "input_shape", Example.of(self.input_shape, dtype=self.dtype))

    @property
    def example(self) -> Example | None:
        """What the model takes as input, if it is known."""
        return None if self.input_shape is None else Example.of(self.input_shape)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics."""
        return ("params",) if self.input_shape is None else ("params", "flops", "macs")

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Count the costs of one architecture.

        Raises:
            EvaluationError: If the space builds no models.
            InfeasibleArchitecture: If the model's shapes do not fit, or its constructor rejects the
                architecture.
            SpaceError: If the model can't be built, or can't run on the input, for another reason.
        """
        return inspect_model(run.space, architecture, self._judge)

    def _judge(self, model: nn.Module) -> Mapping[str, float]:
        if self.example is None:
            return {"params": float(count_parameters(model))}
        counted = count(model, self.example)
        return {"params": float(counted.params), "flops": float(counted.flops), "macs": float(counted.macs)}

    def capabilities(self) -> Capabilities:
        """Return the example input, and the settings."""
        shown = None if self.example is None else str(self.example)
        return Capabilities(example=self.example, settings=lambda: {"type": "Costs", "input": shown})
