"""Cells with operations on their edges, such as those of NAS-Bench-201 and DARTS."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from retia.predictor.graphs.labelled_graph import LabelledGraph, pruned
from retia.space import Categorical, SearchSpace, Value

__all__ = ["Edge", "EdgeCell", "edge_cells"]

_EDGE = re.compile(r"(?:(?P<cell>.+)/)?(?P<node>\d+)<-(?P<source>\d+)")
_OPERATION = re.compile(r"(?P<cell>.+)/(?P<node>\d+)/op/(?P<place>\d+)")
_INPUT = re.compile(r"(?P<cell>.+)/(?P<node>\d+)/input/(?P<place>\d+)")
_INPUTS = re.compile(r"(?P<cell>.+)/(?P<node>\d+)/inputs")


@dataclass(frozen=True)
class Edge:
    """An edge of a cell.

    Args:
        label: Label of its operation.
        node: Its target.
        source: Its source.
        source_label: Label of the parameter that chooses the source; None if the source is fixed.
    """

    label: str
    node: int
    source: int
    source_label: str | None = None


@dataclass(frozen=True)
class EdgeCell:
    """A cell with an operation on each edge. A node is the sum of its edges.

    Args:
        name: Prefix of its labels.
        edges: Edges, in the order of their targets.
        inputs: Number of input nodes.
        outputs: Nodes that make up the output.
        others: Labels that belong to the cell, but not to an edge.
    """

    name: str
    edges: tuple[Edge, ...]
    inputs: int
    outputs: tuple[int, ...]
    others: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of its parameters."""
        found = (label for edge in self.edges for label in (edge.label, edge.source_label))
        return (*self.others, *(label for label in found if label is not None))

    def drawn(
        self, values: Mapping[str, Value], zero: Collection[str], identity: Collection[str]
    ) -> LabelledGraph:
        """Return the graph of the cell, without nodes that lie on no path from an input to the output.

        Args:
            values: Values of the parameters.
            zero: Operations whose output is zero. They are left out.
            identity: Operations that return their input. They are bypassed.
        """
        labels = [f"{self.name}/input{i}" for i in range(self.inputs)]
        edges: list[tuple[int, int]] = []
        # The graph's nodes that make up a node of the cell.
        feeding: dict[int, list[int]] = {i: [i] for i in range(self.inputs)}
        for edge in self.edges:
            operation = values.get(edge.label)
            source = edge.source if edge.source_label is None else values.get(edge.source_label, edge.source)
            assert isinstance(source, int)
            fed = feeding.get(source, [])
            if operation is None or str(operation) in zero or not fed:
                continue
            into = feeding.setdefault(edge.node, [])
            if str(operation) in identity:
                into += fed
                continue
            edges += [(node, len(labels)) for node in fed]
            into.append(len(labels))
            labels.append(f"{self.name}/{operation}")
        edges += [(node, len(labels)) for state in self.outputs for node in feeding.get(state, [])]
        labels.append(f"{self.name}/output")
        return pruned(LabelledGraph(tuple(labels), tuple(edges)), self.inputs)


def edge_cells(space: SearchSpace) -> tuple[EdgeCell, ...]:
    """Return the cells with labels such as `edge/2<-0`, or `normal/1/op/0` and `normal/1/input/0`."""
    on_edges: dict[str, list[Edge]] = defaultdict(list)
    in_nodes: dict[str, list[Edge]] = defaultdict(list)
    others: dict[str, list[str]] = defaultdict(list)
    free = {match["cell"] for label in space.parameters if (match := _INPUT.fullmatch(label))}
    for label, parameter in space.parameters.items():
        if match := _EDGE.fullmatch(label):
            if not isinstance(parameter.domain, Categorical) or not all(
                isinstance(value, str) for value in parameter.domain.values
            ):
                continue  # it says whether there is an edge: see `node_cells`
            on_edges[match["cell"] or "cell"].append(Edge(label, int(match["node"]), int(match["source"])))
        elif match := _OPERATION.fullmatch(label):
            name, node, place = match["cell"], int(match["node"]), int(match["place"])
            # If the cell has no choice of inputs, the place is the source.
            edge = (
                Edge(label, node, 0, f"{name}/{node}/input/{place}")
                if name in free
                else Edge(label, node, place)
            )
            in_nodes[name].append(edge)
        elif match := _INPUTS.fullmatch(label):
            others[match["cell"]].append(label)
    cells = [
        EdgeCell(name, _ordered(edges), 1, (max(edge.node for edge in edges),), tuple(others.get(name, ())))
        for name, edges in on_edges.items()
    ]
    for name, edges in in_nodes.items():
        inputs = max(_last_source(space, edge) + 1 - edge.node for edge in edges)
        shifted = [Edge(edge.label, edge.node + inputs, edge.source, edge.source_label) for edge in edges]
        outputs = tuple(sorted({edge.node for edge in shifted}))
        cells.append(EdgeCell(name, _ordered(shifted), inputs, outputs, tuple(others.get(name, ()))))
    return tuple(cells)


def _ordered(edges: Iterable[Edge]) -> tuple[Edge, ...]:
    return tuple(sorted(edges, key=lambda edge: edge.node))


def _last_source(space: SearchSpace, edge: Edge) -> int:
    parameter = space.parameters.get(edge.source_label or "")
    if parameter is None:
        return edge.source
    return max(value for value in parameter.domain.enumerate() if isinstance(value, int))
