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
from retia.benchmark.records import ColumnRecords
from retia.errors import ArchitectureError, EvaluationError
from retia.space import Architecture, Categorical, SearchSpace, Value

__all__ = ["EDGES", "nasbench101", "nasbench101_architecture", "nasbench101_module"]

MOST_EDGES = 9
"""The maximum number of edges of a pruned module."""

EDGES = tuple((target, source) for source in range(VERTICES) for target in range(source + 1, VERTICES))
"""All possible edges as (target, source), row by row of the matrix."""

_DOWNLOAD = Download(
    "NAS-Bench-101",
    ("nasbench101.npz", "nasbench_full.tfrecord", "nasbench_only108.tfrecord"),
    "https://storage.googleapis.com/nasbench/nasbench_only108.tfrecord (499 MB), "
    "or nasbench_full.tfrecord in the same folder (1.95 GB, also with 4, 12 and 36 epochs); "
    "retia.benchmark.compact(tfrecord, file) makes the npz file that is fast to read",
    "SHA-256 4c39c3936e36a85269881d659e44e61a245babcb72cb374eacacf75d0e5f4fd1 of the first, "
    "3d64db8180fb1b0207212f9032205064312b6907a3bbc81eabea10db2f5c7e9c of the second",
)


def nasbench101(
    *, epochs: int = 108, run: int | None = None, path: str | os.PathLike[str] | None = None
) -> Benchmark:
    """Return NAS-Bench-101: 423,624 modules on CIFAR-10.

    An architecture is a matrix and operations: `edge/3<-1` is 1 if the output of vertex 1 is an input of
    vertex 3, and `operation/1` to `operation/5` are the operations of the inner vertices. Vertices that are
    not on a path from input to output are pruned; the pruned module must have at most nine edges. Different
    architectures may be the same module, which a query finds by its hash.

    Args:
        epochs: Number of training epochs of a trial without a fidelity: 108 (default), or 4, 12 or 36 in the
            full table. The table also has the results at half of each training.
        run: Index of the training, 0 to 2; None for the mean of the three.
        path: Path of the authors' tfrecord, a JSON list of modules, or a compact npz file.
            Default: searched for in the folder RETIA_BENCHMARKS.

    Raises:
        EvaluationError: If the table is missing or damaged, or does not have `epochs` or `run`.

    Reference:
        Ying et al., NAS-Bench-101: Towards Reproducible Neural Architecture Search, ICML 2019. Deviations:
        accuracies are in percent; the default is the mean of the trainings, where the authors sample one.
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
                "or pass None for their mean."
            )
            raise EvaluationError(msg)
        trained[at] = {
            metric: mean_of_known(values.T) if run is None else values[:, run]
            for metric, values in metrics.items()
        }
    records = ColumnRecords(trained, {"params": table.params.astype(float)})
    index = ModuleIndex(table.keys, table.edges, table.operations)
    # 4, 12, 36 and 108 epochs are separate trainings; only the half of each is part of it.
    return Benchmark(
        "nasbench101", _space(), index, records, epochs, {"run": run}, _REFERENCE, continues=False
    )


_REFERENCE = "Ying et al., NAS-Bench-101: Towards Reproducible Neural Architecture Search, ICML 2019"


@dataclass(frozen=True, eq=False)
class ModuleIndex:
    """The index of modules by their hash.

    Args:
        keys: First 64 bits of the hashes in ascending order, shape (N,).
        edges: 1 for each existing edge of `EDGES`, shape (N, 21).
        operations: Positions of the operations, -1 for a missing vertex, shape (N, 5).
    """

    keys: NDArray[np.uint64]
    edges: NDArray[np.int8]
    operations: NDArray[np.int8]

    def __len__(self) -> int:
        """The number of modules."""
        return len(self.keys)

    def row(self, architecture: Mapping[str, Value]) -> int:
        """Return the row of an architecture's module.

        Raises:
            ArchitectureError: If `architecture` is not in the space, or the table lacks its module.
        """
        key = _key(architecture if isinstance(architecture, Architecture) else Architecture(architecture))
        row = int(self.keys.searchsorted(key))
        if row == len(self.keys) or self.keys[row] != key:
            msg = (
                f"The table contains {len(self):,} of the 423,624 modules, but not "
                f"{nasbench101_module(architecture)}. Use the authors' complete table."
            )
            raise ArchitectureError(msg)
        return row

    def architecture(self, row: int) -> Architecture:
        """Return an architecture of a row's module; unused vertices come last."""
        values: dict[str, Value] = {
            _edge(edge): int(there) for edge, there in zip(EDGES, self.edges[row].tolist(), strict=True)
        }
        operations = {
            f"operation/{i}": OPERATIONS[max(place, 0)]
            for i, place in enumerate(self.operations[row].tolist(), start=1)
        }
        return Architecture({**values, **operations})


def nasbench101_module(architecture: Mapping[str, Value]) -> Module:
    """Return the pruned module of an architecture.

    Raises:
        ArchitectureError: If a label is missing or a value is not in its domain, no path leads from input to
            output, or the pruned module has more than nine edges.
    """
    module = prune(_drawn(architecture))
    if module is None:
        msg = (
            f"A module of NAS-Bench-101 needs a path from vertex 0 to vertex {VERTICES - 1}, "
            f"got {dict(architecture)} without one. Add an edge."
        )
        raise ArchitectureError(msg)
    if module.edges > MOST_EDGES:
        msg = (
            f"A module of NAS-Bench-101 has at most {MOST_EDGES} edges on paths from input to output, "
            f"got {module.edges}. Remove an edge."
        )
        raise ArchitectureError(msg)
    return module


def nasbench101_architecture(matrix: Sequence[Sequence[int]], operations: Sequence[str]) -> Architecture:
    """Return the architecture of a module in the authors' notation.

    Args:
        matrix: Upper triangular matrix of edges.
        operations: Operations of the vertices, from "input" to "output".

    Raises:
        ArchitectureError: If the arguments are not a valid module, or have more than seven vertices.
    """
    module = Module(tuple(tuple(map(int, row)) for row in matrix), tuple(operations))
    if len(operations) > VERTICES:
        msg = (
            f"A module of NAS-Bench-101 has at most {VERTICES} vertices, got {len(operations)}. Remove some."
        )
        raise ArchitectureError(msg)
    # The output is the last of seven vertices.
    places = {v: v for v in range(len(operations) - 1)} | {VERTICES - 1: len(operations) - 1}
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
    """Return the space; its default is the module with a single edge from input to output."""
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
    """Return the graph of an architecture before pruning, with all seven vertices."""
    matrix = [[0] * VERTICES for _ in range(VERTICES)]
    try:
        for edge, label in _LABELS:
            matrix[edge[1]][edge[0]] = int(architecture[label])  # pyright: ignore[reportArgumentType]  # Module rejects other values
        operations = [str(architecture[f"operation/{i}"]) for i in range(1, VERTICES - 1)]
    except (KeyError, TypeError, ValueError) as error:
        msg = (
            "An architecture of NAS-Bench-101 has the labels 'edge/1<-0' to 'edge/6<-5' and 'operation/1' to "
            f"'operation/5', got {dict(architecture)} ({error!r}). Take one from the benchmark's space."
        )
        raise ArchitectureError(msg) from None
    return Module(tuple(map(tuple, matrix)), (INPUT, *operations, OUTPUT))


@lru_cache(maxsize=1 << 16)
def _key(architecture: Architecture) -> np.uint64:
    return np.uint64(key_of(module_hash(nasbench101_module(architecture))))


def _edge(edge: tuple[int, int]) -> str:
    return f"edge/{edge[0]}<-{edge[1]}"


_LABELS = tuple((edge, _edge(edge)) for edge in EDGES)
