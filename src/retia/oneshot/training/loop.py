"""The training of a supernet: epochs of steps, each of one or more items."""

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
    """Trains the supernet of a session.

    After each epoch it writes a checkpoint, from which it goes on to the same losses: whatever is random
    follows from the seed and the number of a item.

    Attributes:
        session: What is taught.
        data_schedule: The items.
        epochs: How many.
        warmup_epochs: During how many of the first ones only weights are trained, not what chooses
            architectures.
        ranks: The processes that train together.
        identity: What a checkpoint must be of, as JSON.
        path: The checkpoint; None to keep none.
        report: Hears the mean loss and what else is worth telling, after each epoch.
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
        """Train, or go on, and return what was reported of each epoch.

        Raises:
            EvaluationError: If no target counts in an epoch.
            TrainingDiverged: If a loss becomes NaN or infinite. The checkpoint of the last epoch is kept.
            StorageError: If the checkpoint is damaged, or is one of something else.
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
                    "Has the code of the model changed? Remove it, or give another directory."
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
        """Put all into the state of a checkpoint, and return what was reported until then."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # schedules are stepped without the optimizers to where they were
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
        """Take the step at a position of an epoch, and return its loss with what the search tells; without a
        loss where no target counts, which leaves the weights as they are.
        """
        setting, data_schedule = self.session.setting, self.data_schedule
        step = (epoch - 1) * data_schedule.steps_per_epoch + position
        first = (epoch - 1) * data_schedule.batches_per_epoch + position * data_schedule.batches_per_step
        seed = stream_seed(setting.seed, "step", step)
        # Each counts by the number of terms of its loss, so that gradients are those of all the batches
        # together.
        weights = [setting.training.weigh(batch) for batch in batches]
        parts = [sum(weights) / weight if weight else math.inf for weight in weights]
        items = [
            TrainingBatch(
                number=first + i,
                step=step,
                batch=batch,
                held_out=partial(data_schedule.held_out_batch, step),
                seed=stream_seed(seed, i),
                scale=partial(_scaled, scaler, parts[i]),
            )
            for i, batch in enumerate(batches)
        ]
        reported: Mapping[str, float] = {}
        if epoch > self.warmup_epochs:
            with seeded(stream_seed(seed, "search")):
                # In every process alike, so that they go on alike.
                reported = self.session.search(items[0])
        for optimizer in setting.optimizers:
            optimizer.zero_grad(set_to_none=True)
        if not any(weights):
            for optimizer in setting.optimizers:
                optimizer.step()  # without gradients; a learning-rate schedule follows it
            return reported
        loss = 0.0
        for item in items[self.ranks.rank :: self.ranks.size]:
            if not weights[item.number - first]:
                continue  # no target counts, so there is no mean loss
            with seeded(item.seed):
                taught = self.session.train_batch(item)
            if not math.isfinite(taught):
                kept = (
                    f"The checkpoint of epoch {epoch - 1} is kept in '{self.path}'. "
                    if self.path is not None and epoch > 1
                    else ""
                )
                msg = (
                    f"The loss became {taught} in epoch {epoch}, step {step}. "
                    f"{kept}Lower the learning rate, or set clip_norm."
                )
                raise TrainingDiverged(msg)
            loss += taught / parts[item.number - first]
        parameters = [
            parameter
            for optimizer in setting.optimizers
            for group in optimizer.param_groups
            for parameter in group["params"]
        ]
        self.ranks.sum_gradients(parameters)
        if (clip_norm := setting.training.clip_norm) is not None:
            for optimizer in setting.optimizers:
                scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(parameters, cast("float", clip_norm))
        for optimizer in setting.optimizers:
            scaler.step(optimizer)
        scaler.update()
        return {**reported, "loss": self.ranks.sum(loss, setting.training.place)}

    def _entropy(self) -> dict[str, float]:
        """Return the mean entropy of the choices, as a share of the greatest that there could be."""
        shares: list[float] = []
        for probabilities in self.session.probabilities().values():
            if len(probabilities) > 1:
                shares.append(
                    float(-sum(p * math.log(p) for p in probabilities if p > 0))
                    / math.log(len(probabilities))
                )
        return {"entropy": sum(shares) / len(shares)} if shares else {}


def _scaled(scaler: torch.amp.GradScaler, parts: float, loss: torch.Tensor) -> torch.Tensor:
    """Return the share of a loss that is one of so many parts, scaled for half precision."""
    return scaler.scale(loss / parts)
