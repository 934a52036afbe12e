"""DrNAS: the weights of values are samples of a Dirichlet distribution that is learnt."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Dirichlet, kl_divergence
from torch.nn import functional

from retia.errors import EvaluationError
from retia.nn import seeded
from retia.oneshot.differentiable import Differentiable, RelaxedSession
from retia.oneshot.relaxation.relaxation import Relaxation
from retia.oneshot.training.session import Session, Setting, TrainingBatch

__all__ = ["DrNAS"]


@dataclass(frozen=True, kw_only=True)
class DrNAS(Differentiable):
    """Weigh values by a sample of a Dirichlet distribution whose concentrations are trained.

    The weights of a parameter's values are theta ~ Dir(beta) with concentrations beta = elu(alpha) + 1, and
    the architecture weights alpha descend the gradient of

        E_theta[L_valid(w, theta)] + regularization * KL(Dir(beta) || Dir(1, ..., 1))

    which is the gradient of the sample's path. The probability of a value is its expected weight.

    Args:
        regularization: Weight of the Kullback-Leibler divergence (in nats, summed over the parameters) from
            the uniform distribution. It replaces weight decay.

    Raises:
        EvaluationError: If an argument is out of its range.

    Reference:
        Chen et al., DrNAS: Dirichlet Neural Architecture Search, ICLR 2021, sections 2.2 and 2.3. Deviations:
        the progressive scheme of section 3, which grows the share of channels and drops operations in stages,
        is left out. A cell's edges are all summed, as in DARTS.
    """

    learning_rate: float = 6e-4
    weight_decay: float = 0.0
    regularization: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.regularization < 0:
            msg = f"The regularization of DrNAS is at least 0, got {self.regularization}."
            raise EvaluationError(msg)

    def session(self, setting: Setting) -> Session:
        """Start a training session."""
        return _Session(setting, self)


class _Session(RelaxedSession):
    def __init__(self, setting: Setting, method: DrNAS) -> None:
        super().__init__(setting, method, Relaxation(setting, "DrNAS", likelihood=_expected))
        self._regularization = method.regularization

    def mixtures(self, item: TrainingBatch, generator: torch.Generator) -> Mapping[str, Tensor]:
        """Sample the weights of each parameter's values."""
        del item
        # Torch samples this distribution from its global generator alone.
        with seeded(generator.initial_seed()):
            return {
                label: Dirichlet(_concentration(weights).cpu()).rsample().to(weights)
                for label, weights in self.relaxation.weights.items()
            }

    def penalized(self, loss: Tensor, item: TrainingBatch) -> Tensor:
        """Return a loss with the penalties, and that on the distance from the uniform distribution."""
        loss = super().penalized(loss, item)
        if self._regularization:
            concentrations = map(_concentration, self.relaxation.weights.values())
            divergences = [
                kl_divergence(Dirichlet(one), Dirichlet(torch.ones_like(one))) for one in concentrations
            ]
            loss = loss + self._regularization * torch.stack(divergences).sum().to(loss)
        return loss


def _concentration(weights: Tensor) -> Tensor:
    """Return the parameters of the distribution, which are above 0."""
    return (functional.elu(weights) + 1).clamp(min=1e-6)


def _expected(weights: Tensor) -> Tensor:
    concentration = _concentration(weights)
    return concentration / concentration.sum()
