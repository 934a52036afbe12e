"""Directed graphs whose nodes have labels."""

from dataclasses import dataclass

__all__ = ["LabelledGraph", "pruned"]


@dataclass(frozen=True)
class LabelledGraph:
    """A directed graph without cycles whose nodes have labels; an edge may stand several times.

    Args:
        labels: The label of each node.
        edges: The edges, each from one node to another, by their places in `labels`.
    """

    labels: tuple[str, ...]
    edges: tuple[tuple[int, int], ...] = ()

    @property
    def predecessors(self) -> list[list[int]]:
        """The nodes from which edges come, for each node, one for each edge."""
        found: list[list[int]] = [[] for _ in self.labels]
        for source, node in self.edges:
            found[node].append(source)
        return found

    @property
    def successors(self) -> list[list[int]]:
        """The nodes to which edges go, for each node, one for each edge."""
        found: list[list[int]] = [[] for _ in self.labels]
        for source, node in self.edges:
            found[source].append(node)
        return found


def pruned(graph: LabelledGraph, inputs: int) -> LabelledGraph:
    """Return the graph without the nodes from which no way leads to the last; the first ones, its inputs,
    stay.
    """
    feeding = {source for source, _ in graph.edges}
    if all(
        node in feeding for node in range(inputs, len(graph.labels) - 1)
    ):  # from each a way leads on, and there are no cycles
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
