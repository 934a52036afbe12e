"""Costs that are known of whole architectures only: their expectation is estimated from some."""

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
"""How many samples in a row may break the restrictions of the space."""


@dataclass(frozen=True, eq=False)
class SampledCost:
    """A cost whose expectation is estimated from sampled architectures, with the gradient of the score
    function.

    Both are unbiased, given the restrictions of the space. Each sample is compared with the mean of the
    others, which lowers the variance.

    Attributes:
        space: Where architectures are sampled.
        measure: Returns the cost of one.
        samples: How many are sampled, at least two.

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
            probabilities: Of each parameter's values, in the order of its domain, shape (K,). A parameter
                without any is drawn uniformly.
            generator: Where the samples come from, on the CPU; if not given, they follow from the
                probabilities, so that the same ones give the same estimate.

        Raises:
            SupernetError: If no sample meets the restrictions of the space.
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
        # The cost minus the mean of the others, over N, is the cost minus the mean of all, over N - 1.
        advantage = ((cost - cost.mean()) / (self.samples - 1)).to(score.device)
        return cost.mean().to(score.device) + (advantage * (score - score.detach())).sum()

    def cost(self, architecture: Mapping[str, Value]) -> float:
        """Return the cost of an architecture, which is measured once."""
        key = architecture if isinstance(architecture, Architecture) else self.space.validate(architecture)
        if key not in self._known:
            self._known[key] = self.measure(key)
        return self._known[key]

    def _draw(
        self, probabilities: Mapping[str, Tensor], generator: torch.Generator
    ) -> tuple[Architecture, dict[str, int]]:
        """Return an architecture, and the positions of its values that were drawn by their probabilities."""
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
            f"None of {TRIES:,} architectures sampled by their probabilities met the restrictions of the "
            "space. Loosen them."
        )
        raise SupernetError(msg)

    def _values(self, label: str) -> list[Value]:
        domains: dict[str, list[Value]] = self.__dict__.setdefault("_domains", {})
        if label not in domains:
            domains[label] = list(self.space.parameters[label].domain.enumerate())
        return domains[label]


def _seeded_by(probabilities: Mapping[str, Tensor]) -> torch.Generator:
    """Return a generator whose seed follows from the probabilities."""
    shown: list[Any] = [(label, probabilities[label].detach().tolist()) for label in sorted(probabilities)]
    digest = hashlib.blake2b(repr(shown).encode(), digest_size=16).hexdigest()
    return torch.Generator().manual_seed(stream_seed(0, "expected cost", digest))
