"""NAS-Bench-101: modules of up to seven vertices and nine edges."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retia.benchmark.benchmark import Benchmark
from retia.benchmark.files import Download, locate, reading
from retia.benchmark.module_graph import INPUT, OPERATIONS, OUTPUT, Module, module_hash, prune
from retia.benchmark.nasbench101_file import VERTICES, Nasbench101Arrays, key_of
from retia.benchmark.nats_archive import mean_of_known
from retia.benchmark.records import Columns
from retia.errors import ArchitectureError, EvaluationError
from retia.space import Architecture, Categorical, SearchSpace, Value

__all__ = ["EDGES", "nasbench101", "nasbench101_architecture", "nasbench101_module"]

MOST_EDGES = 9
"""The most edges of a module, once it is pruned."""

EDGES = tuple((target, source) for source in range(VERTICES) for target in range(source + 1, VERTICES))
"""The edges that there may be, each with its target and its source, row by row of the matrix."""

_DOWNLOAD = Download(
    "NAS-Bench-101",
    ("nasbench101.npz", "nasbench_full.tfrecord", "nasbench_only108.tfrecord"),
    "https://storage.googleapis.com/nasbench/nasbench_only108.tfrecord (499 MB), "
    "or nasbench_full.tfrecord beside it (1.95 GB, with 4, 12 and 36 "
    "epochs too); retia.benchmark.compact(tfrecord, file) makes the npz file that is quick to read",
    "SHA-256 4c39c3936e36a85269881d659e44e61a245babcb72cb374eacacf75d0e5f4fd1 of the first, "
    "3d64db8180fb1b0207212f9032205064312b6907a3bbc81eabea10db2f5c7e9c of the second",
)


def nasbench101(
    *, epochs: int = 108, run: int | None = None, path: str | os.PathLike[str] | None = None
) -> Benchmark:
    """Return NAS-Bench-101: 423,624 modules on CIFAR-10.

    An architecture is a matrix and operations, as the authors draw them: `edge/3<-1` is 1 where vertex 3
    takes the output of vertex 1, and `operation/1` to `operation/5` are the operations of the vertices
    between input and output. Vertices on no path between these two are pruned, and what is left must have at
    most nine edges; many architectures are one module, and a query finds it by its hash.

    Args:
        epochs: How long a trial trains that doesn't say: 108; 4, 12 or 36 in the full table; half of each is
            known as well, of the same training.
        run: Which of the three trainings, 0 to 2; None for their mean.
        path: The authors' tfrecord, a JSON list of modules, or a compact npz file. If not given it is looked
            for in the folder RETIA_BENCHMARKS.

    Raises:
        EvaluationError: If the table is not there, is damaged, or has no such epochs or run.

    Reference:
        Ying et al., NAS-Bench-101: Towards Reproducible Neural Architecture Search, ICML 2019. Deviations:
        accuracies are in percent; the mean of the trainings is the default, where the authors draw one.
    """
    file = locate(_DOWNLOAD, path)
    with reading(file):
        table = Nasbench101Arrays.read(file)
        counts = {at: next(iter(metrics.values())).shape[1] for at, metrics in table.runs.items()}
    trained: dict[int, dict[str, NDArray[Any]]] = {}
    for at, metrics in table.runs.items():
        count = counts[at]
        if run is not None and not 0 <= run < count:
            msg = (
                f"The table has the runs 0 to {count - 1}, got run={run}. Name one of these, "
                "or None for their mean."
            )
            raise EvaluationError(msg)
        trained[at] = {
            metric: mean_of_known(values.T) if run is None else values[:, run]
            for metric, values in metrics.items()
        }
    records = Columns(trained, {"params": table.params.astype(float)})
    index = ModuleIndex(table.keys, table.edges, table.operations)
    # Only half of a schedule is a part of it; 4, 12, 36 and 108 epochs are trainings of their own.
    return Benchmark(
        "nasbench101", _space(), index, records, epochs, {"run": run}, _REFERENCE, continues=False
    )


_REFERENCE = "Ying et al., NAS-Bench-101: Towards Reproducible Neural Architecture Search, ICML 2019"


@dataclass(frozen=True, eq=False)
class ModuleIndex:
    """Finds modules by their hash.

    Args:
        keys: The first 64 bits of the hashes, ascending: (N,).
        edges: Which of `EDGES` there are: (N, 21).
        operations: The operations by position, -1 where there is no vertex: (N, 5).
    """

    keys: NDArray[np.uint64]
    edges: NDArray[np.int8]
    operations: NDArray[np.int8]

    def __len__(self) -> int:
        """The number of modules."""
        return len(self.keys)

    def row(self, architecture: Mapping[str, Value]) -> int:
        """Return the row of the module that an architecture is.

        Raises:
            ArchitectureError: If it is no architecture of the space, or the table has no such module.
        """
        key = _key(architecture if isinstance(architecture, Architecture) else Architecture(architecture))
        row = int(self.keys.searchsorted(key))
        if row == len(self.keys) or self.keys[row] != key:
            msg = (
                f"The table has {len(self):,} of the 423,624 modules, and not "
                f"{nasbench101_module(architecture)}. Take the authors' whole table."
            )
            raise ArchitectureError(msg)
        return row

    def architecture(self, row: int) -> Architecture:
        """Return an architecture of a row's module: its vertices first, then ones that are on no path."""
        values: dict[str, Value] = {
            _edge(edge): int(there) for edge, there in zip(EDGES, self.edges[row].tolist(), strict=True)
        }
        operations = {
            f"operation/{i}": OPERATIONS[max(place, 0)]
            for i, place in enumerate(self.operations[row].tolist(), start=1)
        }
        return Architecture({**values, **operations})


def nasbench101_module(architecture: Mapping[str, Value]) -> Module:
    """Return the module that an architecture is, pruned.

    Raises:
        ArchitectureError: If a label is missing or has another value, no path leads from input to output, or
            there are more than nine edges.
    """
    module = prune(_drawn(architecture))
    if module is None:
        msg = (
            f"A module of NAS-Bench-101 has a path from vertex 0 to vertex {VERTICES - 1}, "
            f"and {dict(architecture)} has none. Add an edge."
        )
        raise ArchitectureError(msg)
    if module.edges > MOST_EDGES:
        msg = (
            f"A module of NAS-Bench-101 has at most {MOST_EDGES} edges on paths from input to output, "
            f"got {module.edges}. Take one away."
        )
        raise ArchitectureError(msg)
    return module


def nasbench101_architecture(matrix: Sequence[Sequence[int]], operations: Sequence[str]) -> Architecture:
    """Return the architecture of a module as the authors write it: an upper triangular matrix, and operations
    from "input" to "output".

    Raises:
        ArchitectureError: If they are no module, or one of more than seven vertices.
    """
    module = Module(tuple(tuple(map(int, row)) for row in matrix), tuple(operations))
    if len(operations) > VERTICES:
        msg = f"A module of NAS-Bench-101 has at most {VERTICES} vertices, got {len(operations)}."
        raise ArchitectureError(msg)
    places = {v: v for v in range(len(operations) - 1)} | {
        VERTICES - 1: len(operations) - 1
    }  # the output is the last of seven vertices
    values: dict[str, Value] = {
        _edge((target, source)): module.matrix[places[source]][places[target]]
        if source in places and target in places
        else 0
        for target, source in EDGES
    }
    for i in range(1, VERTICES - 1):
        values[f"operation/{i}"] = module.operations[i] if i < len(operations) - 1 else OPERATIONS[0]
    return Architecture(values)


def _space() -> SearchSpace:
    """Return the space; its default is the module of a single edge, from input to output."""
    shortcut = (VERTICES - 1, 0)
    domains = {_edge(edge): Categorical((0, 1), default=int(edge == shortcut)) for edge in EDGES}
    operations = {f"operation/{i}": Categorical(OPERATIONS) for i in range(1, VERTICES - 1)}
    return SearchSpace({**domains, **operations}).where(
        _is_module, f"a path from input to output, and at most {MOST_EDGES} edges on such paths"
    )


def _is_module(architecture: Architecture) -> bool:
    module = prune(_drawn(architecture))
    return module is not None and module.edges <= MOST_EDGES


def _drawn(architecture: Mapping[str, Value]) -> Module:
    """Return the graph as it is drawn, with all seven vertices."""
    matrix = [[0] * VERTICES for _ in range(VERTICES)]
    try:
        for edge, label in _LABELS:
            matrix[edge[1]][edge[0]] = int(architecture[label])  # pyright: ignore[reportArgumentType]  # Module says if it is no number
        operations = [str(architecture[f"operation/{i}"]) for i in range(1, VERTICES - 1)]
    except (KeyError, TypeError, ValueError) as error:
        msg = (
            "An architecture of NAS-Bench-101 has the edges 'edge/1<-0' to 'edge/6<-5' and 'operation/1' "
            f"to 'operation/5', got {dict(architecture)}: {error!r}."
        )
        raise ArchitectureError(msg) from None
    return Module(tuple(map(tuple, matrix)), (INPUT, *operations, OUTPUT))


@lru_cache(maxsize=1 << 16)
def _key(architecture: Architecture) -> np.uint64:
    return np.uint64(key_of(module_hash(nasbench101_module(architecture))))


def _edge(edge: tuple[int, int]) -> str:
    return f"edge/{edge[0]}<-{edge[1]}"


_LABELS = tuple((edge, _edge(edge)) for edge in EDGES)
