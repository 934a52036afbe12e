"""Once for all: progressive shrinking."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from retia.errors import EvaluationError
from retia.nn import Batch
from retia.oneshot.one_shot import OneShot
from retia.oneshot.paths.extremes import Extremes
from retia.oneshot.paths.sampling import PathSession
from retia.oneshot.paths.shrinking import Shrinking, phases_of, select
from retia.oneshot.training.session import Session, Setting, TrainingBatch
from retia.space import Architecture, Value, greatest

__all__ = ["OnceForAll"]

TRIES = 100
"""Number of paths of open values that may break a restriction; then the nearest allowed path is taken."""


@dataclass(frozen=True, kw_only=True)
class OnceForAll(OneShot):
    """Train the largest network first, then smaller kernels, then smaller depths, then smaller widths.

    The values that are open follow from the step (`Shrinking`). Parameters that are in no phase, such as
    layer choices, are open from the first step. After the steps of the largest network, a frozen copy of it
    is the teacher of all others: their loss is that on the targets plus `distillation` times that on the
    teacher's outputs, which is the cross-entropy with its softmax for classes, and the mean squared error
    otherwise. The gradients of the subnets of a batch are summed.

    If restrictions or bounds forbid a hundred paths of open values in a row, such as the largest network
    itself, the nearest allowed path is taken. It may have values that are not open yet.

    Args:
        largest: Share of the steps that train the largest network, between 0 and 1. Default 0.3.
        phases: Predicates of labels, one for each phase; a label belongs to the first that holds. Default:
            kernel sizes, depths and widths, which are found in the supernet.
        subnets_per_step: Number of subnets of a batch in each phase; the last number holds for further
            phases. Default (1, 2, 4).
        distillation: Weight of the loss on the teacher's outputs. Default 1; 0 trains without a teacher.

    Raises:
        EvaluationError: If an argument is out of its range.

    Reference:
        Cai et al., Once-for-All: Train One Network and Specialize it for Efficient Deployment, ICLR 2020,
        section 3.4. `Supernet(kernel_transform=True)` has its kernel transformation. Deviations: phases take
        equal shares of the steps, and their values open at equal distances (the paper has 180 epochs for the
        largest network, which is the default of `largest`, 125 for kernels, and 25 and 125 for each of the
        two stages of depth and width); channels are not sorted by importance before widths shrink; the
        teacher normalizes by the batch, as in the authors' code, and has no dropout; `ranked` yields random
        architectures, and the paper searches with a predictor.
    """

    largest: float = 0.3
    phases: Sequence[Callable[[str], bool]] | None = None
    subnets_per_step: int | Sequence[int] = (1, 2, 4)
    distillation: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.largest < 1:
            msg = f"'largest' of OnceForAll must be a share of the steps between 0 and 1, got {self.largest}."
            raise EvaluationError(msg)
        if not self._subnets or min(self._subnets) < 1:
            msg = (
                "'subnets_per_step' of OnceForAll must be at least 1 in each phase, "
                f"got {self.subnets_per_step}."
            )
            raise EvaluationError(msg)
        if self.distillation < 0:
            msg = f"'distillation' of OnceForAll must be a weight of at least 0, got {self.distillation}."
            raise EvaluationError(msg)

    @property
    def _subnets(self) -> Sequence[int]:
        return (
            (self.subnets_per_step,)
            if isinstance(self.subnets_per_step, int)
            else tuple(self.subnets_per_step)
        )

    def session(self, setting: Setting) -> Session:
        """Start a training session.

        Raises:
            EvaluationError: If a phase has no parameter, or `distill` of the training is not given for a
                `distillation` above 0.
            StudyError: If no architecture meets the bounds.
        """
        parameters = setting.supernet.space.parameters
        if self.phases is None:
            phases = phases_of(setting.supernet)
        else:
            phases = select(list(parameters), self.phases)
            if not all(phases):
                msg = (
                    "Each phase of OnceForAll must open at least one parameter, "
                    f"but number {phases.index(frozenset()) + 1} of 'phases' holds for no label that an "
                    f"earlier phase has left of {list(parameters)}. Change this phase, or leave it out."
                )
                raise EvaluationError(msg)
        if phases and self.distillation:
            setting.require_distillation("OnceForAll", "OnceForAll(distillation=0)")
        domains = {label: parameters[label].domain for labels in phases for label in labels}
        steps = round(self.largest * setting.steps) if phases else setting.steps
        return _Session(
            setting,
            Shrinking(domains, phases, max(steps, 1), setting.steps),
            self._subnets,
            self.distillation,
        )


class _Session(PathSession):
    def __init__(
        self, setting: Setting, shrinking: Shrinking, subnets: Sequence[int], distillation: float
    ) -> None:
        super().__init__(setting)
        self._extremes = Extremes(setting, self.sampler)
        self._shrinking = shrinking
        self._subnets = subnets
        self._distillation = distillation
        self._weights: dict[str, Tensor] | None = None
        self._teacher: nn.Module | None = None

    def train_batch(self, item: TrainingBatch) -> float:
        """Train the batch's subnets, and return the sum of their losses."""
        batch = item.batch
        phase = self._shrinking.phase(item.step)
        soft = self._soft(batch) if phase >= 0 and self._distillation else None
        rng = item.rng
        total = 0.0
        for _ in range(1 if phase < 0 else self._subnets[min(phase, len(self._subnets) - 1)]):
            self.supernet.activate(self._path(item.step, rng))
            outputs = self.setting.outputs(batch)
            loss = self.setting.training.loss_of(outputs, batch)
            if soft is not None:
                loss = loss + self._distillation * self.setting.training.distilled(outputs, soft, batch)
            item.scale(loss).backward()
            total += float(loss.detach())
        return total

    def state_dict(self) -> dict[str, Any]:
        """Return the weights of the teacher; None before there is a teacher."""
        return {"teacher": self._weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the teacher."""
        self._weights, self._teacher = state["teacher"], None

    def _path(self, step: int, rng: np.random.Generator) -> Architecture:
        """Draw a path of open values."""
        return self.sampler.accepted(
            lambda: self._draw(step, rng), lambda: self._extremes.nearest(self._draw(step, rng)), tries=TRIES
        )

    def _draw(self, step: int, rng: np.random.Generator) -> Architecture:
        values: dict[str, Value] = {}
        for label, parameter in self.supernet.space.parameters.items():
            if parameter.condition.holds(values):
                phased = label in self._shrinking.domains
                values[label] = (
                    self._shrinking.sample(label, step, rng) if phased else parameter.domain.sample(rng)
                )
        return Architecture(values)

    def _soft(self, batch: Batch) -> Any:
        """Return the outputs of the largest network as it was after its own training steps."""
        if self._teacher is None:
            architecture = self._extremes.path(greatest, None)
            if self._weights is None:
                self._weights = self.supernet.extract(architecture)
            self._teacher = self.supernet.space.build(
                architecture, device=self.setting.training.place, seed=0
            )
            self._teacher.load_state_dict(self._weights)
            self._teacher.eval()
            for module in self._teacher.modules():
                # Without statistics it normalizes by the batch, so that all processes agree.
                if isinstance(module, _BatchNorm):
                    module.running_mean = module.running_var = None
        with torch.no_grad():
            return self.setting.outputs(batch, self._teacher)
