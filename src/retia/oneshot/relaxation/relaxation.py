"""The continuous relaxation: architecture weights, and the probabilities that they give to architectures."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from retia.errors import SupernetError
from retia.oneshot.relaxation.cell_edges import edges_of, zero_operations
from retia.oneshot.training.session import Setting
from retia.rng import stream_seed
from retia.space import Architecture, Value, cheapest

__all__ = ["Relaxation", "softmax"]

INITIAL_SCALE = 1e-3
"""Standard deviation of the initial architecture weights."""

LAST = 1e6
"""Cost of an operation that no derived cell has; it ranks such architectures last."""


def softmax(weights: Tensor) -> Tensor:
    """Return the softmax of architecture weights, shape (K,)."""
    return weights.softmax(0)


class Relaxation:
    """Architecture weights: one tensor per parameter of the space, with one weight per value.

    The probability of an architecture is `p(a) = prod_l p_l(a[l])` over its active parameters l, with
    `p_l = likelihood(weights[l])`.

    The edges of a cell (`retia.nn.cell` with distinct predecessors) have no weights, as in DARTS. A node of
    the mixed model sums all edges. The strength of an edge is `s_e = max_o p_e(o)` over its operations o
    other than "none" and "zero", and a set S of edges has a probability proportional to `prod_(e in S) s_e`.
    Architectures with "none" or "zero" in a cell are ranked last.

    Args:
        setting: Setting of the training.
        method: Name of the method, for errors.
        likelihood: Function from weights to probabilities, both of shape (K,). Default `softmax`.
        edge_weights: Whether edges have weights, shape (E,), with `s_e = softmax(weights)_e`. Default False.

    Attributes:
        weights: Architecture weights by label, in the order of the space.
        edges: Choices of cells' edges by label.
        fixed: Weights of the edge choices without architecture weights: each edge counts once.

    Raises:
        SupernetError: If a parameter can't be mixed, or no parameter has two values.

    References:
        Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019, sections 2.2 and 2.4.
    """

    def __init__(
        self,
        setting: Setting,
        method: str,
        *,
        likelihood: Callable[[Tensor], Tensor] = softmax,
        edge_weights: bool = False,
    ) -> None:
        supernet, device = setting.supernet, setting.training.place
        self._space = supernet.space
        self._likelihood = likelihood
        self._edge_weights = edge_weights
        self._zeros = zero_operations(supernet)
        self.edges = edges_of(supernet)
        self.weights: dict[str, Tensor] = {}
        self._values: dict[str, list[Value]] = {}
        generator = torch.Generator().manual_seed(stream_seed(setting.seed, "architecture weights"))
        for label, parameter in self._space.parameters.items():
            size = int(parameter.domain.size) if parameter.domain.size < math.inf else 0
            if label in self.edges:
                size = len(self.edges[label].operations) if edge_weights else 1
            if size == 1:
                continue
            if obstacle := supernet.mixing.obstacle(label):
                msg = (
                    f"{method} weighs all values of a choice at once, but '{label}' {obstacle}. "
                    "Search it by SPOS, FairNAS, Sandwich, OnceForAll or ENAS, which sample paths, "
                    "or give it a constant."
                )
                raise SupernetError(msg)
            self.weights[label] = (
                (INITIAL_SCALE * torch.randn(size, generator=generator)).to(device).requires_grad_()
            )
        if not self.weights:
            msg = (
                f"{method} requires a choice with two values, but {self._space.name} has no such choice. "
                "Add values to a choice."
            )
            raise SupernetError(msg)
        self.fixed = (
            {} if edge_weights else {label: edges.weights.to(device) for label, edges in self.edges.items()}
        )
        self._device = device

    def probabilities(self) -> dict[str, Tensor]:
        """Return the probabilities of each parameter's values while it is active, shape (K,), by label."""
        found = {
            label: self._likelihood(weights)
            for label, weights in self.weights.items()
            if label not in self.edges
        }
        for label, parameter in self._space.parameters.items():
            if label not in found and label not in self.edges:
                found[label] = torch.ones(int(parameter.domain.size), device=self._device)
        for label, edges in self.edges.items():
            found[label] = edges.probabilities(self._strengths(label, found))
        return {label: found[label] for label in self._space.parameters}

    def ranked(self) -> Iterator[Architecture]:
        """Yield every architecture once, the most probable first, without regard to restrictions.

        Architectures with operations "none" or "zero" in cells are last.
        """
        costs: dict[str, np.ndarray[Any, Any]] = {}
        with torch.no_grad():
            for label, probabilities in self.probabilities().items():
                cost = -probabilities.double().clamp(min=1e-300).log().cpu().numpy()
                cost[self._zeros.get(label, [])] += LAST
                costs[label] = cost
        return cheapest(self._space, costs)

    def log_probability(self, architecture: Mapping[str, Value]) -> float:
        """Return the log-probability of an architecture."""
        with torch.no_grad():
            probabilities = {
                label: likely.double().clamp(min=1e-300).log().tolist()
                for label, likely in self.probabilities().items()
            }
        return sum(
            probabilities[label][self.values(label).index(value)] for label, value in architecture.items()
        )

    def values(self, label: str) -> list[Value]:
        """Return the values of a parameter, in the order of its weights."""
        if label not in self._values:
            domain: Any = self._space.parameters[label].domain
            self._values[label] = list(domain.enumerate())
        return self._values[label]

    def architecture(self, positions: Mapping[str, int]) -> Architecture:
        """Return the architecture with the values at `positions` of their domains, by label.

        A parameter without a position takes its most probable value.
        """
        chosen = dict(positions)
        if len(positions) < len(self._space.parameters):
            with torch.no_grad():
                chosen = {
                    label: int(likely.argmax()) for label, likely in self.probabilities().items()
                } | chosen
        return self._space.canonical(
            {label: self.values(label)[chosen[label]] for label in self._space.parameters}
        )

    def state_dict(self) -> dict[str, Tensor]:
        """Return the weights by label."""
        return {label: weights.detach() for label, weights in self.weights.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""
        with torch.no_grad():
            for label, weights in self.weights.items():
                weights.copy_(state[label])

    def _strengths(self, label: str, probabilities: Mapping[str, Tensor]) -> Tensor:
        if self._edge_weights:
            return self.weights[label].softmax(0)
        return torch.stack(
            [self._strength(operation, probabilities) for operation in self.edges[label].operations]
        )

    def _strength(self, operation: str | None, probabilities: Mapping[str, Tensor]) -> Tensor:
        if operation is None:
            return torch.ones((), device=self._device)
        likely, zeros = probabilities[operation], self._zeros.get(operation, ())
        return torch.stack([likely[i] for i in range(len(likely)) if i not in zeros]).max()
