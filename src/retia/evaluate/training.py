"""The training loop."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import Metric

from retia.errors import EvaluationError, TrainingDiverged
from retia.evaluate.data import LoadedData, TensorData, forward_arguments
from retia.evaluate.going_on import Checkpoints, Parts, advance
from retia.evaluate.optimization import OptimizerLike, ScheduleLike, make_optimizer, make_schedule

__all__ = ["Recipe", "Trainer"]

MetricFactory = Callable[[Tensor], Metric]
"""Makes a metric, given the model's output for a batch, (B, ...)."""


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: what stays the same from epoch to epoch.

    Args:
        loss: Of outputs and targets, for training.
        judged_loss: The same, for measuring.
        metrics: What is measured beside the loss, by name.
        check: Looks at the first outputs and targets, before anything is trained on them.
        goal: The metric of the best epoch, and whether more of it is better.
        epochs: Up to which epoch.
        horizon: How many epochs the schedule is for; more than `epochs` where training may go on later.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    judged_loss: Callable[[Tensor, Tensor], Tensor]
    metrics: Mapping[str, MetricFactory]
    check: Callable[[Tensor, Tensor], None]
    goal: tuple[str, bool]
    epochs: int
    horizon: int
    batch_size: int
    optimizer: OptimizerLike
    lr: float
    weight_decay: float
    momentum: float
    schedule: ScheduleLike
    warmup_epochs: int
    clip_norm: float | None
    precision: torch.dtype | None
    patience: int | None


@dataclass
class _Course:
    """How far a training has come: the last epoch, the metrics and weights of the best one, how many epochs were none since, and what was reported."""

    epoch: int = 0
    best: dict[str, float] = field(default_factory=dict[str, float])
    weights: dict[str, Any] = field(default_factory=dict[str, Any])
    waited: int = 0
    told: list[tuple[dict[str, float], int]] = field(default_factory=list[tuple[dict[str, float], int]])


class Trainer:
    """Trains one model by a recipe."""

    def __init__(self, model: nn.Module, recipe: Recipe, *, device: torch.device, seed: int) -> None:
        self.model = model.to(device)
        self.recipe = recipe
        self.device = device
        self.seconds = 0.0
        self._generator = torch.Generator().manual_seed(seed)
        self._memory_format = torch.preserve_format
        if any(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in model.modules()):
            self._memory_format = torch.channels_last  # convolutions run up to half again as quick on the CPU, and on tensor cores
            self.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # an overload that torch does not declare
        self._scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == torch.float16)

    def fit(
        self,
        train: TensorData | LoadedData,
        valid: TensorData | LoadedData,
        report: Callable[[Mapping[str, float], float], None],
        *,
        state: Mapping[str, Any] | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> dict[str, float]:
        """Train, keep the weights of the best epoch, and return its metrics on the validation data.

        Args:
            train: What to train on.
            valid: What to measure on.
            report: Hears the metrics after each epoch.
            state: Where another training by this recipe, but for `epochs`, has ended, or this one was cut off; it goes on from there to what it would
                have come to. What this one had reported is reported again.
            checkpoints: Keeps the state after epochs, and that in which training ends.

        Raises:
            EvaluationError: If the model has nothing to train, or its outputs are not what the targets ask for.
            TrainingDiverged: If a loss becomes NaN or infinite.
        """
        recipe, started = self.recipe, time.perf_counter()
        optimizer = make_optimizer(recipe.optimizer, self.model, lr=recipe.lr, weight_decay=recipe.weight_decay, momentum=recipe.momentum)
        with train.rewound():
            train, valid = self._placed(train), self._placed(valid)
            steps = train.steps(recipe.batch_size)
            schedule = make_schedule(recipe.schedule, optimizer, steps=steps * recipe.horizon, warmup=steps * recipe.warmup_epochs)
            parts = Parts(self.model, optimizer, self._scaler, (self._generator, *train.generators()), self.device)
            course = _Course()
            if state is not None:
                advance(schedule, steps * state["epoch"])
                parts.load(state["parts"])
                course = _Course(state["epoch"], state["best"], state["weights"], state["waited"], [(metrics, epoch) for metrics, epoch in state["told"]])
                self.seconds = state["seconds"]
                for metrics, epoch in course.told:
                    report(metrics, epoch)
            before = self.seconds

            def present() -> dict[str, Any]:
                self.seconds = before + time.perf_counter() - started
                return {**vars(course), "parts": parts.state(), "seconds": self.seconds}

            for _ in self._epochs(train, valid, optimizer, schedule, course, report):
                if checkpoints is not None and course.epoch < recipe.epochs:
                    checkpoints.after_epoch(present)
            ended = present()
            if checkpoints is not None:
                checkpoints.at_end(ended)
        self.model.load_state_dict(course.weights)
        return course.best

    def judge(self, data: TensorData | LoadedData) -> dict[str, float]:
        """Return the metrics of the model as it is, in evaluation mode."""
        self.model.eval()
        total, count = 0.0, 0
        metrics: dict[str, Metric] = {}
        with torch.no_grad(), data.rewound():
            for x, y in self._placed(data).batches(4 * self.recipe.batch_size):
                outputs = self._outputs(x).float()
                if not metrics:
                    metrics = {name: factory(outputs).to(self.device) for name, factory in self.recipe.metrics.items()}
                total += float(self.recipe.judged_loss(outputs, y)) * len(y)
                count += len(y)
                for metric in metrics.values():
                    metric.update(outputs, y)
        return {**{name: float(metric.compute()) for name, metric in metrics.items()}, "loss": total / count}

    def _epochs(
        self, train: TensorData | LoadedData, valid: TensorData | LoadedData, optimizer: Optimizer, schedule: Any, course: "_Course", report: Any
    ) -> Iterator[None]:
        """Train epoch by epoch, each with its report."""
        name, more = self.recipe.goal
        for epoch in range(course.epoch + 1, self.recipe.epochs + 1):
            if self.recipe.patience is not None and course.waited >= self.recipe.patience:
                return
            self._epoch(train, optimizer, schedule, epoch)
            metrics = self.judge(valid)
            if wrong := {metric: value for metric, value in metrics.items() if not math.isfinite(value)}:
                msg = f"On the validation data of epoch {epoch} the model gives {wrong}. {_remedy(self.recipe.lr)}"
                raise TrainingDiverged(msg)
            report(metrics, epoch)
            course.told.append((metrics, epoch))
            course.epoch = epoch
            if not course.best or (metrics[name] > course.best[name] if more else metrics[name] < course.best[name]):
                course.best, course.waited = metrics, 0
                course.weights = {key: value.detach().clone() if isinstance(value, Tensor) else value for key, value in self.model.state_dict().items()}
            else:
                course.waited += 1
            yield

    def _epoch(self, data: TensorData | LoadedData, optimizer: Optimizer, schedule: Any, epoch: int) -> None:
        self.model.train()
        for step, (x, y) in enumerate(data.batches(self.recipe.batch_size, generator=self._generator), 1):
            optimizer.zero_grad(set_to_none=True)
            outputs = self._outputs(x)
            if epoch == step == 1:
                self.recipe.check(outputs, y)
            loss = self.recipe.loss(outputs, y)
            value = loss.item()
            if not math.isfinite(value):
                msg = f"The loss became {value} in epoch {epoch}, step {step}. {_remedy(self.recipe.lr)}"
                raise TrainingDiverged(msg)
            self._scaler.scale(loss).backward()
            if self.recipe.clip_norm is not None:
                self._scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
            self._scaler.step(optimizer)
            self._scaler.update()
            schedule.step()

    def _placed(self, data: TensorData | LoadedData) -> TensorData | LoadedData:
        return data.placed(self.device, self._memory_format)

    def _outputs(self, x: Any) -> Tensor:
        args, kwargs = forward_arguments(x)
        with torch.autocast(self.device.type, dtype=self.recipe.precision, enabled=self.recipe.precision is not None):
            outputs = self.model(*args, **kwargs)
        if not isinstance(outputs, Tensor):
            msg = f"The model returns a {type(outputs).__name__}, but a tensor of outputs is needed. Let its forward return that (of a transformers model, .logits)."
            raise EvaluationError(msg)
        return outputs


def _remedy(lr: float) -> str:
    return f"Lower the learning rate (lr={lr:g}), set clip_norm, or look for a division or a logarithm in the model."
