"""DARTS: the values of choices are weighed by a softmax, of first and of second order."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from retia.errors import EvaluationError
from retia.oneshot.differentiable import Differentiable, RelaxedSession
from retia.oneshot.method import Batch, Lesson, Session, Setting
from retia.oneshot.relaxation import Relaxation
from retia.oneshot.substitution import substituted

__all__ = ["DARTS"]

RADIUS = 0.01
"""How far apart weights are, in all, at which gradients are compared for the Hessian-vector product."""


@dataclass(frozen=True, kw_only=True)
class DARTS(Differentiable):
    """Weigh values by the softmax of architecture weights, which are trained on held-out data.

    Of second order, `unrolled`, an architecture weight's gradient is that of the held-out loss after one more step of the weights, which depends on
    it. That step is one of gradient descent with the learning rate and weight decay that the weights' optimizer has at that point.

    Args:
        unrolled: False is of first order. True is of second order, with the paper's finite difference in the place of a Hessian-vector product:
            two more passes. "exact" differentiates through the step instead, which takes a graph of gradients, and layers that can be
            differentiated twice.
        xi: The learning rate of the step, where it should not be the optimizer's.

    Raises:
        EvaluationError: If a setting can't be.

    Reference:
        Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019, algorithm 1, equations 5 to 8. Deviation: the step has no momentum, whose buffers
        the optimizer keeps to itself (the authors' code adds them).
    """

    unrolled: bool | Literal["exact"] = False
    xi: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unrolled not in (False, True, "exact"):
            msg = f"'unrolled' of DARTS is False, True or 'exact', got {self.unrolled!r}."
            raise EvaluationError(msg)
        if self.xi is not None and self.xi < 0:
            msg = f"'xi' of DARTS is a learning rate of at least 0, got {self.xi}."
            raise EvaluationError(msg)

    def session(self, setting: Setting) -> Session:
        """Start a training.

        Raises:
            SupernetError: If a parameter can't be mixed.
            StudyError: If no architecture meets the bounds.
        """
        return _Session(setting, self)


class _Session(RelaxedSession):
    def __init__(self, setting: Setting, method: DARTS) -> None:
        super().__init__(setting, method, Relaxation(setting, "DARTS"))
        self._method = method
        self._steps = _StepSizes(setting, method.xi)

    def mixtures(self, lesson: Lesson, generator: torch.Generator) -> Mapping[str, Tensor]:
        """Weigh values by how probable they are."""
        del lesson, generator
        return {label: weights.softmax(0) for label, weights in self.relaxation.weights.items()}

    def search(self, lesson: Lesson) -> Mapping[str, float]:
        """Take a step of the architecture weights, on held-out data."""
        if not self._method.unrolled:
            return super().search(lesson)
        unroll = self._exact if self._method.unrolled == "exact" else self._approximate
        gradients, loss = unroll(lesson, lesson.held_out(), self._steps.at(lesson.step))
        self.step(gradients)
        return {"search_loss": loss}

    def _exact(self, lesson: Lesson, held_out: Batch, sizes: "_Sizes") -> tuple[list[Tensor | None], float]:
        """Return the gradients through the step, and the held-out loss after it."""
        self.mix(lesson, "search")
        parameters = [parameter for parameter, _, _ in sizes]
        slopes = torch.autograd.grad(self.setting.loss(lesson.batch), parameters, create_graph=True, allow_unused=True)
        with substituted(self.supernet, _stepped(sizes, slopes)):
            loss = self.setting.loss(held_out)
        return self.gradients(lesson, self.penalized(loss, lesson)), float(loss.detach())

    def _approximate(self, lesson: Lesson, held_out: Batch, sizes: "_Sizes") -> tuple[list[Tensor | None], float]:
        """Return the gradients by equation 8, and the held-out loss after the step."""
        self.mix(lesson, "search")
        slopes = self.gradients(lesson, self.setting.loss(lesson.batch), [parameter for parameter, _, _ in sizes])
        moved = [(parameter, tensor.detach().requires_grad_()) for parameter, tensor in _stepped(sizes, slopes)]
        self.mix(lesson, "search")
        weights = list(self.relaxation.weights.values())
        with substituted(self.supernet, moved):
            loss = self.setting.loss(held_out)
            found = self.gradients(lesson, self.penalized(loss, lesson), [*weights, *(tensor for _, tensor in moved)])
        direct, onward = found[: len(weights)], found[len(weights) :]
        rates = {id(parameter): rate for parameter, rate, _ in sizes}
        # The step of each weight is as long as its learning rate: what the Hessian is multiplied by.
        direction = [(parameter, rates[id(parameter)] * slope) for (parameter, _), slope in zip(moved, onward, strict=True) if slope is not None]
        length = float(torch.stack([tensor.norm() for _, tensor in direction]).norm()) if direction else 0.0
        if length == 0:
            return direct, float(loss.detach())
        epsilon = RADIUS / length
        sides: list[list[Tensor | None]] = []
        for distance in (epsilon, -epsilon):
            self.mix(lesson, "search")
            with substituted(self.supernet, [(parameter, parameter.detach() + distance * tensor) for parameter, tensor in direction]):
                sides.append(self.gradients(lesson, self.setting.loss(lesson.batch)))
        gradients = [
            one if above is None or below is None else (torch.zeros_like(above) if one is None else one) - (above - below) / (2 * epsilon)
            for one, above, below in zip(direct, *sides, strict=True)
        ]
        return gradients, float(loss.detach())


_Sizes = list[tuple[nn.Parameter, float, float]]
"""Each weight with its learning rate and its weight decay."""


class _StepSizes:
    """The learning rates that the optimizer of a setting has at each step, read off one that takes no steps."""

    def __init__(self, setting: Setting, xi: float | None) -> None:
        self._optimizer = setting.teaching.optimizer(setting.supernet)
        self._schedule = setting.teaching.schedule(self._optimizer, setting.steps)
        self._at = 0
        self._xi = xi

    def at(self, step: int) -> _Sizes:
        """Return the sizes at a step; steps are asked for in order."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the schedule is stepped without the optimizer
            for _ in range(self._at, step):
                self._schedule.step()
        self._at = max(step, self._at)
        return [
            (parameter, float(group["lr"]) if self._xi is None else self._xi, float(group.get("weight_decay", 0)))
            for group in self._optimizer.param_groups
            for parameter in group["params"]
            if parameter.requires_grad
        ]


def _stepped(sizes: _Sizes, slopes: "tuple[Tensor | None, ...] | list[Tensor | None]") -> list[tuple[nn.Parameter, Tensor]]:
    """Return the weights after a step of gradient descent; those without a gradient stay where they are."""
    return [
        (parameter, parameter.detach() - rate * (slope + decay * parameter.detach()))
        for (parameter, rate, decay), slope in zip(sizes, slopes, strict=True)
        if slope is not None
    ]
