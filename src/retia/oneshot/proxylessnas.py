"""ProxylessNAS: paths are binarized, so that one at a time is in memory."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from retia.errors import EvaluationError
from retia.oneshot.differentiable import Differentiable, RelaxedSession, generator_of
from retia.oneshot.relaxation.gates import BinaryGates
from retia.oneshot.relaxation.relaxation import Relaxation
from retia.oneshot.training.session import Session, Setting, TrainingBatch
from retia.rng import stream
from retia.space import Architecture

__all__ = ["ProxylessNAS"]


@dataclass(frozen=True, kw_only=True)
class ProxylessNAS(Differentiable):
    """Train one sampled path at a time, and the architecture weights by binary gates.

    Weights are trained on a path that is sampled by p = softmax(alpha). In a step of the architecture
    weights, two values of each parameter are sampled by p, and one of the two, by their renormalized
    probabilities, runs. With binary gates g the gradient is

        dL/dalpha_i = sum_j dL/dg_j * p_j * (1[i = j] - p_i)

    over the two values. So one of the two weights grows and the other falls, and the probabilities of the
    other values stay. Sampled paths meet restrictions and bounds.

    Raises:
        EvaluationError: If an argument is out of its range.

    Reference:
        Cai et al., ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware, ICLR 2019,
        sections 3.1, 3.2 and 3.3.1 (`penalties`). The settings of Adam are those of the authors' code, which
        trains only weights for 40 epochs (`warmup_epochs`). Deviations: architecture weights are trained in
        each step and not in every fifth; the output of the path that runs is computed again, with that of the
        other, when their gradients are computed, so that no output is kept: dropout is drawn again there, and
        running statistics do not change. A cell's edges are sampled by their strengths (see `Relaxation`) and
        not by weights of their own. Where samples are rejected, the gradient is that of the distribution
        before. Depths, inputs, widths and kernels are masked at their greatest in steps of the architecture
        weights.
    """

    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.0, 0.999)
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.betas[0] != 0 or self.weight_decay != 0:
            msg = (
                "ProxylessNAS moves the weights of two values alone, so that Adam needs betas of (0, "
                "...) and no weight_decay, "
                f"got {self.betas} and {self.weight_decay}."
            )
            raise EvaluationError(msg)

    def session(self, setting: Setting) -> Session:
        """Start a training session."""
        return _Session(setting, self)


class _Session(RelaxedSession):
    runs_one = True

    def __init__(self, setting: Setting, method: ProxylessNAS) -> None:
        super().__init__(setting, method, Relaxation(setting, "ProxylessNAS"))

    def train_batch(self, item: TrainingBatch) -> float:
        """Train a sampled path."""
        architecture, _ = self._path(item, "weights")
        self.supernet.activate(architecture)
        loss = self.setting.loss(item.batch)
        item.scale(loss).backward()
        return float(loss.detach())

    def mixtures(self, item: TrainingBatch, generator: torch.Generator) -> Mapping[str, BinaryGates]:
        """Open one gate of two for each parameter of the sampled path, and activate its other choices."""
        del generator
        architecture, pairs = self._path(item, "search")
        self.supernet.activate(architecture)
        gates: dict[str, BinaryGates] = {}
        for label, weights in self.relaxation.weights.items():
            if label in architecture:
                one, other = pairs[label]
                hard = torch.zeros_like(weights).index_fill_(0, torch.tensor(one, device=weights.device), 1.0)
                values = self.relaxation.values(label)
                gates[label] = BinaryGates(hard.requires_grad_(), one, other, label, values)
        return gates

    def search(self, item: TrainingBatch) -> Mapping[str, float]:
        """Take a step of two weights of each parameter, on held-out data."""
        if not self.counts(self.search_batch(item)):
            return {}
        gates = self.mixtures(item, generator_of(item, "search"))
        self.supernet.mix(gates)  # edges of cells stay activated
        loss = self.search_loss(item)
        weights = self.relaxation.weights
        found = self.gradients(
            item,
            self.penalized(loss, item),
            [*weights.values(), *(gate.weights for gate in gates.values())],
        )
        gradients = dict(zip(weights, found, strict=False))
        with torch.no_grad():
            for (label, gate), slope in zip(gates.items(), found[len(weights) :], strict=True):
                if slope is not None:
                    through = _through_gates(weights[label], gate, slope)
                    known = gradients[label]
                    gradients[label] = through if known is None else known + through
            before = {label: _mass(weights[label], gate) for label, gate in gates.items()}
            self.step([gradients[label] for label in weights])
            for label, gate in gates.items():
                weights[label][[gate.open, gate.other]] += before[label] - _mass(weights[label], gate)
        return {"search_loss": float(loss.detach())}

    def _path(self, item: TrainingBatch, purpose: str) -> tuple[Architecture, Mapping[str, tuple[int, int]]]:
        """Sample an allowed path, and for each parameter the positions of its value and of another."""
        with torch.no_grad():
            likely = {label: one.double().cpu() for label, one in self.relaxation.probabilities().items()}
        generator = generator_of(item, purpose)

        def draw() -> Architecture:
            return self.relaxation.architecture(
                {label: int(torch.multinomial(one, 1, generator=generator)) for label, one in likely.items()}
            )

        architecture = self.sampler.accepted(draw, lambda: self.sampler.sample(stream(item.seed, purpose)))
        pairs: dict[str, tuple[int, int]] = {}
        for label, value in architecture.items():
            if label in self.relaxation.weights:
                one = self.relaxation.values(label).index(value)
                rest = likely[label].clone()
                rest[one] = 0
                other = torch.multinomial(
                    rest if float(rest.sum()) > 0 else rest.index_fill(0, _others(one, len(rest)), 1.0),
                    1,
                    generator=generator,
                )
                pairs[label] = (one, int(other))
        return architecture, pairs


def _through_gates(weights: Tensor, gate: BinaryGates, slope: Tensor) -> Tensor:
    """Return the gradient of the weights, shape (K,), from that of the two gates."""
    one, other = weights[[gate.open, gate.other]].softmax(0)
    pull = one * other * (slope[gate.open] - slope[gate.other])
    gradient = torch.zeros_like(weights)
    gradient[gate.open], gradient[gate.other] = pull, -pull
    return gradient


def _mass(weights: Tensor, gate: BinaryGates) -> Tensor:
    return weights[[gate.open, gate.other]].logsumexp(0)


def _others(one: int, size: int) -> Tensor:
    return torch.tensor([i for i in range(size) if i != one])
