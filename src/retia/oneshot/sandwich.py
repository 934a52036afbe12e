"""The sandwich rule: the largest, the smallest and random paths, with in-place distillation."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from retia.errors import EvaluationError
from retia.nn import map_tensors
from retia.oneshot.one_shot import OneShot
from retia.oneshot.paths.extremes import Extremes
from retia.oneshot.paths.sampling import PathSession
from retia.oneshot.training.session import Session, Setting, TrainingBatch
from retia.space import Architecture, greatest, least

__all__ = ["Sandwich"]


@dataclass(frozen=True, kw_only=True)
class Sandwich(OneShot):
    """Train the largest path, the smallest path and random paths with each batch.

    The loss is the sum over the paths. The largest path learns from the targets. With distillation, each
    other path learns from the outputs of the largest: by the cross-entropy with its softmax for classes, by
    the mean squared error otherwise.

    Largest and smallest refer to values with an order: sizes, depths, numbers, subsets. Other values, such as
    the candidates of a layer choice, are sampled, and are the same for the largest and the smallest path. A
    random path with other candidates is not a part of the largest path, and learns from the targets. In a
    space without sizes, another random path replaces the smallest. If a restriction or a bound forbids an
    extreme path, the nearest allowed path replaces it.

    Args:
        random: Number of random paths of a batch. Default 2.
        distill: Whether parts of the largest path learn from its outputs. Default True; otherwise all paths
            learn from the targets.

    Raises:
        EvaluationError: If an argument is out of its range.

    References:
        Yu and Huang, Universally Slimmable Networks and Improved Training Techniques, ICCV 2019, section 3,
        for the rule and the distillation. Yu et al., BigNAS: Scaling Up Neural Architecture Search with Big
        Single-Stage Models, ECCV 2020, section 3.1. Deviations: its initialization, learning-rate schedule
        and regularization of the largest path only are left to the model and the evaluator; `ranked` yields
        random architectures, and the paper selects from coarse to fine.
    """

    random: int = 2
    distill: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.random < 0:
            msg = f"'random' of Sandwich must be a number of paths of at least 0, got {self.random}."
            raise EvaluationError(msg)

    def session(self, setting: Setting) -> Session:
        """Start a training session.

        Raises:
            EvaluationError: If `distill` of the training is not given, and that of the method is True.
            StudyError: If no architecture meets the bounds.
        """
        if self.distill:
            setting.require_distillation("Sandwich", "Sandwich(distill=False)")
        return _Session(setting, self.random, distill=self.distill)


class _Session(PathSession):
    def __init__(self, setting: Setting, random: int, *, distill: bool) -> None:
        super().__init__(setting)
        self._extremes = Extremes(setting, self.sampler)
        self._random = random
        self._distill = distill

    def train_batch(self, item: TrainingBatch) -> float:
        """Train the paths of the sandwich, and return the sum of their losses."""
        batch = item.batch
        largest, *others = self._paths(item.rng)
        self.supernet.activate(largest)
        outputs = self.setting.outputs(batch)
        loss = self.setting.training.loss_of(outputs, batch)
        item.scale(loss).backward()
        teacher, total = map_tensors(Tensor.detach, outputs), float(loss.detach())
        for path in others:
            self.supernet.activate(path)
            outputs = self.setting.outputs(batch)
            taught = self._distill and self._extremes.same_candidates(largest, path)
            loss = (
                self.setting.training.distilled(outputs, teacher, batch)
                if taught
                else self.setting.training.loss_of(outputs, batch)
            )
            item.scale(loss).backward()
            total += float(loss.detach())
        return total

    def _paths(self, rng: np.random.Generator) -> list[Architecture]:
        """Return the largest path, the smallest, and random ones."""
        largest = self._extremes.path(greatest, rng)
        smallest = self._extremes.path(least, rng, like=largest)
        if smallest == largest:
            smallest = self.sampler.sample(rng)
        return [largest, smallest, *(self.sampler.sample(rng) for _ in range(self._random))]
