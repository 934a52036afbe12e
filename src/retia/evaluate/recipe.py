"""A recipe: how a model is run on batches, trained and measured."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric

from retia.errors import EvaluationError
from retia.evaluate.data import Data, LoadedData, TensorData
from retia.evaluate.measurement import Measurement
from retia.evaluate.optimization import OptimizerLike, ScheduleLike, make_optimizers, make_schedule
from retia.evaluate.requirements import judged_metrics, require_scalar
from retia.evaluate.settings import Searched
from retia.nn import Batch, Nest, inputs_of, run_on, sample_count, targets_of
from retia.space import Architecture
from retia.trial import Run

__all__ = ["DATA", "Loss", "Recipe", "memory_format_of"]

Loss: TypeAlias = Callable[[Any, Batch], Tensor]
"""Of a model's outputs and the batch, a number to minimize."""

DATA = ("train", "valid", "test")
"""The fields that hold data."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Recipe(ABC):
    """The fields of `Training`, which documents them, and the operations that all consumers share.

    Consumers are the trainer of one model, one-shot methods, proxies and recalibration.
    """

    train: Data = field(kw_only=False)
    valid: Data = field(kw_only=False)
    test: Data | None = None
    loss: Loss
    inputs: Callable[[Batch], Nest] = inputs_of
    targets: Callable[[Batch], Nest] = targets_of
    forward: Callable[[nn.Module, Batch], Any] | None = None
    valid_loss: Loss | None = None
    weight: Callable[[Batch], float] | None = None
    judge: Callable[[nn.Module, Iterable[Batch]], Mapping[str, float]] | None = None
    metrics: Mapping[str, Metric | Callable[..., Metric]] = field(default_factory=dict[str, Any])
    derive: Callable[[Mapping[str, float]], Mapping[str, float]] | None = None
    distill: Callable[[Any, Any, Batch], Tensor] | None = None
    select: tuple[str, Literal["max", "min"]] = ("loss", "min")
    check: Callable[[Any, Batch], None] | None = None
    epochs: Searched[int] = 10
    steps_per_epoch: int | None = None
    batch_size: Searched[int] = 64
    lr: Searched[float] = 1e-3
    optimizer: Searched[OptimizerLike] = "adamw"
    weight_decay: Searched[float] = 1e-2
    momentum: Searched[float] = 0.9
    schedule: Searched[ScheduleLike] = "cosine"
    warmup_epochs: Searched[int] = 0
    clip_norm: Searched[float] | None = None
    accumulate: Searched[int] = 1
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    patience: int | None = None
    example: Nest | None = None
    device: str | None = None
    keep_checkpoints: bool = False
    inherit_weights: bool = False
    preset: str = "Training"

    @abstractmethod
    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Train the model of an architecture by this recipe, and return its metrics."""

    def outputs(self, model: nn.Module, batch: Batch) -> Any:
        """Return what a model gives for a batch, in the precision of the training."""
        with self._autocast():
            try:
                return (
                    run_on(model, self.inputs(batch)) if self.forward is None else self.forward(model, batch)
                )
            except ValueError as error:
                if "Expected more than 1 value per channel" not in str(error):
                    raise
                msg = (
                    "Batch normalization can't train on a batch of one sample, which the training data has. "
                    f"Leave such a last batch out: DataLoader(..., drop_last=True). {error}"
                )
                raise EvaluationError(msg) from error

    def weigh(self, batch: Batch) -> float:
        """Return the number of terms over which the loss of a batch averages.

        Raises:
            EvaluationError: If `weight` is not given, and nothing tells the number of samples.
        """
        return float(sample_count(batch, self.targets) if self.weight is None else self.weight(batch))

    def loss_of(self, outputs: Any, batch: Batch) -> Tensor:
        """Return the loss of a model's outputs for a batch, from which gradients are taken.

        Raises:
            EvaluationError: If `loss` does not return a scalar that depends on the model's weights.
        """
        loss = self.loss(outputs, batch)
        require_scalar(self.preset, "loss", loss)
        if not loss.requires_grad and torch.is_grad_enabled():
            msg = (
                f"'loss' of {self.preset} returns a number without a gradient: it does not depend on the "
                "model's weights. Compute it from the outputs, without detach(), item() or no_grad()."
            )
            raise EvaluationError(msg)
        return loss

    def measure(self, model: nn.Module, data: "TensorData | LoadedData | None" = None) -> dict[str, float]:
        """Return the metrics of a model as it is, in evaluation mode, on the validation data or other data.

        Raises:
            EvaluationError: If no target of the data counts.
        """
        model.eval()
        own = data is None
        data = self.data("valid") if data is None else data
        batches = data.placed(self.place, memory_format_of(model)).batches(4 * cast("int", self.batch_size))
        with torch.no_grad(), data.rewound():
            if self.judge is not None:
                with self._autocast():
                    return judged_metrics(self.preset, self.select[0], self.judge(model, batches))
            measurement = self._measurement()
            for batch in batches:
                measurement.update(self.outputs(model, batch), batch)
        if not measurement.count:
            msg = (
                f"No target of the {'validation ' if own else ''}data counts, so there is no loss. "
                "Give data whose targets are not all ignored."
            )
            raise EvaluationError(msg)
        return measurement.compute()

    def reward(self, model: nn.Module, batch: Batch) -> float:
        """Return the reward of a model in its present mode on a batch.

        It is the metric m of `select`; if m is minimized, it is exp(-m) for m >= 0 and 1 - m otherwise. It is
        0 if m is not finite.
        """
        name, direction = self.select
        with torch.no_grad():
            if self.judge is not None:
                with self._autocast():
                    value = judged_metrics(self.preset, name, self.judge(model, [batch]))[name]
            else:
                measurement = self._measurement()
                measurement.update(self.outputs(model, batch), batch)
                value = measurement.compute()[name]
        if not math.isfinite(value):
            return 0.0
        if direction == "max":
            return value
        return math.exp(-value) if value >= 0 else 1 - value

    def distilled(self, outputs: Any, teacher: Any, batch: Batch) -> Tensor:
        """Return the loss of learning from a teacher's outputs.

        Raises:
            EvaluationError: If `distill` is not given.
        """
        if self.distill is None:
            msg = (
                f"{self.preset} does not say how a model learns from a teacher. "
                "Give it distill=lambda outputs, teacher, batch: ..., or take a method without."
            )
            raise EvaluationError(msg)
        return self.distill(outputs, teacher, batch)

    def optimizers(self, model: nn.Module, *, partial: bool = False) -> tuple[Optimizer, ...]:
        """Make the optimizers of a model's parameters.

        Args:
            model: Model to train.
            partial: Whether a step may leave parameters without a gradient, as in a supernet.
        """
        return make_optimizers(
            cast("OptimizerLike", self.optimizer),
            model,
            lr=cast("float", self.lr),
            weight_decay=cast("float", self.weight_decay),
            momentum=cast("float", self.momentum),
            partial=partial,
        )

    def schedules(self, optimizers: Sequence[Optimizer], steps: int, *, epochs: int) -> list[LRScheduler]:
        """Make the learning-rate schedule of each optimizer, to be stepped after each training step.

        Args:
            optimizers: The optimizers.
            steps: Number of training steps in all.
            epochs: Number of epochs in which these steps are taken.
        """
        warmup = round(steps * cast("int", self.warmup_epochs) / epochs)
        return [
            make_schedule(cast("ScheduleLike", self.schedule), one, steps=steps, warmup=warmup)
            for one in optimizers
        ]

    def steps(self, data: TensorData | LoadedData) -> int:
        """Return the number of training steps in an epoch over data."""
        steps = -(-data.steps(cast("int", self.batch_size)) // cast("int", self.accumulate))
        return steps if self.steps_per_epoch is None else min(steps, self.steps_per_epoch)

    def on(self, device: torch.device, memory_format: torch.memory_format = torch.preserve_format) -> Self:
        """Return the training with its data on a device, and images in a memory format."""
        placed = {
            name: self.data(name).placed(device, memory_format)
            for name in DATA
            if getattr(self, name) is not None
        }
        return replace(self, device=str(device), **placed)

    def data(self, name: str) -> TensorData | LoadedData:
        """Return the data of a name, such as "train"."""
        return getattr(self, name)

    @property
    def example_inputs(self) -> Nest:
        """The inputs of a first batch of the training data, or `example`."""
        return self.inputs(self.data("train").first()) if self.example is None else self.example

    @property
    def place(self) -> torch.device:
        """The device to train on."""
        return torch.device(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))

    @property
    def autocast(self) -> torch.dtype | None:
        """The data type of autocast; None for float32."""
        auto = torch.bfloat16 if self.place.type == "cuda" else None
        return {"auto": auto, "float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}[
            self.precision
        ]

    @property
    def metric_names(self) -> tuple[str, ...] | None:
        """The names of the metrics of data; None if they are only known to `judge`."""
        if self.judge is not None:
            return None
        names = (*self.metrics, "loss")
        return names if self.derive is None else (*names, *self.derive(dict.fromkeys(names, 0.0)))

    def _autocast(self) -> torch.autocast:
        dtype = self.autocast
        return torch.autocast(self.place.type, dtype=dtype, enabled=dtype is not None)

    def _measurement(self) -> Measurement:
        return Measurement(
            loss=self._measured_loss,
            weight=self.weigh,
            targets=self.targets,
            metrics=self.metrics,
            derive=self.derive,
            device=self.place,
        )

    def _measured_loss(self, outputs: Any, batch: Batch) -> Tensor:
        loss = (self.valid_loss or self.loss)(outputs, batch)
        if not isinstance(loss, float):
            require_scalar(self.preset, "loss" if self.valid_loss is None else "valid_loss", loss)
        return loss


def memory_format_of(model: nn.Module) -> torch.memory_format:
    """Return channels last for a model with 2D convolutions, which run up to 1.5 times as fast in it."""
    convolves = any(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in model.modules())
    return torch.channels_last if convolves else torch.preserve_format
