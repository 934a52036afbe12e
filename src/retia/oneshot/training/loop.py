"""The training loop of a supernet."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from retia.errors import EvaluationError, StorageError, TrainingDiverged
from retia.evaluate import load_checkpoint, load_optimizer, save_checkpoint
from retia.nn import Batch, seeded
from retia.oneshot.stored_supernet import storable
from retia.oneshot.training.data_schedule import DataSchedule
from retia.oneshot.training.ranks import Ranks
from retia.oneshot.training.session import Session, TrainingBatch
from retia.rng import stream_seed

__all__ = ["TrainingLoop"]


@dataclass(frozen=True, eq=False)
class TrainingLoop:
    """Trains the supernet of a session, and writes a checkpoint after each epoch.

    A training that continues from a checkpoint has the same losses as an uninterrupted one: all randomness
    follows from the seed and the numbers of the batches.

    Attributes:
        session: Session to train.
        data_schedule: Batches of the training.
        epochs: Number of epochs.
        warmup_epochs: Number of epochs at the start that train weights only, without `session.search`.
        ranks: Processes that train together.
        identity: JSON values that identify the training. A checkpoint with other values is rejected.
        path: Path of the checkpoint. None: no checkpoint is written or read.
        report: Callback for the metrics of each epoch, and its number.
    """

    session: Session
    data_schedule: DataSchedule
    epochs: int
    warmup_epochs: int
    ranks: Ranks
    identity: Mapping[str, Any]
    path: Path | None
    report: Callable[[Mapping[str, float], float], None]

    def run(self) -> list[dict[str, float]]:
        """Train from the checkpoint or from the beginning, and return the metrics of each epoch.

        Raises:
            EvaluationError: If no target counts in an epoch.
            TrainingDiverged: If a loss becomes NaN or infinite. The checkpoint of the last epoch is kept.
            StorageError: If the checkpoint is damaged, has another `identity` or does not fit the supernet.
        """
        supernet, training = self.session.supernet, self.session.setting.training
        optimizers = self.session.setting.optimizers
        steps = self.data_schedule.steps_per_epoch
        schedules = training.schedules(optimizers, steps * self.epochs, epochs=self.epochs)
        scaler = torch.amp.GradScaler(training.place.type, enabled=training.autocast == torch.float16)
        reported: list[dict[str, float]] = []
        state = None if self.path is None else load_checkpoint(self.path, self.identity)
        if state is not None:
            try:
                reported = self._restored(state, schedules, scaler)
            except (KeyError, ValueError, TypeError, RuntimeError) as error:
                msg = (
                    f"The checkpoint '{self.path}' does not fit the supernet: {error}. "
                    "Probably the code of the model changed. Remove it, or give another directory."
                )
                raise StorageError(msg) from error
        supernet.train()
        for epoch in range(len(reported) + 1, self.epochs + 1):
            reported.append(self._epoch(epoch, schedules, scaler))
            self.ranks.mean_buffers(supernet.buffers())
            if self.path is not None and self.ranks.rank == 0:
                parts: dict[str, Any] = {
                    "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                    "scaler": scaler.state_dict(),
                    "supernet": supernet.state_dict(),
                }
                parts |= {"session": self.session.state_dict(), "reported": reported}
                save_checkpoint(
                    self.path, {**parts, "example": storable(training.example_inputs)}, self.identity
                )
            self.report(reported[-1], epoch)
        self.ranks.wait()
        return reported

    def _restored(
        self, state: Mapping[str, Any], schedules: Sequence[LRScheduler], scaler: torch.amp.GradScaler
    ) -> list[dict[str, float]]:
        """Restore the state of a checkpoint, and return the metrics of its epochs."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # schedules are stepped without their optimizers
            for schedule in list(schedules) * (self.data_schedule.steps_per_epoch * len(state["reported"])):
                schedule.step()
        for optimizer, kept in zip(self.session.setting.optimizers, state["optimizers"], strict=True):
            load_optimizer(optimizer, kept)
        scaler.load_state_dict(state["scaler"])
        self.session.supernet.load_state_dict(state["supernet"])
        self.session.load_state_dict(state["session"])
        return state["reported"]

    def _epoch(
        self, epoch: int, schedules: Sequence[LRScheduler], scaler: torch.amp.GradScaler
    ) -> dict[str, float]:
        """Train one epoch and return its metrics."""
        losses: list[float] = []
        found: dict[str, float] = {}
        remaining, position = self.data_schedule.epoch(epoch), 0
        while batches := list(islice(remaining, self.data_schedule.batches_per_step)):
            found = {**found, **self._step(position, epoch, batches, scaler)}
            if "loss" in found:
                losses.append(found.pop("loss"))
            for schedule in schedules:
                schedule.step()
            position += 1
        if not losses:
            msg = (
                f"No target of the training data counts in epoch {epoch}, so there is no loss. "
                "Give data whose targets are not all ignored."
            )
            raise EvaluationError(msg)
        return {"supernet_loss": sum(losses) / len(losses), **found, **self._entropy()}

    def _step(
        self, position: int, epoch: int, batches: list[Batch], scaler: torch.amp.GradScaler
    ) -> Mapping[str, float]:
        """Take one training step and return its metrics.

        The metrics have no loss if no target of the batches counts; the weights then stay as they are.
        """
        setting, schedule = self.session.setting, self.data_schedule
        step = (epoch - 1) * schedule.steps_per_epoch + position
        first = (epoch - 1) * schedule.batches_per_epoch + position * schedule.batches_per_step
        seed = stream_seed(setting.seed, "step", step)
        # A batch is weighted by the number of terms of its loss: the gradients are those of one large batch.
        weights = [setting.training.weigh(batch) for batch in batches]
        shares = [weight / sum(weights) if weight else 0.0 for weight in weights]
        items = [
            TrainingBatch(
                number=first + i,
                step=step,
                batch=batch,
                held_out=partial(schedule.held_out_batch, step),
                seed=stream_seed(seed, i),
                scale=partial(_scaled, scaler, shares[i]),
            )
            for i, batch in enumerate(batches)
        ]
        reported: Mapping[str, float] = {}
        if epoch > self.warmup_epochs:
            with seeded(stream_seed(seed, "search")):
                # Every process calls it with the same batch, so that all sessions stay in the same state.
                reported = self.session.search(items[0])
        for optimizer in setting.optimizers:
            optimizer.zero_grad(set_to_none=True)
        if not any(weights):
            for optimizer in setting.optimizers:
                optimizer.step()  # no gradients; the learning-rate schedule expects a step before its own
            return reported
        loss = self._add_gradients(list(zip(items, shares, strict=True)), epoch)
        self._update_weights(scaler)
        return {**reported, "loss": self.ranks.sum(loss, setting.training.place)}

    def _add_gradients(self, items: Sequence[tuple[TrainingBatch, float]], epoch: int) -> float:
        """Add the gradients of this process's batches, and return their part of the step's mean loss."""
        total = 0.0
        for item, share in items[self.ranks.rank :: self.ranks.size]:
            if not share:
                continue  # no target counts, so the batch has no mean loss
            with seeded(item.seed):
                loss = self.session.train_batch(item)
            if not math.isfinite(loss):
                kept = (
                    f"The checkpoint of epoch {epoch - 1} is kept in '{self.path}'. "
                    if self.path is not None and epoch > 1
                    else ""
                )
                msg = (
                    f"The loss became {loss} in epoch {epoch}, step {item.step}. "
                    f"{kept}Lower the learning rate, or set clip_norm."
                )
                raise TrainingDiverged(msg)
            total += loss * share
        return total

    def _update_weights(self, scaler: torch.amp.GradScaler) -> None:
        """Sum the gradients of all processes, clip them and step the optimizers."""
        setting = self.session.setting
        groups = [group for optimizer in setting.optimizers for group in optimizer.param_groups]
        parameters = [parameter for group in groups for parameter in group["params"]]
        self.ranks.sum_gradients(parameters)
        if (clip_norm := setting.training.clip_norm) is not None:
            for optimizer in setting.optimizers:
                scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(parameters, cast("float", clip_norm))
        for optimizer in setting.optimizers:
            scaler.step(optimizer)
        scaler.update()

    def _entropy(self) -> dict[str, float]:
        """Return the mean entropy of the choices, each relative to its maximum, log K."""
        shares: list[float] = []
        for probabilities in self.session.probabilities().values():
            if len(probabilities) > 1:
                shares.append(
                    float(-sum(p * math.log(p) for p in probabilities if p > 0))
                    / math.log(len(probabilities))
                )
        return {"entropy": sum(shares) / len(shares)} if shares else {}


def _scaled(scaler: torch.amp.GradScaler, share: float, loss: torch.Tensor) -> torch.Tensor:
    """Return a loss times its share of the step's loss, scaled for half precision."""
    return scaler.scale(loss * share)
