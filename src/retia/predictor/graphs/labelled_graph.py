"""Directed graphs with labelled nodes."""

from dataclasses import dataclass

__all__ = ["LabelledGraph", "pruned"]


@dataclass(frozen=True)
class LabelledGraph:
    """A directed acyclic graph with labelled nodes. It may have several edges between two nodes.

    Args:
        labels: Label of each node.
        edges: Source and target of each edge, as indices of `labels`.
    """

    labels: tuple[str, ...]
    edges: tuple[tuple[int, int], ...] = ()

    @property
    def predecessors(self) -> list[list[int]]:
        """The source of each edge to each node."""
        found: list[list[int]] = [[] for _ in self.labels]
        for source, node in self.edges:
            found[node].append(source)
        return found

    @property
    def successors(self) -> list[list[int]]:
        """The target of each edge from each node."""
        found: list[list[int]] = [[] for _ in self.labels]
        for source, node in self.edges:
            found[source].append(node)
        return found


def pruned(graph: LabelledGraph, inputs: int) -> LabelledGraph:
    """Return the graph without nodes from which no path leads to the last node; its inputs are kept."""
    feeding = {source for source, _ in graph.edges}
    # Without cycles, a path leads from every node to the last one if every node has a successor.
    if all(node in feeding for node in range(inputs, len(graph.labels) - 1)):
        return graph
    predecessors = graph.predecessors
    useful = {*range(inputs), len(graph.labels) - 1}
    waiting = [len(graph.labels) - 1]
    while waiting:
        for source in predecessors[waiting.pop()]:
            if source not in useful:
                useful.add(source)
                waiting.append(source)
    place = {node: i for i, node in enumerate(sorted(useful))}
    edges = tuple(
        (place[source], place[node]) for source, node in graph.edges if node in place and source in place
    )
    return LabelledGraph(tuple(graph.labels[node] for node in place), edges)
