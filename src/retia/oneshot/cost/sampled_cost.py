"""Costs of whole architectures, whose expectation is estimated from samples."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from retia.errors import SupernetError
from retia.rng import stream_seed
from retia.space import Architecture, SearchSpace, Value

__all__ = ["SampledCost"]

TRIES = 1_000
"""Number of draws for one sample that meets the restrictions of the space."""


@dataclass(frozen=True, eq=False)
class SampledCost:
    """A cost whose expectation and gradient are estimated from N = `samples` architectures a_i.

    With c_i = measure(a_i) and the probability p(a_i) of its values:

        expected = 1/N sum_i c_i
        gradient = 1/N sum_i (c_i - mean of the other c_j) d log p(a_i)

    Both are unbiased, also under restrictions of the space, where the expectation is over allowed
    architectures: draws that break them are repeated.

    Attributes:
        space: Search space of the samples.
        measure: Function that returns the cost of an architecture; called once for each.
        samples: Number of samples N, at least 2.

    Reference:
        Kool et al., Buy 4 REINFORCE Samples, Get a Baseline for Free!, ICLR 2019 workshop, for the baseline.
    """

    space: SearchSpace
    measure: Callable[[Architecture], float]
    samples: int
    _known: dict[Architecture, float] = field(
        default_factory=dict[Architecture, float], init=False, repr=False
    )

    def expected(
        self, probabilities: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Tensor:
        """Return an estimate of the expected cost, a float64 scalar.

        Args:
            probabilities: Probabilities of each parameter's values, in the order of its domain, shape (K,),
                by label. A parameter that is not in it is drawn uniformly.
            generator: CPU generator of the samples. Default: seeded by the probabilities, so that equal
                probabilities give equal estimates.

        Raises:
            SupernetError: If 1,000 draws in a row break the restrictions of the space.
        """
        generator = generator or _seeded_by(probabilities)
        plain = {label: given.detach().double().cpu() for label, given in probabilities.items()}
        costs: list[float] = []
        scores: list[Tensor] = []
        for _ in range(self.samples):
            architecture, positions = self._draw(plain, generator)
            costs.append(self.cost(architecture))
            logs = [probabilities[label][position].double().log() for label, position in positions.items()]
            scores.append(torch.stack(logs).sum() if logs else torch.zeros((), dtype=torch.float64))
        cost, score = torch.tensor(costs, dtype=torch.float64), torch.stack(scores)  # (N,), (N,)
        # (cost - mean of the others) / N equals (cost - mean of all) / (N - 1)
        advantage = ((cost - cost.mean()) / (self.samples - 1)).to(score.device)
        return cost.mean().to(score.device) + (advantage * (score - score.detach())).sum()

    def cost(self, architecture: Mapping[str, Value]) -> float:
        """Return the cost of an architecture. Each architecture is measured once."""
        key = architecture if isinstance(architecture, Architecture) else self.space.validate(architecture)
        if key not in self._known:
            self._known[key] = self.measure(key)
        return self._known[key]

    def _draw(
        self, probabilities: Mapping[str, Tensor], generator: torch.Generator
    ) -> tuple[Architecture, dict[str, int]]:
        """Return an architecture, and the positions of the values drawn by `probabilities`, by label."""
        for _ in range(TRIES):
            values: dict[str, Value] = {}
            positions: dict[str, int] = {}
            for label, parameter in self.space.parameters.items():
                if not parameter.condition.holds(values):
                    continue
                if label in probabilities:
                    positions[label] = int(torch.multinomial(probabilities[label], 1, generator=generator))
                    values[label] = self._values(label)[positions[label]]
                else:
                    values[label] = parameter.domain.from_unit(
                        float(torch.rand((), generator=generator, dtype=torch.float64))
                    )
            if values in self.space:
                return self.space.validate(values), positions
        msg = (
            f"{TRIES:,} architectures were sampled by their probabilities, but all break the restrictions "
            "of the space. Loosen the restrictions."
        )
        raise SupernetError(msg)

    def _values(self, label: str) -> list[Value]:
        domains: dict[str, list[Value]] = self.__dict__.setdefault("_domains", {})
        if label not in domains:
            domains[label] = list(self.space.parameters[label].domain.enumerate())
        return domains[label]


def _seeded_by(probabilities: Mapping[str, Tensor]) -> torch.Generator:
    """Return a generator seeded by the probabilities."""
    shown: list[Any] = [(label, probabilities[label].detach().tolist()) for label in sorted(probabilities)]
    digest = hashlib.blake2b(repr(shown).encode(), digest_size=16).hexdigest()
    return torch.Generator().manual_seed(stream_seed(0, "expected cost", digest))
