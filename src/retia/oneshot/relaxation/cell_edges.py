"""The edges of cells, and the operations on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import comb
from typing import Any

import torch
from torch import Tensor

from retia.nn import ElasticNode, MixedLayer, Node
from retia.space import Categorical, Reference, Subset
from retia.supernet import Supernet

__all__ = ["CellEdges", "edges_of", "zero_operations"]

ZERO = frozenset({"none", "zero"})
"""Names of the operations that mean no connection."""


@dataclass(frozen=True, eq=False)
class CellEdges:
    """A choice of the predecessors of a node: a subset of a fixed size, as in the cells of DARTS.

    Attributes:
        label: Label of the choice.
        operations: Label of the operation choice on each edge; None for a fixed operation.
        members: Indicators of the edges in each subset, 0 or 1, shape (K, E).
        weights: Weights of the subsets with which every edge counts once, shape (K,).
    """

    label: str
    operations: tuple[str | None, ...]
    members: Tensor
    weights: Tensor

    @classmethod
    def of(cls, label: str, domain: Subset, operations: tuple[str | None, ...]) -> "CellEdges":
        """Return the edges of a choice with the subsets of `domain`."""
        rows = [[float(state in chosen) for state in domain.items] for chosen in domain.enumerate()]
        # Each edge is in C(E - 1, k - 1) of the C(E, k) subsets.
        share = 1 / comb(len(domain.items) - 1, domain.most - 1)
        return cls(label, operations, torch.tensor(rows), torch.full((len(rows),), share))

    def probabilities(self, strengths: Tensor) -> Tensor:
        """Return the probabilities of the subsets, shape (K,), for positive `strengths`, shape (E,).

        `p(S)` is proportional to the product of `strengths[e]` over the edges e in S.
        """
        return (self.members.to(strengths) @ strengths.log()).softmax(0)


def edges_of(supernet: Supernet) -> dict[str, CellEdges]:
    """Return the edge choices of a supernet by label."""
    found: dict[str, CellEdges] = {}
    for slot in supernet.slots.all:
        owner: Any = slot.owner
        if not (isinstance(owner, ElasticNode) and slot.name == "used" and isinstance(slot.term, Reference)):
            continue
        label = slot.term.label
        domain = supernet.space.parameters[label].domain
        if isinstance(domain, Subset) and domain.least == domain.most and label not in found:
            operations = tuple(edge.label if isinstance(edge, MixedLayer) else None for edge in owner.edges)
            found[label] = CellEdges.of(label, domain, operations)
    return found


def zero_operations(supernet: Supernet) -> Mapping[str, list[int]]:
    """Return the positions of "none" and "zero" in the operation choices of cells, by label."""
    zeros: dict[str, list[int]] = {}
    for module in supernet.model.modules():
        operations = (
            module.edges
            if isinstance(module, ElasticNode)
            else module.operations
            if isinstance(module, Node)
            else ()
        )
        for operation in operations:
            if isinstance(operation, MixedLayer):
                domain = supernet.space.parameters[operation.label].domain
                assert isinstance(domain, Categorical)
                positions = [i for i, value in enumerate(domain.values) if value in ZERO]
                if 0 < len(positions) < len(domain.values):
                    zeros[operation.label] = positions
    return zeros
