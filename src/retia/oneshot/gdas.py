"""GDAS: one sampled value of each parameter runs, and the gradient is that of the soft sample."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from retia.oneshot.differentiable import Differentiable, RelaxedSession
from retia.oneshot.relaxation.gumbel import LinearTemperature, Picked, gumbel_softmax, picked
from retia.oneshot.relaxation.relaxation import Relaxation
from retia.oneshot.training.session import Session, Setting, TrainingBatch
from retia.rng import stream
from retia.space import Architecture

__all__ = ["GDAS"]


@dataclass(frozen=True, kw_only=True)
class GDAS(Differentiable):
    """Run one sampled candidate of each layer choice, with the gradient of the Gumbel-softmax.

    With gumbel noise g and the probabilities p = softmax(alpha), a sample is

        h = one_hot(argmax_k (log p_k + g_k)),   h~ = softmax((log p + g) / temperature)

    The forward pass computes the candidate that h selects; the gradient is that of h~. Each parameter has one
    sample in a step, which all modules with its label share. Samples meet restrictions and bounds: they are
    drawn again until they do. For this purpose a cell has the edges that are currently the strongest.

    Args:
        temperature: Initial temperature of the Gumbel-softmax, above 0.
        final_temperature: Final temperature, above 0; in between the temperature falls linearly.

    Raises:
        EvaluationError: If an argument is out of its range.

    Reference:
        Dong and Yang, Searching for a Robust Neural Architecture in Four GPU Hours, CVPR 2019, section 3.2.
        The temperatures are those of the authors' code. Deviations: reduction cells are searched like other
        cells; the temperature falls in each step and not after each epoch; depths and inputs, of which all
        run, and widths and kernels, which run masked at their greatest value, give each value a gradient and
        not only the sampled one. If samples are rejected, the gradient is that of the distribution before the
        rejection.
    """

    temperature: float = 10.0
    final_temperature: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.annealed  # an invalid temperature is an error now

    @property
    def annealed(self) -> LinearTemperature:
        """The temperature over the training."""
        return LinearTemperature("GDAS", self.temperature, self.final_temperature)

    def session(self, setting: Setting) -> Session:
        """Start a training session."""
        return _Session(setting, self)


class _Session(RelaxedSession):
    runs_one = True
    alike = False

    def __init__(self, setting: Setting, method: GDAS) -> None:
        super().__init__(setting, method, Relaxation(setting, "GDAS"))
        self._temperature = method.annealed

    def mixtures(self, item: TrainingBatch, generator: torch.Generator) -> Mapping[str, Picked]:
        """Sample a value of each parameter, so that the architecture is allowed."""
        temperature = self._temperature.at(self.progress(item))
        soft: dict[str, Tensor] = {}

        def draw() -> Architecture:
            soft.update(
                {
                    label: gumbel_softmax(weights, temperature, generator)
                    for label, weights in self.relaxation.weights.items()
                }
            )
            return self.relaxation.architecture(
                {label: int(sample.argmax()) for label, sample in soft.items()}
            )

        path = self.sampler.accepted(draw, lambda: self.sampler.sample(stream(item.seed, "allowed")))
        positions = {
            label: self.relaxation.values(label).index(path[label]) if label in path else int(sample.argmax())
            for label, sample in soft.items()
        }
        return {label: picked(sample, positions[label]) for label, sample in soft.items()}
