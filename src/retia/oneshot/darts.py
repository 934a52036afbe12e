"""DARTS: the values of choices are weighed by a softmax, of first and of second order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from retia.errors import EvaluationError
from retia.nn import Batch
from retia.oneshot.differentiable import Differentiable, RelaxedSession
from retia.oneshot.relaxation.relaxation import Relaxation
from retia.oneshot.relaxation.substitution import substituted
from retia.oneshot.relaxation.weight_step import WeightStep, weight_steps
from retia.oneshot.training.session import Session, Setting, TrainingBatch

__all__ = ["DARTS"]

RADIUS = 0.01
"""How far apart weights are, in all, at which gradients are compared for the Hessian-vector product."""


@dataclass(frozen=True, kw_only=True)
class DARTS(Differentiable):
    """Weigh values by the softmax of architecture weights, which are trained on held-out data.

    The mixture of a choice is `sum_k softmax(alpha)_k * o_k(x)` with candidates o_k. The architecture weights
    alpha descend the gradient of

        L_valid(w - xi * d/dw L_train(w, alpha), alpha)                                             (eq. 6)

    With `unrolled=False` (first order) xi is 0: the gradient is that of L_valid(w, alpha). With
    `unrolled=True` (second order), w' = w - xi * d/dw L_train(w, alpha) and the gradient is

        d/dalpha L_valid(w', alpha) - (d/dalpha L_train(w+, alpha) - d/dalpha L_train(w-, alpha)) / (2 eps)

    with w+- = w +- eps * v, v = xi * d/dw' L_valid(w', alpha) and eps = 0.01 / |v|.

    The step to w' is the one that the weights' optimizer would take if it is `torch.optim.SGD`, with its
    learning rate, weight decay and momentum. For any other optimizer, such as Adam, whose steps are not
    linear in the gradient, it is plain gradient descent with its learning rate and weight decay. Gradients
    are not clipped in this step.

    Args:
        unrolled: Order of the gradient: False is first order (default); True is second order by the finite
            difference, with two more passes; "exact" is second order by differentiation through the step,
            which needs layers that can be differentiated twice.
        xi: Learning rate of the step w'. Default: that of the weights' optimizer.

    Raises:
        EvaluationError: If an argument is out of its range.

    Reference:
        Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019, algorithm 1, with its finite
        difference; the momentum is that of the authors' code. Deviation: none with SGD.
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
        """Start a training session."""
        return _Session(setting, self)


class _Session(RelaxedSession):
    def __init__(self, setting: Setting, method: DARTS) -> None:
        super().__init__(setting, method, Relaxation(setting, "DARTS"))
        self._method = method

    def mixtures(self, item: TrainingBatch, generator: torch.Generator) -> Mapping[str, Tensor]:
        """Weigh values by how probable they are."""
        del item, generator
        return {label: weights.softmax(0) for label, weights in self.relaxation.weights.items()}

    def search(self, item: TrainingBatch) -> Mapping[str, float]:
        """Take a step of the architecture weights, on held-out data."""
        if not self._method.unrolled:
            return super().search(item)
        held_out = item.held_out()
        if not self.counts(held_out, item.batch):
            return {}
        unroll = self._exact if self._method.unrolled == "exact" else self._approximate
        gradients, loss = unroll(item, held_out, weight_steps(self.setting.optimizers, self._method.xi))
        self.step(gradients)
        return {"search_loss": loss}

    def _exact(
        self, item: TrainingBatch, held_out: Batch, steps: list[WeightStep]
    ) -> tuple[list[Tensor | None], float]:
        """Return the gradients through the step, and the held-out loss after it."""
        self.mix(item, "search")
        parameters = [step.parameter for step in steps]
        slopes = torch.autograd.grad(
            self.setting.loss(item.batch), parameters, create_graph=True, allow_unused=True
        )
        with substituted(self.supernet, _stepped(steps, slopes)):
            loss = self.setting.loss(held_out)
        return self.gradients(item, self.penalized(loss, item)), float(loss.detach())

    def _approximate(
        self, item: TrainingBatch, held_out: Batch, steps: list[WeightStep]
    ) -> tuple[list[Tensor | None], float]:
        """Return the gradients by a finite difference, and the held-out loss after the step."""
        self.mix(item, "search")
        slopes = self.gradients(item, self.setting.loss(item.batch), [step.parameter for step in steps])
        moved = [
            (parameter, tensor.detach().requires_grad_()) for parameter, tensor in _stepped(steps, slopes)
        ]
        self.mix(item, "search")
        weights = list(self.relaxation.weights.values())
        with substituted(self.supernet, moved):
            loss = self.setting.loss(held_out)
            found = self.gradients(
                item, self.penalized(loss, item), [*weights, *(tensor for _, tensor in moved)]
            )
        direct, onward = found[: len(weights)], found[len(weights) :]
        rates = {id(step.parameter): step.rate for step in steps}
        # A weight moves by its rate times its gradient: what the Hessian is multiplied by.
        direction = [
            (parameter, rates[id(parameter)] * slope)
            for (parameter, _), slope in zip(moved, onward, strict=True)
            if slope is not None
        ]
        length = float(torch.stack([tensor.norm() for _, tensor in direction]).norm()) if direction else 0.0
        if length == 0:
            return direct, float(loss.detach())
        epsilon = RADIUS / length
        sides: list[list[Tensor | None]] = []
        for distance in (epsilon, -epsilon):
            self.mix(item, "search")
            with substituted(
                self.supernet,
                [(parameter, parameter.detach() + distance * tensor) for parameter, tensor in direction],
            ):
                sides.append(self.gradients(item, self.setting.loss(item.batch)))
        gradients = [
            one
            if above is None or below is None
            else (torch.zeros_like(above) if one is None else one) - (above - below) / (2 * epsilon)
            for one, above, below in zip(direct, *sides, strict=True)
        ]
        return gradients, float(loss.detach())


def _stepped(
    steps: Sequence[WeightStep], slopes: Sequence[Tensor | None]
) -> list[tuple[nn.Parameter, Tensor]]:
    """Return the weights after their steps; those without a gradient stay where they are."""
    return [
        (step.parameter, step.applied(slope))
        for step, slope in zip(steps, slopes, strict=True)
        if slope is not None
    ]
