"""SNAS: the values of choices are weighed by samples of the concrete distribution."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from retia.oneshot.differentiable import Differentiable, RelaxedSession
from retia.oneshot.relaxation.gumbel import LinearTemperature, gumbel_softmax
from retia.oneshot.relaxation.relaxation import Relaxation
from retia.oneshot.training.session import Batch, Session, Setting, TrainingBatch

__all__ = ["SNAS"]


@dataclass(frozen=True, kw_only=True)
class SNAS(Differentiable):
    """Weigh values by a sample of the concrete distribution, and train all weights on the same data.

    With gumbel noise g and the probabilities p = softmax(alpha), the weights of a parameter's values are

        z = softmax((log p + g) / temperature)

    so the mixture of a choice is `sum_k z_k * o_k(x)`, and gradients reach alpha through z.

    Args:
        temperature: Initial temperature of the samples, above 0.
        final_temperature: Final temperature, above 0; in between the temperature falls linearly.

    Raises:
        EvaluationError: If an argument is out of its range.

    Reference:
        Xie et al., SNAS: Stochastic Neural Architecture Search, ICLR 2019, sections 2.2 and 2.3; `penalties`
        stand for its resource constraint (section 2.4).
        Deviations: weights and architecture weights have a forward pass each, with the same batch and
        samples, of which the second sees the architecture weights that the first has moved; the temperatures,
        which the paper doesn't give, are those of the authors' code, but fall in each step and not after each
        epoch; a cell sums all edges, as in DARTS, and a set of edges has no weights of its own.
    """

    temperature: float = 1.0
    final_temperature: float = 0.03

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.annealed  # an invalid temperature is an error now

    @property
    def annealed(self) -> LinearTemperature:
        """The temperature over the training."""
        return LinearTemperature("SNAS", self.temperature, self.final_temperature)

    def session(self, setting: Setting) -> Session:
        """Start a training session."""
        return _Session(setting, self)


class _Session(RelaxedSession):
    def __init__(self, setting: Setting, method: SNAS) -> None:
        super().__init__(setting, method, Relaxation(setting, "SNAS"))
        self._temperature = method.annealed

    def mix(self, item: TrainingBatch, purpose: str) -> None:
        """Mix the supernet, with the same samples for every purpose."""
        del purpose
        super().mix(item, "samples")

    def search_batch(self, item: TrainingBatch) -> Batch:
        """Return the training data."""
        return item.batch

    def mixtures(self, item: TrainingBatch, generator: torch.Generator) -> Mapping[str, Tensor]:
        """Sample the weights of each parameter's values."""
        temperature = self._temperature.at(self.progress(item))
        return {
            label: gumbel_softmax(weights, temperature, generator)
            for label, weights in self.relaxation.weights.items()
        }
