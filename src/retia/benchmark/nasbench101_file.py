"""The files of NAS-Bench-101: tfrecord, JSON and a compact npz."""

import base64
import binascii
import json
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retia.benchmark.files import read_json
from retia.benchmark.model_metrics import ModelMetrics
from retia.benchmark.module_graph import OPERATIONS, Module, module_hash, prune
from retia.benchmark.npz import open_npz
from retia.benchmark.tfrecord import read_records
from retia.errors import EvaluationError

__all__ = ["FORMAT", "METRICS", "VERTICES", "Nasbench101Arrays", "compact_nasbench101"]

FORMAT = "retia/nasbench101/1"
"""The value of "format" in a compact table."""

VERTICES = 7
"""The maximum number of vertices of a module, including input and output."""

METRICS = ("valid_accuracy", "test_accuracy", "train_seconds")
"""The metrics that need training; accuracies are in percent."""

Numbers = tuple[float, float, float]  # one of each of METRICS


@dataclass(frozen=True, eq=False)
class Nasbench101Arrays:
    """The table in memory, N modules in the order of their hashes.

    Args:
        keys: First 64 bits of the hashes in ascending order, shape (N,); unique in the table.
        edges: 1 for each edge in the upper triangle of the matrix, row by row, shape (N, 21).
        operations: Positions of the operations of vertices 1 to 5, -1 for a missing vertex, shape (N, 5).
        params: Number of trainable parameters, shape (N,).
        runs: Results of R runs by epochs and metric, shape (N, R); NaN for missing runs.
    """

    keys: NDArray[np.uint64]
    edges: NDArray[np.int8]
    operations: NDArray[np.int8]
    params: NDArray[np.int64]
    runs: Mapping[int, Mapping[str, NDArray[Any]]]

    @classmethod
    def read(cls, path: Path, progress: Callable[[int, int], None] | None = None) -> "Nasbench101Arrays":
        """Read a table in one of its formats.

        Raises:
            EvaluationError: If the file is damaged, or in an unknown format.
        """
        if path.suffix == ".npz":
            return _read_npz(path)
        collected = _Collected(path)
        for training in (
            _json_trainings(path)
            if path.name.endswith((".json", ".json.gz"))
            else _tfrecord_trainings(path, progress)
        ):
            collected.add(training)
        return collected.arrays()


def compact_nasbench101(path: Path, progress: Callable[[int, int], None]) -> dict[str, NDArray[Any]]:
    """Convert a table in the authors' format into the arrays of a compact table."""
    table = Nasbench101Arrays.read(path, progress)
    runs = {
        f"{epochs}/{metric}": values.astype(np.float32)
        for epochs, metrics in table.runs.items()
        for metric, values in metrics.items()
    }
    return {
        "format": np.array(FORMAT),
        "keys": table.keys,
        "edges": table.edges,
        "operations": table.operations,
        "params": table.params,
        **runs,
    }


def key_of(hash_: str) -> int:
    """Return the first 64 bits of a module's hash."""
    return int(hash_[:16], 16)


@dataclass(frozen=True)
class _Training:
    """One training of a module in a file.

    Args:
        hash_: The module's hash according to the file.
        spelling: The module as text; a module is parsed once for each spelling.
        module: Function that parses the module.
        params: Number of trainable parameters.
        points: Results by the number of epochs.
    """

    hash_: str
    spelling: str
    module: Callable[[], Module]
    params: int
    points: Mapping[int, Numbers]


def _tfrecord_trainings(path: Path, progress: Callable[[int, int], None] | None) -> Iterator[_Training]:
    for record in read_records(path, progress):
        try:
            hash_, epochs, matrix, operations, metrics = json.loads(record)
            message = base64.b64decode(metrics, validate=True)
        except (ValueError, TypeError, binascii.Error) as error:
            msg = (
                f"A record of {path} must be a hash, the epochs, a matrix, operations and metrics, "
                f"and can't be read: {error}. Give the path of the tfrecord of NAS-Bench-101."
            )
            raise EvaluationError(msg) from error
        found = ModelMetrics.read(message)
        if len(found.evaluations) != 3:
            msg = (
                f"A training in NAS-Bench-101 has three evaluations, got {len(found.evaluations)} in {path}. "
                "Download it again."
            )
            raise EvaluationError(msg)
        points = {  # the first evaluation precedes the training
            at: (100 * one.validation_accuracy, 100 * one.test_accuracy, one.training_time)
            for at, one in zip((epochs // 2, epochs), found.evaluations[1:], strict=True)
        }
        yield _Training(
            hash_, f"{matrix} {operations}", partial(_module, matrix, operations), found.params, points
        )


def _module(matrix: str, operations: str) -> Module:
    size = len(operations.split(","))
    return Module(
        tuple(tuple(map(int, matrix[i : i + size])) for i in range(0, len(matrix), size)),
        tuple(operations.split(",")),
    )


def _json_trainings(path: Path) -> Iterator[_Training]:
    """Yield the trainings of a JSON list of modules, whose runs are under "runs_108" etc."""
    entries = read_json(path)
    try:
        for entry in entries if isinstance(entries, list) else []:
            module = Module(tuple(map(tuple, entry["matrix"])), tuple(entry["ops"]))
            for name, runs in entry.items():
                if name.startswith("runs_"):
                    epochs = int(name.removeprefix("runs_"))
                    for run in runs:
                        points = {epochs // 2: _point(run, "halfway"), epochs: _point(run, "final")}
                        yield _Training(
                            entry["hash"],
                            str(module),
                            lambda module=module: module,
                            entry["trainable_parameters"],
                            points,
                        )
    except (KeyError, TypeError) as error:
        msg = (
            f"A module in {path} needs 'hash', 'matrix', 'ops', 'trainable_parameters' and runs with "
            f"accuracies, got one with {error!r}. Add what is missing."
        )
        raise EvaluationError(msg) from error


def _point(run: Mapping[str, float], when: str) -> Numbers:
    return (
        100 * run[f"{when}_validation_accuracy"],
        100 * run[f"{when}_test_accuracy"],
        run[f"{when}_training_time"],
    )


class _Collected:
    """The trainings of a file in flat arrays, for there are millions; isomorphic modules share a row."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, int] = {}  # by verified hash
        self._spellings: set[tuple[str, str]] = set()
        self._edges: list[bytes] = []
        self._operations: list[bytes] = []
        self._params = array("q")
        self._row, self._epochs = array("q"), array("q")  # one for each point
        self._numbers = array("d")  # three for each point

    def add(self, training: _Training) -> None:
        """Add a training.

        Raises:
            EvaluationError: If the hash in the file is not that of the module.
        """
        named = training.hash_, training.spelling
        if named not in self._spellings:
            self._add_module(training)
            self._spellings.add(named)
        row = self._rows[training.hash_]
        for epochs, numbers in training.points.items():
            self._row.append(row)
            self._epochs.append(epochs)
            self._numbers.extend(numbers)

    def _add_module(self, training: _Training) -> None:
        module = prune(training.module())
        hash_ = None if module is None else module_hash(module)
        if module is None or hash_ != training.hash_:
            msg = (
                f"{self._path} gives the hash {training.hash_!r} to a module with the hash {hash_!r}: "
                f"{training.spelling}. Download the file again."
            )
            raise EvaluationError(msg)
        if training.hash_ in self._rows:
            return
        size = len(module.operations)
        places = [*range(size - 1), VERTICES - 1]  # the output is the last of seven vertices
        matrix = np.zeros((VERTICES, VERTICES), np.int8)
        matrix[np.ix_(places, places)] = module.matrix
        operations = np.full(VERTICES - 2, -1, np.int8)
        operations[: size - 2] = [OPERATIONS.index(name) for name in module.operations[1:-1]]
        self._rows[training.hash_] = len(self._rows)
        self._edges.append(matrix[np.triu_indices(VERTICES, 1)].tobytes())
        self._operations.append(operations.tobytes())
        self._params.append(training.params)

    def arrays(self) -> Nasbench101Arrays:
        """Return the table.

        Raises:
            EvaluationError: If no training was added.
        """
        total = len(self._rows)
        if not total:
            msg = (
                f"{self._path} contains no module of NAS-Bench-101. Use the authors' tfrecord, "
                "or a list of modules in JSON."
            )
            raise EvaluationError(msg)
        keys = np.array([key_of(hash_) for hash_ in self._rows], np.uint64)
        order = keys.argsort()
        place = order.argsort()  # the new position of each row
        rows, epochs = place[np.frombuffer(self._row, np.int64)], np.frombuffer(self._epochs, np.int64)
        numbers = np.frombuffer(self._numbers, np.float64).reshape(-1, len(METRICS))
        runs: dict[int, dict[str, NDArray[np.float64]]] = {}
        for at in sorted(set(epochs.tolist())):
            here = np.flatnonzero(epochs == at)
            here = here[rows[here].argsort(kind="stable")]  # row by row, in the order of the file
            slots = np.arange(len(here)) - np.searchsorted(rows[here], rows[here])
            runs[at] = {}
            for i, metric in enumerate(METRICS):
                runs[at][metric] = np.full((total, int(slots.max()) + 1), np.nan)
                runs[at][metric][rows[here], slots] = numbers[here, i]
        edges = np.frombuffer(b"".join(self._edges), np.int8).reshape(total, -1)[order]
        operations = np.frombuffer(b"".join(self._operations), np.int8).reshape(total, -1)[order]
        return Nasbench101Arrays(
            keys[order], edges, operations, np.frombuffer(self._params, np.int64)[order], runs
        )


def _read_npz(path: Path) -> Nasbench101Arrays:
    remedy = "Make it with retia.benchmark.compact(tfrecord, file)."
    with open_npz(path, remedy, FORMAT) as table:
        runs: dict[int, dict[str, NDArray[Any]]] = {}
        for name in table:
            if "/" in name:
                epochs, metric = name.split("/")
                runs.setdefault(int(epochs), {})[metric] = table[name]
        return Nasbench101Arrays(table["keys"], table["edges"], table["operations"], table["params"], runs)
