"""FBNet: Gumbel-softmax samples of values, whose cost counts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from retia.errors import EvaluationError
from retia.oneshot.differentiable import Differentiable, RelaxedSession
from retia.oneshot.relaxation.gumbel import gumbel_softmax
from retia.oneshot.relaxation.relaxation import Relaxation
from retia.oneshot.training.session import Session, Setting, TrainingBatch

__all__ = ["FBNet"]


@dataclass(frozen=True, kw_only=True)
class FBNet(Differentiable):
    """Weigh values by a Gumbel-softmax sample, and penalize the cost of the sample.

    With gumbel noise g, the weights of a parameter's values are

        m = softmax((alpha + g) / temperature),   temperature <- temperature * exp(-decay) after each epoch

    and the cost of the sample is `sum_k m_k * cost_k`. It needs a penalty, such as
    `Penalty("flops", form="multiply", scale=0.6)` or one with a table of latencies.

    Args:
        temperature: Temperature of the samples in the first epoch, above 0.
        decay: Rate by which the temperature falls: it is multiplied by exp(-decay) after each epoch.

    Raises:
        EvaluationError: If an argument is out of its range.

    References:
        Wu et al., FBNet: Hardware-Aware Efficient ConvNet Design via Differentiable Neural Architecture
        Search, CVPR 2019, sections 3.2 and 3.3. Wan et al., FBNetV2, CVPR 2020, section 3.1, for widths by
        masks.
        Deviations: the loss is that of the penalty's form, without the paper's constant and logarithm. A
        cell's edges are all summed, as in DARTS.
    """

    warmup_epochs: int = 10
    learning_rate: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 5e-4
    temperature: float = 5.0
    decay: float = 0.045

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature <= 0 or self.decay < 0:
            msg = (
                "FBNet needs a temperature above 0 and a decay of at least 0, "
                f"got {self.temperature} and {self.decay}."
            )
            raise EvaluationError(msg)

    def session(self, setting: Setting) -> Session:
        """Start a training session."""
        return _Session(setting, self)


class _Session(RelaxedSession):
    def __init__(self, setting: Setting, method: FBNet) -> None:
        super().__init__(setting, method, Relaxation(setting, "FBNet"))
        self._method = method
        self._sampled: Mapping[str, Tensor] = {}

    def mixtures(self, item: TrainingBatch, generator: torch.Generator) -> Mapping[str, Tensor]:
        """Sample the weights of each parameter's values."""
        epoch = item.step // self.setting.steps_per_epoch
        temperature = self._method.temperature * math.exp(-self._method.decay * epoch)
        self._sampled = {
            label: gumbel_softmax(weights, temperature, generator)
            for label, weights in self.relaxation.weights.items()
        }
        return self._sampled

    def expected_weights(self) -> Mapping[str, Tensor]:
        """Return the weights that were sampled."""
        return {**self.relaxation.probabilities(), **self._sampled}
