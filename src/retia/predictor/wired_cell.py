"""Cells whose operations are on the nodes, and whose edges are there or not: those of NAS-Bench-101."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from retia.predictor.labelled_graph import LabelledGraph, pruned
from retia.space import Categorical, Integer, Parameter, SearchSpace, Value

__all__ = ["WiredCell", "wired_cells"]

_WIRE = re.compile(r"(?P<prefix>(?:.+/)?)edge/(?P<node>\d+)<-(?P<source>\d+)")
_OPERATION = re.compile(r"(?P<prefix>(?:.+/)?)operation/(?P<node>\d+)")


@dataclass(frozen=True)
class WiredCell:
    """A cell of nodes, the first of which is its input and the last its output.

    Args:
        name: What its labels begin with.
        wires: The labels of the edges, by the node that each leads to and the node that it comes from.
        operations: The labels of the operations, by node.
    """

    name: str
    wires: Mapping[tuple[int, int], str]
    operations: Mapping[int, str]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of its parameters."""
        return (*self.wires.values(), *self.operations.values())

    def drawn(
        self, values: Mapping[str, Value], zero: Collection[str], identity: Collection[str]
    ) -> LabelledGraph:
        """Return its graph, without what is on no way from the input to the output.

        Args:
            values: The values of the parameters.
            zero: Operations that give nothing, so that their node is none.
            identity: Operations that are passed through, instead of being nodes.
        """
        last = max(node for node, _ in self.wires)
        labels, edges = [f"{self.name}input"], list[tuple[int, int]]()
        feeding: dict[int, list[int]] = {0: [0]}  # what the output of a node is made of, in the graph
        for node in range(1, last + 1):
            fed = [
                place
                for source in range(node)
                if values.get(self.wires.get((node, source), ""))
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


def wired_cells(space: SearchSpace) -> tuple[WiredCell, ...]:
    """Return the cells of a space that have labels such as `edge/2<-0`, of values 0 and 1, and
    `operation/1`.
    """
    wires: dict[str, dict[tuple[int, int], str]] = {}
    operations: dict[str, dict[int, str]] = {}
    for label, parameter in space.parameters.items():
        if (match := _WIRE.fullmatch(label)) and _there_or_not(parameter):
            wires.setdefault(match["prefix"], {})[int(match["node"]), int(match["source"])] = label
        elif match := _OPERATION.fullmatch(label):
            operations.setdefault(match["prefix"], {})[int(match["node"])] = label
    return tuple(
        WiredCell(name, edges, operations[name]) for name, edges in wires.items() if name in operations
    )


def _there_or_not(parameter: Parameter) -> bool:
    return isinstance(parameter.domain, Categorical | Integer) and set(parameter.domain.enumerate()) == {0, 1}
