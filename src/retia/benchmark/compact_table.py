"""Compact tables: one npz file that is fast to read."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retia.benchmark.cells import SIZES, TOPOLOGIES, NatsSpace
from retia.benchmark.files import reading
from retia.benchmark.nasbench101_file import compact_nasbench101
from retia.benchmark.nats_archive import (
    COSTS,
    TRAINED,
    Archive,
    costs_of,
    curves_of,
    datasets_of,
    mean_of_known,
    trainings_of,
)
from retia.benchmark.npz import open_npz
from retia.benchmark.records import ColumnRecords, no_epochs
from retia.errors import EvaluationError

__all__ = ["SPACES", "compact", "compact_columns", "compact_format"]

FORMAT = "retia/natsbench-{}/1"
"""The value of "format" in a compact table of NATS-Bench."""

_REMEDY = "Download it again, or make it with retia.benchmark.compact(folder, file)."

SPACES: Mapping[str, NatsSpace] = {FORMAT.format(one.name): one for one in (TOPOLOGIES, SIZES)}


def compact(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    curves: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Convert a table from its authors' format into one npz file, which is much faster to read.

    Args:
        source: Folder or file of NATS-Bench (either space), or tfrecord of NAS-Bench-101.
        target: Path of the npz file to write.
        curves: Whether to keep every epoch of NATS-Bench instead of the last epoch of each schedule.
        progress: Callback with the number of converted architectures (or bytes of a tfrecord) and the total.

    Returns:
        The path of the npz file.

    Raises:
        EvaluationError: If `source` does not exist, or is not in one of these formats.
    """
    source, target = Path(source), Path(target)
    if not source.exists():
        msg = (
            f"{source} does not exist. Download the authors' table first; "
            "the error of opening a benchmark without its table says where."
        )
        raise EvaluationError(msg)
    report = progress if progress is not None else _ignore
    if source.name.endswith((".tfrecord", ".json", ".json.gz")):
        with reading(source):
            arrays = compact_nasbench101(source, report)
    elif source.is_dir() or source.name.endswith(".pickle.pbz2"):
        with reading(source):
            arrays = _compact_natsbench(Archive(source), curves, report)
    else:
        msg = (
            f"{source} has an unknown format. Give a folder or .pickle.pbz2 file of NATS-Bench, "
            "or a .tfrecord or .json file of NAS-Bench-101."
        )
        raise EvaluationError(msg)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    return target


def _ignore(done: int, total: int) -> None:
    del done, total


def _compact_natsbench(
    archive: Archive, curves: bool, progress: Callable[[int, int], None]
) -> dict[str, Any]:
    """Return the arrays of a compact table.

    `choices` (N, P) are the architectures and `DATASET/params` etc. (N,) their costs. The results are
    `DATASET/SCHEDULE/seeds` (S,), `.../epochs` (E,) and `.../valid_accuracy` etc. (N, S, E), NaN if unknown.
    """
    total = len(archive.strings)
    space = SIZES if ":" in archive.strings[0] else TOPOLOGIES
    arrays: dict[str, NDArray[Any]] = {
        "format": np.array(FORMAT.format(space.name)),
        "choices": space.read(archive.strings),
    }
    for done, row in enumerate(archive.rows(), start=1):
        results = archive.results(row)
        for dataset in datasets_of(results):
            for schedule in map(int, results):
                _add_trainings(arrays, total, row, dataset, schedule, results, curves)
        progress(done, total)
    return arrays


def _add_trainings(
    arrays: dict[str, NDArray[Any]],
    total: int,
    row: int,
    dataset: str,
    schedule: int,
    results: Mapping[str, Any],
    curves: bool,
) -> None:
    """Write the trainings of one row on one data set into the arrays; a new seed extends them."""
    place = f"{dataset}/{schedule}"
    epochs = arrays.setdefault(
        f"{place}/epochs", np.arange(1, schedule + 1) if curves else np.array([schedule])
    )
    seeds = arrays.setdefault(f"{place}/seeds", np.empty(0, np.int64))
    for seed, training in trainings_of(results, schedule, dataset).items():
        if seed not in seeds:
            seeds = arrays[f"{place}/seeds"] = np.append(seeds, seed)
            for metric in TRAINED:
                known = arrays.get(f"{place}/{metric}", np.empty((total, 0, len(epochs)), np.float32))
                arrays[f"{place}/{metric}"] = np.concatenate(
                    [known, np.full((total, 1, len(epochs)), np.nan, np.float32)], axis=1
                )
        slot = seeds.tolist().index(seed)
        found = curves_of(training, dataset, epochs.tolist())
        for metric in TRAINED:
            arrays[f"{place}/{metric}"][row, slot] = found[metric]
        costs = costs_of(training)
        for metric in COSTS:
            arrays.setdefault(f"{dataset}/{metric}", np.full(total, np.nan))[row] = costs.get(metric, np.nan)


def compact_format(path: Path) -> str | None:
    """Return the format of a compact table; None for any other npz file.

    Raises:
        EvaluationError: If `path` is not an npz file.
    """
    with open_npz(path, _REMEDY) as table:
        return str(table["format"]) if "format" in table else None


def compact_columns(
    path: Path, dataset: str, schedule: int | None, seed: int | None
) -> tuple[NDArray[np.int8], ColumnRecords]:
    """Read the architectures (N, P) of a compact table of NATS-Bench, and the records of one data set.

    Args:
        path: Path of the file.
        dataset: Name of the data set.
        schedule: Length of the schedule whose epochs are the fidelities; None for the ends of all schedules.
        seed: Seed of the training; None for the mean over all seeds.

    Raises:
        EvaluationError: If the table does not have `dataset`, `schedule` or `seed`.
    """
    with open_npz(path, _REMEDY) as table:
        places = [key.removesuffix("/seeds") for key in table if key.endswith("/seeds")]
        there = sorted({place.split("/")[0] for place in places})
        if dataset not in there:
            raise EvaluationError(no_dataset(dataset, there))
        schedules = tuple(
            sorted(int(place.split("/")[1]) for place in places if place.startswith(f"{dataset}/"))
        )
        if schedule is not None and schedule not in schedules:
            raise EvaluationError(no_epochs(schedule, schedules))
        trained: dict[int, dict[str, NDArray[Any]]] = {}
        for one in schedules if schedule is None else (schedule,):
            place = f"{dataset}/{one}"
            slots = [
                slot for slot, there in enumerate(table[f"{place}/seeds"].tolist()) if seed in (None, there)
            ]
            if not slots:
                continue
            chosen = {metric: table[f"{place}/{metric}"][:, slots] for metric in TRAINED}  # (N, S', E)
            epochs = table[f"{place}/epochs"].tolist()
            for i in range(len(epochs) - 1 if schedule is None else 0, len(epochs)):
                trained[epochs[i]] = {
                    metric: mean
                    for metric, values in chosen.items()
                    if not np.isnan(mean := mean_of_known(values[:, :, i].T)).all()
                }
        if not trained:
            seeds = sorted(
                {
                    there
                    for place in places
                    if place.startswith(f"{dataset}/")
                    for there in table[f"{place}/seeds"].tolist()
                }
            )
            msg = (
                f"The table has trainings on '{dataset}' with the seeds {seeds}, got seed={seed}. "
                "Name one of these, or pass None for their mean."
            )
            raise EvaluationError(msg)
        fixed = {
            metric: table[f"{dataset}/{metric}"]
            for metric in COSTS
            if not np.isnan(table[f"{dataset}/{metric}"]).all()
        }
        return table["choices"], ColumnRecords(trained, fixed)


def no_dataset(asked: str, there: list[str]) -> str:
    """Return the error message for an unknown data set."""
    return f"The table has the data sets {there}, got {asked!r}. Name one of these as dataset=."
