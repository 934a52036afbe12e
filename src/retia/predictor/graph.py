"""Architectures as labelled graphs."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeAlias

from retia.predictor.labelled_graph import LabelledGraph, pruned
from retia.predictor.wired_cell import WiredCell, wired_cells
from retia.space import Architecture, Categorical, SearchSpace, Value

__all__ = ["CellGraph", "GraphOf", "cell_graph"]


GraphOf: TypeAlias = Callable[[Architecture], LabelledGraph]
"""Turns an architecture into a graph."""

_EDGE = re.compile(r"(?:(?P<cell>.+)/)?(?P<node>\d+)<-(?P<source>\d+)")
_OPERATION = re.compile(r"(?P<cell>.+)/(?P<node>\d+)/op/(?P<place>\d+)")
_INPUT = re.compile(r"(?P<cell>.+)/(?P<node>\d+)/input/(?P<place>\d+)")
_INPUTS = re.compile(r"(?P<cell>.+)/(?P<node>\d+)/inputs")


@dataclass(frozen=True)
class Edge:
    """An operation on the edge to a node of a cell: the label of its parameter, and of the one that says
    where the edge comes from.
    """

    label: str
    node: int
    source: int
    source_label: str | None = None


@dataclass(frozen=True)
class Cell:
    """A cell: its edges, in the order of their nodes; how many states are its inputs; and the states that are
    its output.
    """

    name: str
    edges: tuple[Edge, ...]
    inputs: int
    outputs: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class CellGraph:
    """Draws the cells of an architecture as one graph; a function, so that only the same is equal.

    Args:
        cells: The cells of the space.
        others: The labels of the parameters that are no part of a cell, and that the graph does not show.
        zero: Operations that are no edge.
        identity: Operations that are passed through, instead of being nodes.
    """

    cells: tuple["Cell | WiredCell", ...]
    others: frozenset[str]
    zero: frozenset[str]
    identity: frozenset[str]

    def __call__(self, architecture: Architecture) -> LabelledGraph:
        """Return the graph of an architecture."""
        labels: list[str] = []
        edges: list[tuple[int, int]] = []
        for cell in self.cells:
            draw = cell.drawn if isinstance(cell, WiredCell) else partial(_drawn, cell)
            of_cell = draw(architecture.unwrapped, self.zero, self.identity)
            edges += [(source + len(labels), node + len(labels)) for source, node in of_cell.edges]
            labels += of_cell.labels
        return LabelledGraph(tuple(labels), tuple(edges))


def cell_graph(
    space: SearchSpace, *, zero: Collection[str] = ("none",), identity: Collection[str] = ()
) -> CellGraph:
    """Return what draws the cells of a space's architectures as graphs, in which the operations are nodes.

    Cells are known by their labels: `edge/2<-0`, the name of an operation on the edge to node 2 from node 0,
    as in NAS-Bench-201; `edge/2<-0`, 1 if there is this edge, with `operation/1`, the name of the operation
    of node 1, as in NAS-Bench-101; and `normal/1/inputs`, `normal/1/op/0` and `normal/1/input/0`, as
    `retia.nn.cell` names its parameters. A cell has a node for each of its inputs, one for each operation,
    and one for its output; an edge leads from an operation to each of those that it feeds. What does not lie
    on a way from an input to the output is left out.

    Args:
        space: The space.
        zero: Operations that are no edge.
        identity: Operations that are passed through, instead of being nodes.

    Reference:
        Ru et al., Interpretable Neural Architecture Search via Bayesian Optimisation with Weisfeiler-Lehman
        Kernels, ICLR 2021. Deviation: an edge stands twice where identities lead from one operation to
        another on two ways.

    >>> from retia.space import Categorical
    >>> operations = Categorical(("none", "conv", "pool"))
    >>> space = SearchSpace({f"edge/{edge}": operations for edge in ("1<-0", "2<-0", "2<-1")})
    >>> cell_graph(space)(space.validate({"edge/1<-0": "conv", "edge/2<-0": "none", "edge/2<-1": "pool"}))
    LabelledGraph(labels=('edge/input0', 'edge/conv', 'edge/pool', 'edge/output'), edges=((0, 1), (1, 2), (2,
    3)))
    """
    return _cell_graph(space, frozenset(zero), frozenset(identity))


@lru_cache(maxsize=16)
def _cell_graph(space: SearchSpace, zero: frozenset[str], identity: frozenset[str]) -> CellGraph:
    on_edges, wired = _cells(space), wired_cells(space)
    cells = (*on_edges, *wired)
    shown = {label for cell in on_edges for edge in cell.edges for label in (edge.label, edge.source_label)}
    shown |= {label for cell in wired for label in cell.labels}
    names = {cell.name for cell in cells}
    shown |= {
        label for label in space.parameters if (match := _INPUTS.fullmatch(label)) and match["cell"] in names
    }
    return CellGraph(cells, frozenset(space.parameters.keys() - shown), zero, identity)


def _cells(space: SearchSpace) -> tuple[Cell, ...]:
    on_edges: dict[str, list[Edge]] = defaultdict(list)
    in_nodes: dict[str, list[Edge]] = defaultdict(list)
    free = {match["cell"] for label in space.parameters if (match := _INPUT.fullmatch(label))}
    for label, parameter in space.parameters.items():
        if match := _EDGE.fullmatch(label):
            if not isinstance(parameter.domain, Categorical) or not all(
                isinstance(value, str) for value in parameter.domain.values
            ):
                continue  # whether there is an edge, and not what is on it: see `wired_cells`
            on_edges[match["cell"] or "cell"].append(Edge(label, int(match["node"]), int(match["source"])))
        elif match := _OPERATION.fullmatch(label):
            name, node, place = match["cell"], int(match["node"]), int(match["place"])
            # An operation on a fixed predecessor, or one that chooses it; where there is but one, there is no
            # choice.
            edge = (
                Edge(label, node, 0, f"{name}/{node}/input/{place}")
                if name in free
                else Edge(label, node, place)
            )
            in_nodes[name].append(edge)
    cells = [
        Cell(name, _ordered(edges), 1, (max(edge.node for edge in edges),))
        for name, edges in on_edges.items()
    ]
    for name, edges in in_nodes.items():
        inputs = max(_last_source(space, edge) + 1 - edge.node for edge in edges)
        shifted = [Edge(edge.label, edge.node + inputs, edge.source, edge.source_label) for edge in edges]
        cells.append(Cell(name, _ordered(shifted), inputs, tuple(sorted({edge.node for edge in shifted}))))
    return tuple(cells)


def _ordered(edges: Iterable[Edge]) -> tuple[Edge, ...]:
    return tuple(sorted(edges, key=lambda edge: edge.node))


def _last_source(space: SearchSpace, edge: Edge) -> int:
    parameter = space.parameters.get(edge.source_label or "")
    return (
        edge.source
        if parameter is None
        else max(value for value in parameter.domain.enumerate() if isinstance(value, int))
    )


def _drawn(
    cell: Cell, values: Mapping[str, Value], zero: Collection[str], identity: Collection[str]
) -> LabelledGraph:
    """Return the graph of one cell; the first nodes are its inputs, the last is its output."""
    labels = [f"{cell.name}/input{i}" for i in range(cell.inputs)]
    edges: list[tuple[int, int]] = []
    feeding: dict[int, list[int]] = {
        i: [i] for i in range(cell.inputs)
    }  # the nodes whose outputs a state sums
    for edge in cell.edges:
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
        labels.append(f"{cell.name}/{operation}")
    edges += [(node, len(labels)) for state in cell.outputs for node in feeding.get(state, [])]
    labels.append(f"{cell.name}/output")
    return pruned(LabelledGraph(tuple(labels), tuple(edges)), cell.inputs)
