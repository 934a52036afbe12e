"""The cells of an architecture as one graph."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from retia.predictor.graphs.edge_cell import EdgeCell, edge_cells
from retia.predictor.graphs.labelled_graph import LabelledGraph
from retia.predictor.graphs.node_cell import NodeCell, node_cells
from retia.space import Architecture, SearchSpace

__all__ = ["CellGraph", "GraphOf", "cell_graph"]


GraphOf: TypeAlias = Callable[[Architecture], LabelledGraph]
"""A function from an architecture to its graph."""


@dataclass(frozen=True, eq=False)
class CellGraph:
    """Function from an architecture to the graph of its cells. Two instances are never equal.

    Args:
        cells: Cells of the space.
        others: Labels of the parameters that belong to no cell. The graph does not show them.
        zero: Operations whose output is zero. They are left out.
        identity: Operations that return their input. They are bypassed.
    """

    cells: tuple[EdgeCell | NodeCell, ...]
    others: frozenset[str]
    zero: frozenset[str]
    identity: frozenset[str]

    def __call__(self, architecture: Architecture) -> LabelledGraph:
        """Return the graph of an architecture."""
        labels: list[str] = []
        edges: list[tuple[int, int]] = []
        for cell in self.cells:
            of_cell = cell.drawn(architecture.unwrapped, self.zero, self.identity)
            edges += [(source + len(labels), node + len(labels)) for source, node in of_cell.edges]
            labels += of_cell.labels
        return LabelledGraph(tuple(labels), tuple(edges))


def cell_graph(
    space: SearchSpace, *, zero: Collection[str] = ("none",), identity: Collection[str] = ()
) -> CellGraph:
    """Return a function from an architecture to a graph, whose nodes are the operations of its cells.

    Cells are found by the labels of their parameters:

    - `edge/2<-0`: the operation on the edge to node 2 from node 0 (NAS-Bench-201).
    - `edge/2<-0` with the values 0 and 1, and `operation/1`: whether there is an edge, and the operation of
      node 1 (NAS-Bench-101).
    - `normal/1/inputs`, `normal/1/op/0` and `normal/1/input/0`: the parameters of `retia.nn.cell`.

    Each cell has a node for each input, for each operation and for the output. An edge leads from an
    operation to each operation that uses its result. Nodes that lie on no path from an input to the output
    are left out.

    Args:
        space: The search space.
        zero: Operations whose output is zero. They are left out. Default: "none".
        identity: Operations that return their input. They are bypassed. Default: no operation.

    Reference:
        Ru et al., Interpretable Neural Architecture Search via Bayesian Optimisation with Weisfeiler-Lehman
        Kernels, ICLR 2021. Deviation: if identities lead from one operation to another in two ways, the graph
        has two edges.

    >>> from retia.space import Categorical
    >>> operations = Categorical(("none", "conv", "pool"))
    >>> space = SearchSpace({f"edge/{edge}": operations for edge in ("1<-0", "2<-0", "2<-1")})
    >>> graph = cell_graph(space)(
    ...     space.validate({"edge/1<-0": "conv", "edge/2<-0": "none", "edge/2<-1": "pool"})
    ... )
    >>> graph.labels
    ('edge/input0', 'edge/conv', 'edge/pool', 'edge/output')
    >>> graph.edges
    ((0, 1), (1, 2), (2, 3))
    """
    return _cell_graph(space, frozenset(zero), frozenset(identity))


@lru_cache(maxsize=16)
def _cell_graph(space: SearchSpace, zero: frozenset[str], identity: frozenset[str]) -> CellGraph:
    cells = (*edge_cells(space), *node_cells(space))
    shown = {label for cell in cells for label in cell.labels}
    return CellGraph(cells, frozenset(space.parameters.keys() - shown), zero, identity)
