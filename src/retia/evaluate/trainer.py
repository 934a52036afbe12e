"""The training loop of one model."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from retia.errors import EvaluationError, TrainingDiverged
from retia.evaluate.parts import Parts, advance
from retia.evaluate.recipe import Recipe, memory_format_of
from retia.nn import Resumption

__all__ = ["Trainer"]


@dataclass
class _Progress:
    """The progress of a training.

    Attributes:
        epoch: Number of the last epoch.
        best: Metrics of the best epoch.
        weights: Weights of the best epoch.
        waited: Number of epochs since the best one.
        reported: Reported metrics, each with its epoch.
    """

    epoch: int = 0
    best: dict[str, float] = field(default_factory=dict[str, float])
    weights: dict[str, Any] = field(default_factory=dict[str, Any])
    waited: int = 0
    reported: list[tuple[dict[str, float], int]] = field(default_factory=list[tuple[dict[str, float], int]])


@dataclass(frozen=True)
class _Steps:
    """The optimizers and schedules of a training, and the number of steps of an epoch."""

    optimizers: Sequence[Optimizer]
    schedules: Sequence[LRScheduler]
    per_epoch: int


class Trainer:
    """Train one model by a recipe.

    Args:
        model: Model to train; it is moved to the device of the training.
        training: Recipe whose settings are values, not domains.
        seed: Seed of the order of the data.

    Attributes:
        seconds: Duration of the training in seconds, including the trainings that it resumes.
    """

    def __init__(self, model: nn.Module, training: Recipe, *, seed: int) -> None:
        layout = memory_format_of(model)
        self.model = model.to(training.place)
        if layout is torch.channels_last:
            self.model.to(memory_format=layout)  # pyright: ignore[reportCallIssue]  # an overload that torch does not declare
        self.training = training.on(training.place, layout)
        self.seconds = 0.0
        self._generator = torch.Generator().manual_seed(seed)
        self._scaler = torch.amp.GradScaler(training.place.type, enabled=training.autocast == torch.float16)

    def fit(
        self,
        report: Callable[[Mapping[str, float], float], None],
        *,
        fidelity: float | None = None,
        state: Mapping[str, Any] | None = None,
        resumption: Resumption | None = None,
    ) -> dict[str, float]:
        """Train, keep the weights of the best epoch, and return its metrics on the validation data.

        Args:
            report: Callback for the metrics after each epoch.
            fidelity: Last epoch. Default: all epochs of the training, over which the schedule runs always.
            state: State at the end of another training by this recipe, or at the interruption of this one,
                from which training continues to the same result. Its reported metrics are reported again.
            resumption: Storage of the state after epochs, and of the final one.

        Raises:
            EvaluationError: If the model has no parameters to train, or its outputs do not fit the targets.
            TrainingDiverged: If a loss becomes NaN or infinite.
        """
        training, started = self.training, time.perf_counter()
        train = training.data("train")
        all_epochs = cast("int", training.epochs)
        epochs = all_epochs if fidelity is None else max(1, round(fidelity))
        horizon = max(epochs, all_epochs)
        optimizers = training.optimizers(self.model)
        with train.rewound():
            per_epoch = training.steps(train)
            steps = _Steps(
                optimizers, training.schedules(optimizers, per_epoch * horizon, epochs=horizon), per_epoch
            )
            parts = Parts(
                self.model, optimizers, self._scaler, (self._generator, *train.generators()), training.place
            )
            progress = _Progress()
            if state is not None:
                for schedule in steps.schedules:
                    advance(schedule, per_epoch * state["epoch"])
                parts.load(state["parts"])
                progress = _Progress(state["epoch"], state["best"], state["weights"], state["waited"])
                self.seconds = state["seconds"]
                for metrics, epoch in state["reported"]:
                    report(metrics, epoch)
                    progress.reported.append((metrics, epoch))
            before = self.seconds

            def present() -> dict[str, Any]:
                self.seconds = before + time.perf_counter() - started
                return {**vars(progress), "parts": parts.state(), "seconds": self.seconds}

            for _ in self._epochs(epochs, steps, progress, report):
                if resumption is not None and progress.epoch < epochs:
                    resumption.keep_sparingly(present)
            ended = present()
            if resumption is not None:
                # What was reported belongs to this trial alone.
                resumption.keep({**ended, "reported": []}, ended=True)
        self.model.load_state_dict(progress.weights)
        return progress.best

    def _epochs(
        self,
        last: int,
        steps: _Steps,
        progress: _Progress,
        report: Callable[[Mapping[str, float], float], None],
    ) -> Iterator[None]:
        """Train epoch by epoch, each with its report."""
        training = self.training
        name, direction = training.select
        for epoch in range(progress.epoch + 1, last + 1):
            if training.patience is not None and progress.waited >= training.patience:
                return
            self._epoch(steps, epoch)
            metrics = training.measure(self.model)
            if wrong := {metric: value for metric, value in metrics.items() if not math.isfinite(value)}:
                msg = f"On the validation data of epoch {epoch} the model gives {wrong}. {self._remedy()}"
                raise TrainingDiverged(msg)
            report(metrics, epoch)
            progress.reported.append((metrics, epoch))
            progress.epoch = epoch
            best = progress.best
            if not best or (metrics[name] > best[name] if direction == "max" else metrics[name] < best[name]):
                progress.best, progress.waited = metrics, 0
                kept = self.model.state_dict()
                progress.weights = {
                    key: value.detach().clone() if isinstance(value, Tensor) else value
                    for key, value in kept.items()
                }
            else:
                progress.waited += 1
            yield

    def _epoch(self, steps: _Steps, epoch: int) -> None:
        training = self.training
        self.model.train()
        counted = False
        batches = training.data("train").batches(cast("int", training.batch_size), generator=self._generator)
        for step in range(1, steps.per_epoch + 1):
            together = list(islice(batches, cast("int", training.accumulate)))
            if not together:
                break
            for optimizer in steps.optimizers:
                optimizer.zero_grad(set_to_none=True)
            weights = [training.weigh(batch) for batch in together]
            for batch, weight in zip(together, weights, strict=True):
                if not weight:
                    continue  # no target counts, so there is no mean loss
                outputs = training.outputs(self.model, batch)
                if epoch == 1 and not counted and training.check is not None:
                    training.check(outputs, batch)
                counted = True
                loss = training.loss_of(outputs, batch)
                value = loss.item()
                if not math.isfinite(value):
                    msg = f"The loss became {value} in epoch {epoch}, step {step}. {self._remedy()}"
                    raise TrainingDiverged(msg)
                self._scaler.scale(loss * (weight / sum(weights))).backward()
            if any(weights):
                self._step(steps.optimizers)
            else:
                for optimizer in steps.optimizers:
                    optimizer.step()  # without gradients; a learning-rate schedule follows it
            for schedule in steps.schedules:
                schedule.step()
        if not counted:
            msg = (
                f"No target of the training data counts in epoch {epoch}, so there is no loss. "
                "Give data whose targets are not all ignored."
            )
            raise EvaluationError(msg)

    def _step(self, optimizers: Sequence[Optimizer]) -> None:
        """Clip the gradients, and step the optimizers."""
        if self.training.clip_norm is not None:
            for optimizer in optimizers:
                self._scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), cast("float", self.training.clip_norm))
        for optimizer in optimizers:
            self._scaler.step(optimizer)
        self._scaler.update()

    def _remedy(self) -> str:
        lr = cast("float", self.training.lr)
        return (
            f"Lower the learning rate (lr={lr:g}), set clip_norm, or look for a division or a logarithm in "
            "the model."
        )
