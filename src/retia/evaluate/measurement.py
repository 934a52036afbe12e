"""The mean loss and the metrics of a model's outputs."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from retia.nn import Batch, Nest, map_tensors

__all__ = ["Measurement"]


class Measurement:
    """Average the loss and update metrics over batches.

    Args:
        loss: Function of outputs and batch; its mean is reported as `loss`.
        weight: Number of terms over which `loss` averages, by which batches are averaged.
        targets: Function `batch -> targets`.
        metrics: Metrics by name, updated by outputs and targets: an instance is cloned, a function is called.
        derive: Function that computes further metrics from these.
        device: Device of the metrics.

    Attributes:
        count: Number of terms that have been averaged.
    """

    def __init__(
        self,
        *,
        loss: Callable[[Any, Batch], Tensor],
        weight: Callable[[Batch], float],
        targets: Callable[[Batch], Nest],
        metrics: Mapping[str, Metric | Callable[[], Metric]],
        derive: Callable[[Mapping[str, float]], Mapping[str, float]] | None,
        device: torch.device,
    ) -> None:
        self._loss, self._weight, self._targets, self._derive = loss, weight, targets, derive
        self._metrics = {
            name: (metric.clone() if isinstance(metric, Metric) else metric()).to(device)
            for name, metric in metrics.items()
        }
        self._total = self.count = 0.0

    def update(self, outputs: Any, batch: Batch) -> None:
        """Add a model's outputs for a batch, converted to single precision."""
        outputs = map_tensors(
            lambda tensor: tensor.float() if tensor.is_floating_point() else tensor, outputs
        )
        weight = self._weight(batch)
        self._total += float(self._loss(outputs, batch)) * weight if weight else 0.0
        self.count += weight
        if self._metrics:
            # Torchmetrics flattens by `view`, which fails on channels-last images and on slices.
            dense = [map_tensors(Tensor.contiguous, nest) for nest in (outputs, self._targets(batch))]
            for metric in self._metrics.values():
                metric.update(*dense)

    def compute(self) -> dict[str, float]:
        """Return the metrics by name, and the mean loss."""
        found = {
            **{name: float(metric.compute()) for name, metric in self._metrics.items()},
            "loss": self._total / self.count if self.count else float("nan"),
        }
        return found if self._derive is None else {**found, **self._derive(found)}
