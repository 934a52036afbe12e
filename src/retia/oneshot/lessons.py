"""The batches of a training, each of which follows from its number: so a training can stop, go on, and be
shared.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import cast

import torch

from retia.errors import EvaluationError
from retia.evaluate import LoadedData, TensorData, Training
from retia.nn import Batch, tensors_of
from retia.rng import stream_seed

__all__ = ["Curriculum", "curriculum_of"]


@dataclass(frozen=True, eq=False)
class Curriculum:
    """The training data of a supernet in lessons.

    Attributes:
        train: What weights are trained on.
        held_out: What architecture weights are trained on.
        batch_size: Of both.
        seed: Where the order comes from.
        lessons_per_step: How many batches make up a step.
        steps_per_epoch: How many steps an epoch has; what is left over is dropped.
    """

    train: TensorData | LoadedData
    held_out: TensorData | LoadedData
    batch_size: int
    seed: int
    lessons_per_step: int
    steps_per_epoch: int

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, counted from 1, in an order of its own."""
        generator = torch.Generator().manual_seed(stream_seed(self.seed, "order", number))
        return islice(
            self.train.batches(self.batch_size, generator=generator),
            self.steps_per_epoch * self.lessons_per_step,
        )

    def held_out_batch(self, number: int) -> Batch:
        """Return the held-out batch of a step; a user's own loader gives them in its own order."""
        data = self.held_out
        if isinstance(data, LoadedData):
            return next(
                iter(
                    data.batches(
                        self.batch_size,
                        generator=torch.Generator().manual_seed(stream_seed(self.seed, "held out", number)),
                    )
                )
            )
        count = max(1, len(data) // self.batch_size)
        order = torch.randperm(
            len(data),
            generator=torch.Generator().manual_seed(stream_seed(self.seed, "held out", number // count)),
        )
        index = order[number % count * self.batch_size :][: self.batch_size]
        return data.taken(index.to(next(tensors_of(data.tensors)).device))


def curriculum_of(training: Training, *, seed: int, lessons_per_step: int, held_out: float) -> Curriculum:
    """Divide the data of a training into lessons.

    Args:
        training: The training.
        seed: Where the order comes from.
        lessons_per_step: How many batches make up a step.
        held_out: The share of training tensors on which architecture weights are trained; 0 takes the
            validation data, as always where training data comes from a loader, which can't be divided.

    Raises:
        EvaluationError: If the data is not enough for one step.
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
    steps = train.steps(batch_size) // lessons_per_step
    if training.steps_per_epoch is not None:
        steps = min(steps, training.steps_per_epoch)
    if not steps:
        msg = (
            f"A step takes {lessons_per_step} batches of {batch_size}, and the training data has "
            f"{train.steps(batch_size)}. Give smaller batches, or fewer in a step."
        )
        raise EvaluationError(msg)
    return Curriculum(train, other, batch_size, seed, lessons_per_step, steps)
