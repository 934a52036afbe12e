"""Cells with operations on their nodes, such as those of NAS-Bench-101."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from retia.predictor.graphs.labelled_graph import LabelledGraph, pruned
from retia.space import Categorical, Integer, Parameter, SearchSpace, Value

__all__ = ["NodeCell", "node_cells"]

_EDGE = re.compile(r"(?P<prefix>(?:.+/)?)edge/(?P<node>\d+)<-(?P<source>\d+)")
_OPERATION = re.compile(r"(?P<prefix>(?:.+/)?)operation/(?P<node>\d+)")


@dataclass(frozen=True)
class NodeCell:
    """A cell with an operation on each node. Each edge is present or absent.

    The first node is the input, the last one the output.

    Args:
        name: Prefix of its labels.
        edges: Labels of the edges, by target and source node.
        operations: Labels of the operations, by node.
    """

    name: str
    edges: Mapping[tuple[int, int], str]
    operations: Mapping[int, str]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of its parameters."""
        return (*self.edges.values(), *self.operations.values())

    def drawn(
        self, values: Mapping[str, Value], zero: Collection[str], identity: Collection[str]
    ) -> LabelledGraph:
        """Return the graph of the cell, without nodes that lie on no path from the input to the output.

        Args:
            values: Values of the parameters.
            zero: Operations whose output is zero. Their nodes are left out.
            identity: Operations that return their input. Their nodes are bypassed.
        """
        last = max(node for node, _ in self.edges)
        labels, edges = [f"{self.name}input"], list[tuple[int, int]]()
        feeding: dict[int, list[int]] = {0: [0]}  # the graph's nodes that make up a node's output
        for node in range(1, last + 1):
            fed = [
                place
                for source in range(node)
                if values.get(self.edges.get((node, source), ""))
                for place in feeding.get(source, ())
            ]
            operation = "output" if node == last else values.get(self.operations.get(node, ""))
            if node < last and (not fed or operation is None or str(operation) in zero):
                continue
            if node < last and str(operation) in identity:
                feeding[node] = fed
                continue
            edges += [(place, len(labels)) for place in fed]
            feeding[node] = [len(labels)]
            labels.append(f"{self.name}{operation}")
        return pruned(LabelledGraph(tuple(labels), tuple(edges)), inputs=1)


def node_cells(space: SearchSpace) -> tuple[NodeCell, ...]:
    """Return the cells with labels such as `edge/2<-0`, with the values 0 and 1, and `operation/1`."""
    edges: dict[str, dict[tuple[int, int], str]] = {}
    operations: dict[str, dict[int, str]] = {}
    for label, parameter in space.parameters.items():
        if (match := _EDGE.fullmatch(label)) and _binary(parameter):
            edges.setdefault(match["prefix"], {})[int(match["node"]), int(match["source"])] = label
        elif match := _OPERATION.fullmatch(label):
            operations.setdefault(match["prefix"], {})[int(match["node"])] = label
    return tuple(NodeCell(name, one, operations[name]) for name, one in edges.items() if name in operations)


def _binary(parameter: Parameter) -> bool:
    return isinstance(parameter.domain, Categorical | Integer) and set(parameter.domain.enumerate()) == {0, 1}
