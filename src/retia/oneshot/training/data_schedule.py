"""Batches of a training, each determined by its number, so that a training can be resumed and shared."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice
from typing import cast

import torch

from retia.errors import EvaluationError
from retia.evaluate import LoadedData, TensorData, Training
from retia.nn import Batch, seeded, tensors_of
from retia.rng import stream_seed

__all__ = ["DataSchedule", "data_schedule_of"]


@dataclass(frozen=True, eq=False)
class DataSchedule:
    """The order of the batches of a training.

    Attributes:
        train: Data on which the supernet's weights are trained.
        held_out: Data on which architecture weights are trained.
        batch_size: Number of samples in a batch, of both.
        seed: Seed of the orders.
        batches_per_step: Number of batches whose gradients are accumulated in one training step.
        batches_per_epoch: Number of batches in an epoch. The last step may have fewer than the others.
    """

    train: TensorData | LoadedData
    held_out: TensorData | LoadedData
    batch_size: int
    seed: int
    batches_per_step: int
    batches_per_epoch: int

    @property
    def steps_per_epoch(self) -> int:
        """Number of training steps in an epoch."""
        return -(-self.batches_per_epoch // self.batches_per_step)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, counted from 1. Each epoch has a different order."""
        batches = _drawn(self.train, self.batch_size, stream_seed(self.seed, "order", number))
        return islice(batches, self.batches_per_epoch)

    def held_out_batch(self, number: int) -> Batch:
        """Return the held-out batch of a training step, counted from 0 over all epochs."""
        return self._held_out.batch(number)

    @cached_property
    def _held_out(self) -> "_Passes":
        return _Passes(self.held_out, self.batch_size, self.seed)


class _Passes:
    """An endless sequence of batches, determined by their numbers. Each pass has a different order.

    Ascending numbers need one iteration of a loader for each pass; a lower number starts its pass again.

    Args:
        data: Data of the batches.
        size: Number of samples in a batch.
        seed: Seed of the orders.
    """

    def __init__(self, data: TensorData | LoadedData, size: int, seed: int) -> None:
        self._data, self._size, self._seed = data, size, seed
        self._length = _steps(data, size)
        self._pass, self._taken = -1, 0
        self._batches: Iterator[Batch] = iter(())
        self._last: Batch = None

    def batch(self, number: int) -> Batch:
        """Return a batch by its number, counted from 0.

        Raises:
            EvaluationError: If a pass yields fewer batches than the length of the data.
        """
        current, position = divmod(number, self._length)
        if current != self._pass or position + 1 < self._taken:
            seed = stream_seed(self._seed, "held out", current)
            self._batches, self._pass, self._taken = _drawn(self._data, self._size, seed), current, 0
        for batch in islice(self._batches, position + 1 - self._taken):
            self._taken, self._last = self._taken + 1, batch
        if self._taken != position + 1:
            msg = (
                f"The validation data {self._data!r} ended after {self._taken} batches in pass "
                f"{current + 1}, but its length is {self._length}. Let its length count its batches."
            )
            raise EvaluationError(msg)
        return self._last


def _drawn(data: TensorData | LoadedData, size: int, seed: int) -> Iterator[Batch]:
    """Yield the batches of one pass. A seed determines their order and random transforms.

    A loader may draw from its own generators or from torch's; all of them keep their states.
    """
    batches = data.batches(size, generator=torch.Generator().manual_seed(seed))
    for number in count():
        with seeded(stream_seed(seed, number)), data.rewound():
            for generator in data.generators():
                generator.manual_seed(stream_seed(seed, generator.initial_seed(), number))
            try:
                batch = next(batches)
            except StopIteration:
                return
        yield batch


def _steps(data: TensorData | LoadedData, size: int) -> int:
    """Return the number of batches in a pass."""
    with seeded(0), data.rewound():
        return data.steps(size)


def data_schedule_of(
    training: Training, *, seed: int, batches_per_step: int | None, held_out: float
) -> DataSchedule:
    """Return the data schedule of a training.

    Args:
        training: Training whose data is used.
        seed: Seed of the orders and of the split.
        batches_per_step: Number of batches whose gradients are accumulated in one training step. Default:
            `accumulate` of the training.
        held_out: Fraction of the training tensors, in [0, 1), held out for architecture weights. With 0, or
            with training data from a loader, architecture weights are trained on the validation data.

    Raises:
        EvaluationError: If `batch_size` of the training exceeds the number of training samples.
    """
    train, other, batch_size = (
        training.data("train"),
        training.data("valid"),
        cast("int", training.batch_size),
    )
    if held_out and isinstance(train, TensorData):
        order = torch.randperm(
            len(train), generator=torch.Generator().manual_seed(stream_seed(seed, "split"))
        )
        order = order.to(next(tensors_of(train.tensors)).device)
        kept = round(len(train) * (1 - held_out))
        train, other = (TensorData(train.taken(part)) for part in (order[:kept], order[kept:]))
    if isinstance(train, TensorData) and len(train) < batch_size:
        share = f", of which {held_out:g} are held out for the architecture weights," if held_out else ""
        msg = (
            f"A batch of {batch_size} is larger than the training data{share} with {len(train)} samples. "
            "Give a smaller batch_size."
        )
        raise EvaluationError(msg)
    together = batches_per_step or cast("int", training.accumulate)
    batches = _steps(train, batch_size)
    if training.steps_per_epoch is not None:
        batches = min(batches, training.steps_per_epoch * together)
    return DataSchedule(train, other, batch_size, seed, together, batches)
