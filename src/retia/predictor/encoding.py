"""Architectures as numbers, from which predictors learn."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retia.errors import SpaceError
from retia.predictor.graph import CellGraph, GraphOf, cell_graph
from retia.space import Architecture, SearchSpace
from retia.strategy import check_whole

__all__ = ["Encoder", "Encoding", "OneHot", "Paths", "WeisfeilerLehman", "check_encoding"]

Encoder: TypeAlias = Callable[[Sequence[Architecture]], NDArray[np.float64]]
"""Turns architectures into their features, shape (N, F)."""

KEPT = 8192
"""Of how many architectures the paths and labels are kept."""


class Encoding(Protocol):
    """A way to turn architectures into numbers."""

    def fit(self, space: SearchSpace, architectures: Sequence[Architecture]) -> Encoder:
        """Return the encoder, whose features may follow from the architectures that are learnt from."""
        ...


def check_encoding(owner: object, encoding: Any) -> None:
    """Check that a predictor is given an encoding.

    Raises:
        SpaceError: If it is a class, or has no `fit`.
    """
    if isinstance(encoding, type) or not hasattr(encoding, "fit"):
        msg = (
            f"'encoding' of {type(owner).__name__} is an object with a method fit, such as OneHot(), "
            f"Paths() or WeisfeilerLehman(), got {encoding!r}."
        )
        raise SpaceError(msg)


@dataclass(frozen=True)
class OneHot:
    """The features of `SearchSpace.encode`: a categorical is one-hot, a number its place on its scale, and
    what is not active is 0.

    Half the squared distance between two such rows is the Hamming distance, where all parameters are
    categorical and active.
    """

    def fit(self, space: SearchSpace, architectures: Sequence[Architecture]) -> Encoder:
        """Return the encoder."""
        return lambda some: np.array([space.encode(architecture) for architecture in some])


@dataclass(frozen=True)
class Paths:
    """One feature for each path of operations from an input of a cell to its output: 1 if the architecture
    has it.

    Parameters outside of the cells are encoded as by `OneHot`, so that a space without cells is, too.

    Args:
        longest: The most operations of a path that counts; all if not given. A path that is longer is left
            out (the truncated encoding).
        graph: What draws an architecture as a graph; `cell_graph` of the space if not given.

    Raises:
        SpaceError: If `longest` is below 1.

    Reference:
        White et al., BANANAS, AAAI 2021, section 4 (the path encoding, and its truncation). Deviations: a
        feature for every path that the architectures to learn from have, in place of every path that there
        might be, for nothing is learnt about the others; what leads through an edge that is none is no path;
        where there are several inputs, a path's first item is the one that it comes from.
    """

    longest: int | None = None
    graph: GraphOf | None = None

    def __post_init__(self) -> None:
        if self.longest is not None:
            check_whole(self, longest=1)

    def fit(self, space: SearchSpace, architectures: Sequence[Architecture]) -> Encoder:
        """Return the encoder, which knows the paths of the architectures, the short ones first."""
        graph = self.graph or cell_graph(space)
        others = _others(space, graph)
        of_each = [_paths(graph, architecture, self.longest) for architecture in architectures]
        paths = sorted(set[tuple[str, ...]]().union(*of_each), key=lambda path: (len(path), path))
        columns = {path: column for column, path in enumerate(paths)}

        def encode(some: Sequence[Architecture]) -> NDArray[np.float64]:
            features = np.zeros((len(some), len(columns)))
            for row, architecture in enumerate(some):
                features[
                    row,
                    [columns[path] for path in _paths(graph, architecture, self.longest) if path in columns],
                ] = 1
            return np.hstack([features, others(some)])

        return encode


@dataclass(frozen=True)
class WeisfeilerLehman:
    """How often each label stands in the architecture's graph, after each of some rounds in which a node's
    label takes up its neighbours'.

    Parameters outside of the cells are encoded as by `OneHot`, so that a space without cells is, too.

    Args:
        rounds: The number of rounds.
        graph: What draws an architecture as a graph; `cell_graph` of the space if not given.

    Raises:
        SpaceError: If `rounds` is below 0.

    Reference:
        Ru et al., Interpretable Neural Architecture Search via Bayesian Optimisation with Weisfeiler-Lehman
        Kernels, ICLR 2021, section 3.1.
        Deviations: a node takes up the labels before it and those behind it, apart from each other; the last
        feature is the length of the vector of the counts of all labels that the architectures to learn from
        do not have, so that distances to these are exact.
    """

    rounds: int = 1
    graph: GraphOf | None = None

    def __post_init__(self) -> None:
        check_whole(self, rounds=0)

    def fit(self, space: SearchSpace, architectures: Sequence[Architecture]) -> Encoder:
        """Return the encoder, which knows the labels of the architectures."""
        graph = self.graph or cell_graph(space)
        others = _others(space, graph)
        counted = [_label_counts(graph, architecture, self.rounds) for architecture in architectures]
        columns = {
            label: column
            for column, label in enumerate(dict.fromkeys(label for counts in counted for label in counts))
        }

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
    """Return the encoder of the parameters that a graph of cells does not show; of a user's own graph there
    are none.
    """
    hidden = graph.others if isinstance(graph, CellGraph) else frozenset[str]()
    if not hidden:
        return lambda some: np.zeros((len(some), 0))
    columns = [column for column, label in enumerate(space.feature_labels) if label in hidden]
    return lambda some: np.array([space.encode(architecture) for architecture in some])[:, columns]


# A strategy meets the same architectures again and again; what is kept is a function of them.
@lru_cache(maxsize=KEPT)
def _paths(graph_of: GraphOf, architecture: Architecture, longest: int | None) -> frozenset[tuple[str, ...]]:
    """Return the labels along each way from a node without predecessors to one without successors; the last
    label is left out.
    """
    graph = graph_of(architecture)
    predecessors, successors = graph.predecessors, graph.successors
    several = sum(not before for before in predecessors) > 1  # also where but one of them is used
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
