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
"""What a compact table says it is, under "format"."""

VERTICES = 7
"""The most vertices of a module, input and output among them."""

METRICS = ("valid_accuracy", "test_accuracy", "train_seconds")
"""What training gives; accuracies in percent."""

Numbers = tuple[float, float, float]  # one of each of METRICS


@dataclass(frozen=True, eq=False)
class Nasbench101Arrays:
    """The table in memory, N modules in the order of their hashes.

    Args:
        keys: The first 64 bits of the hashes, ascending: (N,). No two modules share them.
        edges: Whether there is an edge from a vertex to a later one, row by row of the upper triangle of
            seven vertices: (N, 21).
        operations: The operations of the vertices 1 to 5 by position, -1 where there is no such vertex: (N,
            5).
        params: The trainable parameters: (N,).
        runs: By epochs and metric, the runs: (N, R), NaN where there are fewer.
    """

    keys: NDArray[np.uint64]
    edges: NDArray[np.int8]
    operations: NDArray[np.int8]
    params: NDArray[np.int64]
    runs: Mapping[int, Mapping[str, NDArray[Any]]]

    @classmethod
    def read(cls, path: Path, progress: Callable[[int, int], None] | None = None) -> "Nasbench101Arrays":
        """Read a table in any of its formats.

        Raises:
            EvaluationError: If it is damaged, or of another format.
        """
        if path.suffix == ".npz":
            return _read_npz(path)
        collected = _Collected(path)
        for training in (
            _json_trainings(path)
            if path.name.endswith((".json", ".json.gz"))
            else _tfrecord_trainings(path, progress)
        ):
            collected.take_up(training)
        return collected.arrays()


def compact_nasbench101(path: Path, progress: Callable[[int, int], None]) -> dict[str, NDArray[Any]]:
    """Return the arrays of a compact table, given a table in the authors' format."""
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
    """One training of a module, as a file has it.

    Args:
        hash_: What the file says is the module's hash.
        spelling: Tells the module as it is written from others; only one that is new is read.
        module: Reads the module.
        params: Its parameters.
        points: What came of it, by epochs.
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
                f"but can't be read: {error}. Is it NAS-Bench-101?"
            )
            raise EvaluationError(msg) from error
        found = ModelMetrics.read(message)
        if len(found.evaluations) != 3:
            msg = (
                f"A training of NAS-Bench-101 is evaluated three times, and {path} has one of "
                f"{len(found.evaluations)}. Download it again."
            )
            raise EvaluationError(msg)
        points = {  # the first evaluation is of the network before its training
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
    """Yield the trainings of a list of objects with "hash", "matrix", "ops", "trainable_parameters", and
    lists of runs: "runs_108" and the like.
    """
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
            f"A module in {path} needs 'hash', 'matrix', 'ops', 'trainable_parameters' and runs with their "
            f"accuracies: {error!r} is wrong with one."
        )
        raise EvaluationError(msg) from error


def _point(run: Mapping[str, float], when: str) -> Numbers:
    return (
        100 * run[f"{when}_validation_accuracy"],
        100 * run[f"{when}_test_accuracy"],
        run[f"{when}_training_time"],
    )


class _Collected:
    """The trainings of a file, taken up one by one into flat arrays, for there are millions; those of
    isomorphic modules are of one row.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, int] = {}  # by the hash, as far as it is known to be right
        self._spellings: set[tuple[str, str]] = set()
        self._edges: list[bytes] = []
        self._operations: list[bytes] = []
        self._params = array("q")
        self._row, self._epochs, self._numbers = (
            array("q"),
            array("q"),
            array("d"),
        )  # one, one and three for each point

    def take_up(self, training: _Training) -> None:
        """Take up one training.

        Raises:
            EvaluationError: If the file gives its module the hash of another.
        """
        named = training.hash_, training.spelling
        if named not in self._spellings:
            self._add(training)
            self._spellings.add(named)
        row = self._rows[training.hash_]
        for epochs, numbers in training.points.items():
            self._row.append(row)
            self._epochs.append(epochs)
            self._numbers.extend(numbers)

    def _add(self, training: _Training) -> None:
        module = prune(training.module())
        hash_ = None if module is None else module_hash(module)
        if module is None or hash_ != training.hash_:
            msg = (
                f"{self._path} calls a module {training.hash_!r} whose hash is {hash_!r}: "
                f"{training.spelling}. Is the file complete, and NAS-Bench-101's?"
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
            EvaluationError: If nothing was taken up.
        """
        total = len(self._rows)
        if not total:
            msg = (
                f"{self._path} holds no module of NAS-Bench-101. Take the authors' tfrecord, "
                "or a list of modules in JSON."
            )
            raise EvaluationError(msg)
        keys = np.array([key_of(hash_) for hash_ in self._rows], np.uint64)
        order = keys.argsort()
        place = order.argsort()  # where each row goes
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
    with open_npz(path, remedy) as table:
        form = str(table["format"]) if "format" in table else "none"
        if form != FORMAT:
            msg = f"{path} must be a table of '{FORMAT}', and is one of '{form}'. {remedy}"
            raise EvaluationError(msg)
        runs: dict[int, dict[str, NDArray[Any]]] = {}
        for name in table:
            if "/" in name:
                epochs, metric = name.split("/")
                runs.setdefault(int(epochs), {})[metric] = table[name]
        return Nasbench101Arrays(table["keys"], table["edges"], table["operations"], table["params"], runs)
