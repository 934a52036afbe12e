"""Differentiable methods: architecture weights, trained by gradients on held-out data."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from retia.errors import EvaluationError
from retia.nn import Mixture, ModelSpace
from retia.oneshot.one_shot import OneShot, refuse_real_interval
from retia.oneshot.paths.sampling import PathSampler
from retia.oneshot.relaxation.relaxation import Relaxation
from retia.oneshot.training.session import Batch, Session, Setting, TrainingBatch
from retia.oneshot.training.trial_run import check_outputs
from retia.rng import stream, stream_seed
from retia.space import Architecture, SearchSpace

__all__ = ["Differentiable", "RelaxedSession", "generator_of"]

PATIENCE = 10_000
"""Number of architectures in a row that may break restrictions or bounds; then allowed ones are sampled."""

TRIAL_PATHS = 100
"""Number of paths that are run before the training, to try each value of each choice."""

CHUNK = 1_000
"""Number of sampled architectures that are sorted together."""


@dataclass(frozen=True, kw_only=True)
class Differentiable(OneShot, ABC):
    """A method that trains one weight for each value of each parameter by gradients.

    Layer choices, widths, kernels, depths and inputs can be searched (see `Supernet.mix`). `ranked` yields
    the allowed architectures by the product of their values' probabilities.

    Attributes:
        learning_rate: Learning rate of the architecture weights (Adam). Default 3e-4.
        betas: Decay rates of Adam's moving averages. Default (0.5, 0.999).
        weight_decay: Weight decay of the architecture weights. Default 1e-3.
    """

    learns_choices: ClassVar[bool] = True

    learning_rate: float = 3e-4
    betas: tuple[float, float] = (0.5, 0.999)
    weight_decay: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.learning_rate <= 0 or self.weight_decay < 0:
            msg = (
                f"{type(self).__name__} needs a learning_rate above 0 and a weight_decay of at least 0, "
                f"got {self.learning_rate} and {self.weight_decay}. Both are those of the architecture "
                "weights."
            )
            raise EvaluationError(msg)

    @abstractmethod
    def session(self, setting: Setting) -> Session:
        """Start a training session.

        Raises:
            SupernetError: If a parameter can't be mixed.
            StudyError: If no architecture meets the bounds.
        """

    def refuse(self, space: SearchSpace) -> str | None:
        """Return why the method can't search a space.

        The values of a real interval can't be weighed, and parameters that `extend` has added are not part of
        the model.
        """
        for label, parameter in space.parameters.items():
            if isinstance(space, ModelSpace) and label not in space.labels and parameter.domain.size > 1:
                return (
                    f"'{label}' was added by extend and is not a choice of the model, so a supernet can't "
                    f"have it and {type(self).__name__} can't search it. Use a strategy that trains models "
                    "one by one, such as RegularizedEvolution, or leave it out."
                )
        return refuse_real_interval(
            space, f"and {type(self).__name__} needs a finite number of values to weigh"
        )


class RelaxedSession(Session, ABC):
    """A training session that mixes the values of choices by architecture weights.

    Args:
        setting: The supernet, its training and its data.
        method: The method.
        relaxation: The architecture weights.

    Attributes:
        runs_one: Whether one candidate of a layer choice runs at a time, on a path that is allowed.
        alike: Whether outputs of candidates are added or compared, so that their shapes must be equal.

    Raises:
        StudyError: If no architecture meets the bounds.
        SupernetError: If the outputs of candidates can't be mixed.
    """

    runs_one: ClassVar[bool] = False
    alike: ClassVar[bool] = True

    def __init__(self, setting: Setting, method: Differentiable, relaxation: Relaxation) -> None:
        super().__init__(setting)
        self.relaxation = relaxation
        self.sampler = PathSampler(setting)
        paths = (
            (self.sampler.sample(stream(setting.seed, "trial run", i)) for i in range(TRIAL_PATHS))
            if self.runs_one
            else None
        )
        check_outputs(
            setting, type(method).__name__, relaxation.weights, relaxation.fixed, paths, alike=self.alike
        )
        # Small tensors, one by one: grouping them takes longer than it saves.
        self.optimizer = torch.optim.Adam(
            list(relaxation.weights.values()),
            method.learning_rate,
            method.betas,
            weight_decay=method.weight_decay,
            foreach=len(relaxation.weights) > 8,
        )

    @abstractmethod
    def mixtures(self, item: TrainingBatch, generator: torch.Generator) -> Mapping[str, Mixture | Tensor]:
        """Return the mixture weights of each parameter in one forward pass, with gradients to alpha."""

    def train_batch(self, item: TrainingBatch) -> float:
        """Train the weights of the mixture."""
        with torch.no_grad():
            self.mix(item, "weights")
        loss = self.setting.loss(item.batch)
        item.scale(loss).backward()
        return float(loss.detach())

    def search(self, item: TrainingBatch) -> Mapping[str, float]:
        """Take a step of the architecture weights, on held-out data."""
        if not self.counts(self.search_batch(item)):
            return {}
        self.mix(item, "search")
        loss = self.search_loss(item)
        self.step(self.gradients(item, self.penalized(loss, item)))
        return {"search_loss": float(loss.detach())}

    def search_loss(self, item: TrainingBatch) -> Tensor:
        """Return the loss of the supernet as it is on the data of a step of the architecture weights.

        Its graph has the architecture weights only: tensors for the gradients of other weights are not kept.
        """
        trained = [parameter for parameter in self.supernet.parameters() if parameter.requires_grad]
        batch = self.search_batch(item)
        try:
            for parameter in trained:
                parameter.requires_grad_(False)
            return self.setting.loss(batch)
        finally:
            for parameter in trained:
                parameter.requires_grad_()

    def search_batch(self, item: TrainingBatch) -> Batch:
        """Return the data of a step of the architecture weights."""
        return item.held_out()

    def mix(self, item: TrainingBatch, purpose: str) -> None:
        """Mix the supernet, with the random numbers of a batch for a purpose."""
        self.supernet.mix({**self.relaxation.fixed, **self.mixtures(item, generator_of(item, purpose))})

    def penalized(self, loss: Tensor, item: TrainingBatch) -> Tensor:
        """Return a loss with the penalties on the expected cost."""
        if self.setting.penalties:
            probabilities = self.expected_weights()
            for i, penalty in enumerate(self.setting.penalties):
                loss = penalty.penalized(
                    loss, penalty.expected(probabilities, generator_of(item, f"penalty {i}"))
                )
        return loss

    def expected_weights(self) -> Mapping[str, Tensor]:
        """Return the weights of values for the expected costs."""
        return self.relaxation.probabilities()

    def gradients(
        self, item: TrainingBatch, loss: Tensor, of: Sequence[Tensor] | None = None
    ) -> list[Tensor | None]:
        """Return the gradients of a loss for the architecture weights, or for other tensors.

        The loss is scaled and the gradients are scaled back, so that they do not vanish in half precision.
        """
        tensors = list(self.relaxation.weights.values()) if of is None else list(of)
        factor = item.scale(torch.ones_like(loss.detach()))
        found = torch.autograd.grad(item.scale(loss), tensors, allow_unused=True)
        return [None if gradient is None else gradient / factor.to(gradient) for gradient in found]

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        """Take a step of Adam along the gradients of the architecture weights.

        There is no step if a gradient is not finite, as scaled gradients may be.
        """
        known = [gradient for gradient in gradients if gradient is not None]
        if not known or not torch.cat(known).isfinite().all():
            return
        for weights, gradient in zip(self.relaxation.weights.values(), gradients, strict=True):
            weights.grad = gradient
        self.optimizer.step()
        self.optimizer.zero_grad()

    def progress(self, item: TrainingBatch) -> float:
        """Return the share of the training that is done: 0 in the first step, 1 in the last."""
        return item.step / max(1, self.setting.steps - 1)

    def ranked(self) -> Iterator[Architecture]:
        """Yield architectures by their probability, each once.

        After `PATIENCE` architectures in a row that break restrictions or bounds, allowed ones are sampled
        and sorted, `CHUNK` at a time.
        """
        misses, yielded = 0, set[Architecture]()
        for architecture in self.relaxation.ranked():
            if self.sampler.allows(architecture):
                misses = 0
                yielded.add(architecture)
                yield architecture
            elif (misses := misses + 1) == PATIENCE:
                break
        else:
            return
        samples = self.sampler.unseen(stream(self.setting.seed, "ranked"), but=yielded)
        while chunk := list(islice(samples, CHUNK)):
            yield from sorted(chunk, key=self.relaxation.log_probability, reverse=True)

    def probabilities(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """Return the probability of each value of each parameter while it is active, by label."""
        with torch.no_grad():
            return {
                label: likely.double().cpu().numpy()
                for label, likely in self.relaxation.probabilities().items()
            }

    def state_dict(self) -> dict[str, Any]:
        """Return the architecture weights and the state of Adam."""
        return {"weights": self.relaxation.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.relaxation.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])


def generator_of(item: TrainingBatch, purpose: str) -> torch.Generator:
    """Return the random numbers of a batch for a purpose, the same at each call."""
    return torch.Generator().manual_seed(stream_seed(item.seed, purpose))
