"""The nodes of a cell."""

import operator
from collections.abc import Callable, Sequence
from functools import reduce

from torch import Tensor, nn

from retia.nn.factory import Candidates
from retia.nn.layer_choice import layer_choice
from retia.nn.mixture import weighted_sum
from retia.nn.switch import Switch
from retia.space import (
    Categorical,
    Reference,
    Subset,
    Tracer,
    active_recorder,
    condition_where,
    declare,
    scope,
)

__all__ = ["ElasticNode", "Node", "node_of_distinct_inputs", "node_of_free_inputs"]


class Node(nn.Module):
    """The sum of operations, each applied to one of the preceding states."""

    def __init__(self, operations: Sequence[nn.Module], inputs: Sequence[int]) -> None:
        super().__init__()
        self.operations = nn.ModuleList(operations)
        self.inputs = inputs

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """Sum the outputs of the operations, which have one shape."""
        steps = zip(self.operations, self.inputs, strict=True)
        return reduce(operator.add, (operation(states[i]) for operation, i in steps))

    def extra_repr(self) -> str:
        """Show the states that the operations are applied to."""
        return f"inputs={self.inputs}"


class ElasticNode(Switch):
    """A node that holds an operation for every edge that an architecture may use.

    Args:
        edges: Operations of all E edges.
        used: Positions in `edges` of the operations in use; they may be symbolic.
        inputs: State that each operation in use is applied to.
        sources: State that each of the E edges starts from.

    Attributes:
        weights: While choices are mixed, a weight per edge, shape (E,). The node is then the weighted sum of
            all edges.
    """

    def __init__(
        self, edges: Sequence[nn.Module], used: Sequence[int], inputs: Sequence[int], sources: Sequence[int]
    ) -> None:
        super().__init__()
        self.edges = nn.ModuleList(edges)
        self.used = used
        self.inputs = inputs
        self.sources = sources
        self.weights: Tensor | None = None

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """Sum the outputs of the operations in use, which have one shape."""
        if self.weights is not None:
            return weighted_sum(
                self.weights, (edge(states[i]) for edge, i in zip(self.edges, self.sources, strict=True))
            )
        steps = zip(self.used, self.inputs, strict=True)
        return reduce(operator.add, (self.edges[edge](states[i]) for edge, i in steps))

    def present(self) -> list[tuple[str, nn.Module]]:
        """Return the operations in use, by their names in a `Node`."""
        return [(f"operations.{position}", self.edges[edge]) for position, edge in enumerate(self.used)]

    def extra_repr(self) -> str:
        """Show the operations in use and the states that they are applied to."""
        return f"used={self.used}, inputs={self.inputs}"


def node_of_distinct_inputs(
    predecessors: int, count: int, candidates: Callable[[int], Candidates]
) -> Node | ElasticNode:
    """Return a node whose `count` operations are applied to distinct states out of `predecessors`."""
    recorder = active_recorder()
    every = tuple(range(predecessors))
    chosen: tuple[int, ...] = (
        declare("inputs", Subset(every, least=count, most=count)) if count < predecessors else every
    )
    if count >= predecessors or not isinstance(recorder, Tracer):
        return Node([_edge(i, candidates(i)) for i in chosen], chosen)
    label = recorder.qualify("inputs")
    edges: list[nn.Module] = []
    for i in every:
        condition = condition_where(
            Reference(label), {label: recorder.parameters[label].domain}, lambda taken, i=i: i in taken
        )
        with recorder.given(condition):
            edges.append(_edge(i, candidates(i)))
    return ElasticNode(edges, chosen, chosen, every)


def node_of_free_inputs(
    predecessors: int, count: int, candidates: Callable[[int], Candidates]
) -> Node | ElasticNode:
    """Return a node whose `count` operations each choose one state out of `predecessors`."""
    with scope("input"):
        inputs = tuple(
            declare(str(i), Categorical(tuple(range(predecessors)))) if predecessors > 1 else 0
            for i in range(count)
        )
    if predecessors == 1 or not isinstance(active_recorder(), Tracer):
        return Node([_edge(i, candidates(predecessor)) for i, predecessor in enumerate(inputs)], inputs)
    # Each pair of an operation and a predecessor has an edge, because candidates and weights may differ.
    edges = [_edge(i, candidates(p)) for i in range(count) for p in range(predecessors)]
    used = tuple(i * predecessors + predecessor for i, predecessor in enumerate(inputs))
    return ElasticNode(edges, used, inputs, tuple(range(predecessors)) * count)


def _edge(name: int, candidates: Candidates) -> nn.Module:
    with scope("op"):
        return layer_choice(str(name), candidates)
