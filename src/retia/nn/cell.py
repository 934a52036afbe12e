"""Cells: small graphs of operations, as NASNet and DARTS search them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from retia.errors import SpaceError
from retia.nn.factory import Candidates, Factory, construct
from retia.nn.layer_choice import layer_choice
from retia.nn.mixture import weighted_sum
from retia.nn.switch import Switch
from retia.space import (
    Categorical,
    Domain,
    Expression,
    Reference,
    Subset,
    Tracer,
    active_recorder,
    concrete,
    condition_where,
    declare,
    evaluate,
    expression_of,
    labelled,
    labels_of,
    lift,
    possible_values,
    scope,
)

__all__ = ["Cell", "ElasticNode", "Node", "Operations", "cell"]

Operations: TypeAlias = "Candidates | Callable[[int, int], Candidates]"
"""Candidates for every edge, or a function of node and predecessor that gives those of an edge."""


class Node(nn.Module):
    """The sum of operations, each on one of the states before it."""

    def __init__(self, operations: Sequence[nn.Module], inputs: Sequence[int]) -> None:
        super().__init__()
        self.operations = nn.ModuleList(operations)
        self.inputs = inputs

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """Sum the operations' outputs, which have one shape."""
        return _total(operation(states[i]) for operation, i in zip(self.operations, self.inputs, strict=True))

    def extra_repr(self) -> str:
        """Show where the operations' inputs come from."""
        return f"inputs={self.inputs}"


class ElasticNode(Switch):
    """A node that holds an operation for every edge that it may use.

    Args:
        edges: The operations.
        used: The positions in `edges` of those that the node sums; they may be symbolic.
        inputs: The state that each of these is given.
        sources: The state that each of `edges` comes from.

    Attributes:
        weights: While choices are mixed, the weight of each edge, shape (E,): all are summed by them.
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
        return _total(self.edges[edge](states[i]) for edge, i in zip(self.used, self.inputs, strict=True))

    def present(self) -> list[tuple[str, nn.Module]]:
        """Return the operations in use, by their names in a `Node`."""
        return [(f"operations.{position}", self.edges[edge]) for position, edge in enumerate(self.used)]

    def extra_repr(self) -> str:
        """Show which operations are used, and where their inputs come from."""
        return f"used={self.used}, inputs={self.inputs}"


def _total(outputs: Iterable[Tensor]) -> Tensor:
    remaining = iter(outputs)
    total = next(remaining)
    for output in remaining:
        total = total + output
    return total


class Cell(nn.Module):
    """A graph of nodes over some inputs, whose nodes' outputs are concatenated.

    Attributes:
        outputs: How many nodes are concatenated: the cell's output has `outputs` times the channels of a
            node.
    """

    def __init__(
        self,
        preprocess: Sequence[nn.Module],
        nodes: Sequence[nn.Module],
        concat: Sequence[int],
        postprocess: nn.Module,
        *,
        outputs: int,
        dim: int,
    ) -> None:
        super().__init__()
        self.preprocess = nn.ModuleList(preprocess)
        self.nodes = nn.ModuleList(nodes)
        self.postprocess = postprocess
        self.concat = concat
        self.outputs = outputs
        self.dim = dim

    def forward(self, *inputs: Tensor) -> Tensor:
        """Compute the nodes one after the other, concatenate those that count, along `dim`, and apply the
        postprocessor.

        Raises:
            SpaceError: If there is not one tensor for each input.
        """
        if len(inputs) != len(self.preprocess) or any(isinstance(one, list | tuple) for one in inputs):  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
            count = len(self.preprocess)
            got = ", ".join(type(one).__name__ for one in inputs) or "nothing"
            msg = (
                f"This cell is called with its inputs one by one, {count} of them, got {got}. "
                f"Write cell({', '.join('ab'[:count]) if count < 3 else '*inputs'}), not cell([...])."
            )
            raise SpaceError(msg)
        states = [step(x) for step, x in zip(self.preprocess, inputs, strict=True)]
        for node in self.nodes:
            states.append(node(states))
        offset = len(inputs)
        return self.postprocess(torch.cat([states[offset + i] for i in self.concat], self.dim))


@labelled("cell('cell', [nn.Identity, lambda: nn.Conv2d(16, 16, 3, padding=1)])")
def cell(
    label: str,
    operations: Operations = (),
    *,
    nodes: int = 4,
    inputs: int = 2,
    operations_per_node: int = 2,
    distinct: bool = True,
    concat: Literal["all", "loose"] = "all",
    preprocess: Sequence[Factory] | None = None,
    postprocess: Callable[[int], nn.Module] | nn.Module | None = None,
    dim: int = 1,
) -> Cell:
    """Search a cell: each node sums operations on some of the cell's inputs and of the nodes before it.

    Cells with the same label in the same scope share their choices, so that a network stacks one cell. So do
    cells whose label starts with "/", whatever the scope:
    `repeat("body", lambda i: cell("/cell", ...), (2, 8))` searches the depth of a stack of one cell.

    Args:
        label: The cell's name, unique in its scope; its parameters are named `label/node/...`. One that
            starts with "/" is shared by all scopes.
        operations: Candidates for every edge (as of `layer_choice`), or a function
            `(node, predecessor) -> candidates`, for edges that differ, such as a stride on the edges from the
            cell's inputs (predecessors 0 to `inputs - 1`).
        nodes: The number of nodes.
        inputs: The number of tensors that the cell is called with.
        operations_per_node: How many operations a node sums; a node with fewer predecessors takes them all.
        distinct: Whether a node's operations have distinct predecessors (DARTS): `label/node/inputs` is the
            set of them, and `label/node/op/predecessor` the operation on each. Otherwise (NASNet) every
            operation chooses its own, `label/node/input/i` and `label/node/op/i`, and the order of two
            operations counts as a difference.
        concat: "all" concatenates every node; "loose" those that no other node uses.
        preprocess: A factory for each input, applied before the nodes; identity if not given.
        postprocess: A function that makes a module, given how many nodes are concatenated (`Cell.outputs`),
            such as `lambda outputs: nn.Conv2d(outputs * 16, 16, 1)`; or a module, of which a copy is taken.
            Applied to the concatenated nodes; identity if not given.
        dim: The dimension of the concatenation.

    Raises:
        SpaceError: If a number is below 1, `concat` is unknown, or there is not one preprocessor for each
            input.

    References:
        Zoph et al., Learning Transferable Architectures for Scalable Image Recognition, CVPR 2018, section 3.
        Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019, section 2.1.
    """
    if min(nodes, inputs, operations_per_node) < 1:
        counts = f"nodes={nodes}, inputs={inputs}, operations_per_node={operations_per_node}"
        msg = f"The cell '{label}' needs at least one node, input and operation per node, got {counts}."
        raise SpaceError(msg)
    if concat not in ("all", "loose"):
        msg = f"The concat of the cell '{label}' is 'all' or 'loose', got {concat!r}."
        raise SpaceError(msg)
    if preprocess is not None and len(preprocess) != inputs:
        msg = (
            f"The cell '{label}' has {inputs} inputs and needs as many preprocessors, got {len(preprocess)}."
        )
        raise SpaceError(msg)

    def candidates(node: int, predecessor: int) -> Candidates:
        return operations(node, predecessor) if callable(operations) else operations

    steps: list[nn.Module] = [nn.Identity() for _ in range(inputs)]
    built: list[Node | ElasticNode] = []
    with scope(label):
        for i, step in enumerate(preprocess or ()):
            with scope("preprocess"), scope(str(i)):
                steps[i] = construct(f"{label}/preprocess", i, step)
        for node in range(nodes):
            with scope(str(node)):
                if distinct:
                    built.append(_distinct_node(node, inputs + node, operations_per_node, candidates))
                else:
                    built.append(_free_node(node, inputs + node, operations_per_node, candidates))
    ends, outputs = (
        (tuple(range(nodes)), nodes)
        if concat == "all"
        else _loose(inputs, tuple(node.inputs for node in built))
    )
    finish: Factory = (
        postprocess
        if isinstance(postprocess, nn.Module)
        else (lambda: nn.Identity() if postprocess is None else postprocess(outputs))
    )
    with scope(label), scope("postprocess"):
        last = construct(label, "postprocess", finish)
    return Cell(steps, built, ends, last, outputs=outputs, dim=dim)


def _loose(inputs: int, used: tuple[Any, ...]) -> tuple[tuple[int, ...], int]:
    """Return the nodes that no node uses, and how many they are; symbolic if they follow from choices."""
    terms, taken = expression_of(used), loose_ends(inputs, concrete(used))
    if not labels_of(terms):
        return taken, len(taken)
    return lift(taken, LooseEnds(inputs, terms)), lift(len(taken), LooseEnds(inputs, terms, counted=True))


@dataclass(frozen=True)
class LooseEnds(Expression):
    """The nodes of a cell that no node uses, or how many they are.

    Attributes:
        inputs: The number of the cell's inputs.
        used: For each node the states that it uses.
        counted: Whether it is their number.
    """

    inputs: int
    used: tuple[Any, ...]
    counted: bool = False

    @property
    def labels(self) -> frozenset[str]:
        """The parameters it depends on."""
        return labels_of(self.used)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Find the nodes for the states that are used."""
        return self._of(evaluate(self.used, values))

    def outcomes(self, domains: Mapping[str, Domain]) -> Collection[Any]:
        """Go through the nodes, and keep which sets of states can be taken: far fewer than there are
        combinations.
        """
        taken = {frozenset[int]()}
        for states in self.used:
            rows = {frozenset(row) for row in possible_values(states, domains)}
            taken = {before | row for before in taken for row in rows}
        return {self._of((tuple(states), *((),) * (len(self.used) - 1))) for states in taken}

    def _of(self, used: Sequence[Sequence[int]]) -> Any:
        ends = loose_ends(self.inputs, used)
        return len(ends) if self.counted else ends

    def __str__(self) -> str:
        return f"{'the number of ' if self.counted else ''}loose ends of {len(self.used)} nodes"


def loose_ends(inputs: int, used: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Return the nodes that no node uses, given which states each one uses."""
    taken = {state for states in used for state in states}
    return tuple(node for node in range(len(used)) if inputs + node not in taken)


def _distinct_node(
    node: int, predecessors: int, count: int, candidates: Callable[[int, int], Candidates]
) -> Node | ElasticNode:
    recorder = active_recorder()
    every = tuple(range(predecessors))
    chosen: tuple[int, ...] = (
        declare("inputs", Subset(every, least=count, most=count)) if count < predecessors else every
    )
    if count >= predecessors or not isinstance(recorder, Tracer):
        return Node([_edge(i, candidates(node, i)) for i in chosen], chosen)
    label = recorder.qualify("inputs")
    edges: list[nn.Module] = []
    for i in every:
        condition = condition_where(
            Reference(label), {label: recorder.parameters[label].domain}, lambda taken, i=i: i in taken
        )
        with recorder.given(condition):
            edges.append(_edge(i, candidates(node, i)))
    return ElasticNode(edges, chosen, chosen, every)


def _free_node(
    node: int, predecessors: int, count: int, candidates: Callable[[int, int], Candidates]
) -> Node | ElasticNode:
    with scope("input"):
        inputs = tuple(
            declare(str(i), Categorical(tuple(range(predecessors)))) if predecessors > 1 else 0
            for i in range(count)
        )
    if predecessors == 1 or not isinstance(active_recorder(), Tracer):
        return Node([_edge(i, candidates(node, predecessor)) for i, predecessor in enumerate(inputs)], inputs)
    # An edge for each predecessor, for their operations may differ, and so do their weights: position i is
    # given predecessor p.
    edges = [_edge(i, candidates(node, p)) for i in range(count) for p in range(predecessors)]
    used = tuple(i * predecessors + predecessor for i, predecessor in enumerate(inputs))
    return ElasticNode(edges, used, inputs, tuple(range(predecessors)) * count)


def _edge(name: int, candidates: Candidates) -> nn.Module:
    with scope("op"):
        return layer_choice(str(name), candidates)
