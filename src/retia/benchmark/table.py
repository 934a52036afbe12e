"""Your own tables: made from the trials of a study, and stored in one npz file."""

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retia.benchmark.benchmark import Benchmark
from retia.benchmark.files import reading
from retia.benchmark.index import Listing
from retia.benchmark.npz import open_npz
from retia.benchmark.records import ColumnRecords
from retia.errors import EvaluationError
from retia.space import Architecture, SearchSpace
from retia.trial import Trial

__all__ = ["read_table", "table_of", "write_table"]

FORMAT = "retia/table/1"
"""The value of "format" in such a file."""


def table_of(
    space: SearchSpace,
    trials: Iterable[Trial],
    *,
    epochs: int,
    name: str = "table",
    costs: Iterable[str] = ("params", "macs", "flops"),
    settings: Mapping[str, Any] | None = None,
    reference: str = "",
) -> Benchmark:
    """Make a benchmark from the completed trials of a study, such as an exhaustive one of a small space.

    Args:
        space: The search space.
        trials: The trials; only completed ones are used. If an architecture has several trials at one
            fidelity, the last one is used.
        epochs: Number of training epochs of a trial without a fidelity.
        name: Name of the benchmark.
        costs: Metrics that need no training; those that do not occur are ignored.
        settings: Further settings on which the numbers depend, as JSON.
        reference: Source of the numbers.

    Raises:
        EvaluationError: If no trial is completed, or none after `epochs` epochs.
    """
    by_architecture: dict[Architecture, dict[int, Mapping[str, float]]] = {}
    for trial in trials:
        if trial.state == "completed":
            by_architecture.setdefault(trial.architecture, {})[int(trial.fidelity or epochs)] = trial.metrics
    if not by_architecture:
        msg = (
            f"The table '{name}' needs at least one completed trial, got none. Run the study first: "
            "study.run(GridSearch(), trials=...)."
        )
        raise EvaluationError(msg)
    rows = list(by_architecture.values())
    all_metrics = dict.fromkeys(metric for row in rows for metrics in row.values() for metric in metrics)
    known_costs = [metric for metric in costs if metric in all_metrics]
    fixed = {metric: np.array([_first(row, metric) for row in rows]) for metric in known_costs}
    trained: dict[int, dict[str, NDArray[Any]]] = {}
    for at in sorted({at for row in rows for at in row}):
        present = [
            metric
            for metric in all_metrics
            if metric not in fixed and any(metric in row.get(at, {}) for row in rows)
        ]
        trained[at] = {
            metric: np.array([row.get(at, {}).get(metric, math.nan) for row in rows]) for metric in present
        }
    return _benchmark(
        name, space, tuple(by_architecture), ColumnRecords(trained, fixed), epochs, settings or {}, reference
    )


def write_table(benchmark: Benchmark, path: str | os.PathLike[str]) -> Path:
    """Write a benchmark to an npz file for `read_table`.

    Metrics that need training are stored in float32. The restrictions of the space are code and are not
    stored; the space of the file contains only the architectures of the table.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {
        "name": benchmark.name,
        "space": benchmark.space.to_json(),
        "epochs": benchmark.epochs,
        "continues": benchmark.continues,
        "settings": dict(benchmark.settings),
        "reference": benchmark.reference,
        "architectures": [json.loads(entry.architecture.to_json()) for entry in benchmark.entries()],
    }
    arrays: dict[str, Any] = {
        "format": np.array(FORMAT),
        "header": np.frombuffer(json.dumps(header).encode(), np.uint8),
    }
    for cost in benchmark.costs:
        arrays[f"fixed/{cost}"] = benchmark.column(cost)
    for epochs in benchmark.fidelities:
        for metric in benchmark.records.contents.metrics(epochs):
            if metric not in benchmark.costs:
                arrays[f"{epochs}/{metric}"] = benchmark.column(metric, epochs).astype(np.float32)
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return path


def read_table(path: str | os.PathLike[str]) -> Benchmark:
    """Read a benchmark that `write_table` wrote.

    Raises:
        EvaluationError: If the file is missing, damaged, or in another format.
    """
    with reading(path):
        return _read(path)


def _read(path: str | os.PathLike[str]) -> Benchmark:
    with open_npz(path, "Write it with retia.benchmark.write_table.", FORMAT) as file:
        header = json.loads(file["header"].tobytes())
        table = {name: file[name] for name in file}
    trained: dict[int, dict[str, NDArray[Any]]] = {}
    fixed: dict[str, NDArray[Any]] = {}
    for place, column in table.items():
        if "/" in place:
            at, metric = place.split("/", 1)
            (fixed if at == "fixed" else trained.setdefault(int(at), {}))[metric] = column
    architectures = tuple(Architecture(values) for values in header["architectures"])
    space = SearchSpace.from_json(header["space"])
    benchmark = _benchmark(
        header["name"],
        space,
        architectures,
        ColumnRecords(trained, fixed),
        header["epochs"],
        header["settings"],
        header["reference"],
    )
    return replace(benchmark, continues=header.get("continues", True))


def _benchmark(
    name: str,
    space: SearchSpace,
    architectures: tuple[Architecture, ...],
    columns: ColumnRecords,
    epochs: int,
    settings: Mapping[str, Any],
    reference: str,
) -> Benchmark:
    """Return the benchmark, whose space is restricted to the architectures of the table."""
    index = Listing(architectures)
    whole = space.size_before_restrictions() == len(architectures)
    return Benchmark(
        name,
        space if whole else space.where(index.lists, "in the table"),
        index,
        columns,
        epochs,
        settings,
        reference,
    )


def _first(row: Mapping[int, Mapping[str, float]], metric: str) -> float:
    return next((metrics[metric] for metrics in row.values() if metric in metrics), math.nan)
