"""The preset for regression."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, Metric, R2Score

from retia.errors import EvaluationError
from retia.evaluate.data import Data
from retia.evaluate.outputs import TensorOutputs
from retia.evaluate.preset import preset_data, preset_metrics
from retia.evaluate.recipe import Loss
from retia.evaluate.requirements import require_names
from retia.evaluate.training import Training
from retia.nn import Batch, Nest, inputs_of, targets_of

__all__ = ["Regression"]


def Regression(  # noqa: N802  # a preset reads like the class that it makes
    train: Data,
    valid: Data,
    *,
    test: Data | None = None,
    loss: Loss | None = None,
    inputs: Callable[[Batch], Nest] = inputs_of,
    targets: Callable[[Batch], Nest] = targets_of,
    forward: Callable[[nn.Module, Batch], Any] | None = None,
    metrics: Mapping[str, Metric | Callable[[], Metric]] | None = None,
    **settings: Any,
) -> Training:
    """Return a `Training` of models whose outputs are real numbers of the shape of the targets.

    Metrics are `loss` (mean squared error), `mae` and `r2`, of the epoch with the lowest loss.

    Args:
        train: Training data, as `Training` takes it.
        valid: Validation data.
        test: Test data.
        loss: Function `(outputs, batch) -> Tensor` instead of the mean squared error.
        inputs: Function `batch -> inputs`.
        targets: Function `batch -> targets`, real numbers.
        forward: Function `(model, batch) -> outputs`.
        metrics: Further torchmetrics by name.
        settings: Further settings of `Training`.

    Raises:
        EvaluationError: If a setting or the data is not valid.
    """
    require_names("Regression", settings, Regression, Training)
    data = preset_data(inputs, train, valid, test)
    numbers = _Numbers(targets)
    for name, one in data.items():
        numbers.check(name, one.first())
    own: dict[str, Any] = {
        "loss": loss or _SquaredError(numbers),
        "distill": _distilled,
        "check": _SameShape(numbers),
        "preset": "Regression",
    }
    return Training(
        **data,
        **{**own, **settings},
        inputs=inputs,
        targets=numbers,
        forward=TensorOutputs(inputs, forward),
        metrics=preset_metrics("Regression", {"mae": MeanAbsoluteError, "r2": _Determination}, metrics),
    )


@dataclass(frozen=True)
class _Numbers:
    """The targets of a batch, as floats."""

    targets: Callable[[Batch], Nest]

    def __call__(self, batch: Batch) -> Tensor:
        return torch.as_tensor(self.targets(batch)).float()

    def check(self, name: str, batch: Batch) -> None:
        y = self.targets(batch)
        if not isinstance(y, Tensor) or y.is_complex() or y.dtype == torch.bool:
            got = str(y.dtype).removeprefix("torch.") if isinstance(y, Tensor) else type(y).__name__
            msg = (
                f"The targets of '{name}' are a tensor of real numbers, got {got}. "
                "For classes use Classification."
            )
            raise EvaluationError(msg)


@dataclass(frozen=True)
class _SquaredError:
    """The mean squared error."""

    targets: _Numbers

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        return nn.functional.mse_loss(outputs, self.targets(batch))


@dataclass(frozen=True)
class _SameShape:
    """Checks that outputs have the shape of the targets."""

    targets: _Numbers

    def __call__(self, outputs: Tensor, batch: Batch) -> None:
        targets = self.targets(batch)
        if outputs.shape != targets.shape:
            msg = (
                f"A regression's outputs have the shape of its targets, {tuple(targets.shape)}, "
                f"got {tuple(outputs.shape)}. "
                "For one number a sample give targets of shape (N, 1), y.unsqueeze(1), "
                "or let the model return outputs.squeeze(1)."
            )
            raise EvaluationError(msg)


def _distilled(outputs: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
    del batch
    return nn.functional.mse_loss(outputs, teacher.detach())


class _Determination(R2Score):
    """The coefficient of determination; for dense outputs that of all numbers together."""

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Take up outputs and targets."""
        super().update(*(one.flatten() if one.ndim > 2 else one for one in (preds, target)))
