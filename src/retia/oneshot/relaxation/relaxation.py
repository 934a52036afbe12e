"""The continuous relaxation: architecture weights by label, how likely they make each value, and the
architectures by how likely they are.
"""

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
"""The standard deviation of the first architecture weights."""

LAST = 1e6
"""The cost of an operation that no derived cell has: it is ranked behind all others."""


def softmax(weights: Tensor) -> Tensor:
    """Return the softmax of architecture weights, shape (K,)."""
    return weights.softmax(0)


class Relaxation:
    """Architecture weights: one tensor for each parameter, however many modules use it, with one weight for
    each value.

    An architecture is as probable as the product of the probabilities of its values, over the parameters that
    are active in it.

    The edges of a cell (`retia.nn.cell` with distinct predecessors) have no weights of their own, as in
    DARTS: while choices are mixed a node sums all of them, and an edge is as strong as the probability of its
    strongest operation other than "none" or "zero". A set of edges is as probable as the product of their
    strengths, over that of all sets. The most probable architecture so has those that the paper derives. An
    operation named "none" or "zero" in a cell is ranked behind all others.

    Args:
        setting: Where the method works.
        method: The method's name, for messages.
        likelihood: What makes probabilities of weights; both have the shape (K,).
        edge_weights: Whether edges have weights too, shape (E,), whose softmax is their strength. Those are
            most probable then whose strength times the probability of their strongest operation is greatest.

    Attributes:
        weights: The tensors by label, in the order of the space.
        edges: The choices of cells' edges by label.
        fixed: What those without weights are mixed by: every edge counts once.

    Raises:
        SupernetError: If a parameter can't be mixed, or there is nothing to weigh; the message names the
            methods that can search it.

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
                f"{method} has nothing to weigh, for no choice of {self._space.name} has two values. "
                "Give one more values."
            )
            raise SupernetError(msg)
        self.fixed = (
            {} if edge_weights else {label: edges.weights.to(device) for label, edges in self.edges.items()}
        )
        self._device = device

    def probabilities(self) -> dict[str, Tensor]:
        """Return how likely each value of each parameter is while the parameter is active, shape (K,), with
        gradients to the weights.
        """
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
        """Yield every architecture once, without regard to restrictions, the most probable first; those with
        operations "none" in cells last.
        """
        costs: dict[str, np.ndarray[Any, Any]] = {}
        with torch.no_grad():
            for label, probabilities in self.probabilities().items():
                cost = -probabilities.double().clamp(min=1e-300).log().cpu().numpy()
                cost[self._zeros.get(label, [])] += LAST
                costs[label] = cost
        return cheapest(self._space, costs)

    def log_probability(self, architecture: Mapping[str, Value]) -> float:
        """Return the logarithm of how probable an architecture is."""
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
        """Return the architecture of the values at some positions in their domains; where none is given, the
        most probable value is taken.
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
