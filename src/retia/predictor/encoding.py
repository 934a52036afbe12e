"""Encodings: architectures as numbers."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retia.errors import SpaceError
from retia.predictor.graphs.cell_graph import CellGraph, GraphOf, cell_graph
from retia.space import Architecture, SearchSpace
from retia.strategy import require_whole

__all__ = ["Encoder", "Encoding", "OneHot", "Paths", "WeisfeilerLehman", "require_encoding"]

Encoder: TypeAlias = Callable[[Sequence[Architecture]], NDArray[np.float64]]
"""A function from architectures to their features, shape (N, F)."""

KEPT = 8192
"""Number of architectures whose paths and label counts are cached."""


class Encoding(Protocol):
    """A way to turn architectures into numbers."""

    def fit(self, space: SearchSpace, architectures: Sequence[Architecture]) -> Encoder:
        """Return the encoder. Its features may depend on the architectures, which are the training set."""
        ...


def require_encoding(owner: object, encoding: Any) -> None:
    """Require that an encoding has a method `fit`.

    Raises:
        SpaceError: If `encoding` is a class, or has no `fit`.
    """
    if isinstance(encoding, type) or not hasattr(encoding, "fit"):
        msg = (
            f"'encoding' of {type(owner).__name__} must be an object with a method fit, such as OneHot(), "
            f"Paths() or WeisfeilerLehman(), got {encoding!r}."
        )
        raise SpaceError(msg)


@dataclass(frozen=True)
class OneHot:
    """The features of `SearchSpace.encode`: one-hot categories, and numbers on their scales.

    Inactive parameters are 0. If all parameters are categorical and active, half the squared distance of two
    rows is the Hamming distance.
    """

    def fit(self, space: SearchSpace, architectures: Sequence[Architecture]) -> Encoder:
        """Return the encoder."""
        return lambda some: np.array([space.encode(architecture) for architecture in some])


@dataclass(frozen=True)
class Paths:
    """One binary feature for each path of operations from an input of a cell to its output.

    Parameters outside of cells are encoded as by `OneHot`.

    Args:
        longest: Largest number of operations of an encoded path (the truncated encoding). Default: no limit.
        graph: Function from an architecture to its graph. Default: `cell_graph` of the space.

    Raises:
        SpaceError: If `longest` is below 1.

    Reference:
        White et al., BANANAS, AAAI 2021, section 4 (path encoding, and its truncation). Deviations: features
        for the paths of the training set only, instead of all possible paths; no paths through "none" edges;
        with several inputs a path starts with the name of its input.
    """

    longest: int | None = None
    graph: GraphOf | None = None

    def __post_init__(self) -> None:
        if self.longest is not None:
            require_whole(self, longest=1)

    def fit(self, space: SearchSpace, architectures: Sequence[Architecture]) -> Encoder:
        """Return the encoder for the paths of the architectures, shortest first."""
        graph = self.graph or cell_graph(space)
        others = _others(space, graph)
        of_each = [_paths(graph, architecture, self.longest) for architecture in architectures]
        paths = sorted(set[tuple[str, ...]]().union(*of_each), key=lambda path: (len(path), path))
        columns = {path: column for column, path in enumerate(paths)}

        def encode(some: Sequence[Architecture]) -> NDArray[np.float64]:
            features = np.zeros((len(some), len(columns)))
            for row, architecture in enumerate(some):
                known = (columns.get(path) for path in _paths(graph, architecture, self.longest))
                features[row, [column for column in known if column is not None]] = 1
            return np.hstack([features, others(some)])

        return encode


@dataclass(frozen=True)
class WeisfeilerLehman:
    """Counts of node labels, after each of some rounds that append the neighbours' labels to a node's.

    Parameters outside of cells are encoded as by `OneHot`.

    Args:
        rounds: Number of rounds, at least 0. Default 1.
        graph: Function from an architecture to its graph. Default: `cell_graph` of the space.

    Raises:
        SpaceError: If `rounds` is below 0.

    Reference:
        Ru et al., Interpretable Neural Architecture Search via Bayesian Optimisation with Weisfeiler-Lehman
        Kernels, ICLR 2021, section 3.1. Deviations: predecessors and successors are appended separately; the
        last feature is the norm of the counts of labels that are not in the training set, so that distances
        to the training set are exact.
    """

    rounds: int = 1
    graph: GraphOf | None = None

    def __post_init__(self) -> None:
        require_whole(self, rounds=0)

    def fit(self, space: SearchSpace, architectures: Sequence[Architecture]) -> Encoder:
        """Return the encoder for the labels of the architectures."""
        graph = self.graph or cell_graph(space)
        others = _others(space, graph)
        counted = [_label_counts(graph, architecture, self.rounds) for architecture in architectures]
        labels = dict.fromkeys(label for counts in counted for label in counts)
        columns = {label: column for column, label in enumerate(labels)}

        def encode(some: Sequence[Architecture]) -> NDArray[np.float64]:
            outside = others(some)
            first = outside.shape[1]
            features = np.zeros((len(some), first + len(columns) + 1))
            features[:, :first] = outside
            for row, architecture in enumerate(some):
                unknown = 0
                for label, count in _label_counts(graph, architecture, self.rounds).items():
                    column = columns.get(label)
                    if column is None:
                        unknown += count**2
                    else:
                        features[row, first + column] = count
                features[row, -1] = unknown**0.5
            return features

        return encode


def _others(space: SearchSpace, graph: GraphOf) -> Encoder:
    """Return the encoder of the parameters outside of cells; a user's own graph shows all parameters."""
    hidden = graph.others if isinstance(graph, CellGraph) else frozenset[str]()
    if not hidden:
        return lambda some: np.zeros((len(some), 0))
    columns = [column for column, label in enumerate(space.feature_labels) if label in hidden]
    return lambda some: np.array([space.encode(architecture) for architecture in some])[:, columns]


# A strategy encodes the same architectures many times.
@lru_cache(maxsize=KEPT)
def _paths(graph_of: GraphOf, architecture: Architecture, longest: int | None) -> frozenset[tuple[str, ...]]:
    """Return the labels along each path from an input to an output, without the output's label."""
    graph = graph_of(architecture)
    predecessors, successors = graph.predecessors, graph.successors
    several = sum(not before for before in predecessors) > 1  # even if only one of the inputs is used
    limit = len(graph.labels) if longest is None else longest
    found: set[tuple[str, ...]] = set()

    def walk(node: int, path: tuple[str, ...], operations: int) -> None:
        for following in successors[node]:
            if not successors[following]:
                found.add(path)
            elif operations < limit:
                walk(following, (*path, graph.labels[following]), operations + 1)

    for node, label in enumerate(graph.labels):
        if not predecessors[node]:
            walk(node, (label,) if several else (), 0)
    return frozenset(found)


@lru_cache(maxsize=KEPT)
def _label_counts(graph_of: GraphOf, architecture: Architecture, rounds: int) -> dict[str, int]:
    """Return the number of nodes with each label, summed over the rounds."""
    graph = graph_of(architecture)
    before, behind = graph.predecessors, graph.successors
    labels = list(graph.labels)
    counts = Counter(labels)
    for _ in range(rounds):
        labels = [
            f"{label}({_joined(labels, before[node])}|{_joined(labels, behind[node])})"
            for node, label in enumerate(labels)
        ]
        counts.update(labels)
    return counts


def _joined(labels: Sequence[str], places: Sequence[int]) -> str:
    return labels[places[0]] if len(places) == 1 else ",".join(sorted([labels[i] for i in places]))
