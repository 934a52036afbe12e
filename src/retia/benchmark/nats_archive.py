"""The authors' files of NATS-Bench, with every architecture, data set, seed and epoch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retia.benchmark.files import reading
from retia.benchmark.records import Contents, no_epochs
from retia.benchmark.restricted_pickle import read_pickle
from retia.errors import EvaluationError

__all__ = ["COSTS", "TRAINED", "Archive", "ArchiveRecords", "datasets_of", "schedule_name", "test_set"]

TRAINED = ("valid_accuracy", "test_accuracy", "train_seconds")
"""The metrics that need training."""

COSTS = ("params", "macs", "flops", "latency_ms")
"""The metrics that need no training; the latency was measured on the authors' GPU."""

Result = Mapping[str, Any]  # one training in the authors' format


@dataclass(frozen=True)
class Archive:
    """The unpacked archive; its files are read on demand by the restricted reader of pickles.

    Args:
        path: Folder with `meta.pickle.pbz2` and a file for each architecture, or a single file with all.
    """

    path: Path

    @cached_property
    def strings(self) -> Sequence[str]:
        """The architectures in the authors' notation and order."""
        content = read_pickle(self.path / "meta.pickle.pbz2") if self.path.is_dir() else self._content
        if not isinstance(content, Mapping) or "meta_archs" not in content:
            msg = (
                f"{self.path} must contain the architectures of NATS-Bench under 'meta_archs'. "
                "Unpack the authors' archive, and give its path."
            )
            raise EvaluationError(msg)
        return list(content["meta_archs"])

    def rows(self) -> Sequence[int]:
        """Return the rows with results, in order."""
        if not self.path.is_dir():
            return sorted(self._content["arch2infos"])
        return sorted(int(file.name.split(".")[0]) for file in self.path.glob("[0-9]*.pickle.pbz2"))

    def results(self, row: int) -> Mapping[str, Any]:
        """Return the results of a row by training schedule ("12", "200"), in the authors' format.

        Raises:
            EvaluationError: If the archive has no results of `row`.
        """
        if not self.path.is_dir():
            if row in (infos := self._content["arch2infos"]):
                return infos[row]
        elif (file := self.path / f"{row:06d}.pickle.pbz2").exists():
            return read_pickle(file)
        msg = (
            f"{self.path} has no results of architecture {row}, {self.strings[row]!r}. "
            f"Unpack the complete archive of {len(self.strings):,} architectures."
        )
        raise EvaluationError(msg)

    @cached_property
    def _content(self) -> Mapping[str, Any]:
        return read_pickle(self.path)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}


@dataclass(frozen=True, eq=False)
class ArchiveRecords:
    """The records of an archive, read and cached one architecture at a time.

    Args:
        archive: The files.
        dataset: Name of the data set.
        schedules: Lengths of all training schedules in epochs.
        schedule: Length of the schedule whose epochs are the fidelities; None for the ends of all schedules.
        seed: Seed of the training; None for the mean over all seeds.
    """

    archive: Archive
    dataset: str
    schedules: tuple[int, ...]
    schedule: int | None = None
    seed: int | None = None
    _read: dict[int, dict[int, dict[str, float]]] = field(
        default_factory=dict[int, dict[int, dict[str, float]]], repr=False
    )

    @property
    def contents(self) -> Contents:
        """The epochs and the names of the metrics."""
        trained = tuple(name for name in TRAINED if name != "valid_accuracy" or self.dataset != "cifar10")
        epochs = self.schedules if self.schedule is None else range(1, self.schedule + 1)
        return Contents(dict.fromkeys(epochs, trained), COSTS)

    def at(self, row: int, epochs: float) -> dict[str, float]:
        """Return the known metrics of a row after `epochs` epochs."""
        known = self._read.get(row)
        if known is None:
            with reading(self.archive.path):
                known = self._read[row] = self._all(row)
        if epochs not in known:
            raise EvaluationError(no_epochs(epochs, self.contents.epochs))
        return dict(known[int(epochs)])

    def column(self, metric: str, epochs: float) -> NDArray[Any]:
        """Return a metric of all rows, shape (N,), from all files; a table by `compact` is faster."""
        self.contents.metrics(epochs, metric)
        column = np.full(len(self.archive.strings), np.nan)
        for row in self.archive.rows():
            column[row] = self.at(row, epochs).get(metric, math.nan)
        return column

    def _all(self, row: int) -> dict[int, dict[str, float]]:
        results = self.archive.results(row)
        known: dict[int, dict[str, float]] = {}
        for schedule in self.schedules if self.schedule is None else (self.schedule,):
            epochs = [schedule] if self.schedule is None else list(self.contents.epochs)
            there = trainings_of(results, schedule, self.dataset)
            trainings = [training for seed, training in there.items() if self.seed in (None, seed)]
            curves = [curves_of(training, self.dataset, epochs) for training in trainings]
            means = (
                {metric: mean_of_known(np.array([curve[metric] for curve in curves])) for metric in TRAINED}
                if curves
                else {}
            )
            costs = costs_of(next(iter(there.values()))) if there else {}
            for i, at in enumerate(epochs):
                trained = {
                    metric: float(mean[i]) for metric, mean in means.items() if not math.isnan(mean[i])
                }
                known[at] = {**trained, **costs}
        return known

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_read": {}}


def trainings_of(results: Mapping[str, Any], schedule: int, dataset: str) -> dict[int, Result]:
    """Return the trainings of a row on a data set, by seed."""
    info = results.get(schedule_name(schedule))
    if info is None:
        return {}
    return {seed: info["all_results"][dataset, seed] for seed in info["dataset_seed"].get(dataset, ())}


def schedule_name(epochs: int) -> str:
    """Return the authors' name of a schedule: the number of epochs, with at least two digits."""
    return f"{epochs:02d}"


def datasets_of(results: Mapping[str, Any]) -> list[str]:
    """Return the data sets of a row's trainings, in the authors' order."""
    return list(dict.fromkeys(dataset for info in results.values() for dataset in info["dataset_seed"]))


def test_set(dataset: str) -> str:
    """Return the authors' name of the test split of a data set."""
    return "ori-test" if dataset.startswith("cifar10") and dataset != "cifar100" else "x-test"


def curves_of(training: Result, dataset: str, epochs: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """Return the results of one training after each of E epochs, (E,) by metric; NaN if not recorded.

    As in the authors' code, the seconds are those of all epochs and of one validation after the last.
    """
    accuracies, seconds = training["eval_acc1es"], training["eval_times"]
    spent = np.cumsum([training["train_times"][epoch] for epoch in range(max(epochs))])
    test = test_set(dataset)
    return {
        "valid_accuracy": np.array([accuracies.get(f"x-valid@{epoch - 1}", math.nan) for epoch in epochs]),
        "test_accuracy": np.array([accuracies.get(f"{test}@{epoch - 1}", math.nan) for epoch in epochs]),
        "train_seconds": np.array(
            [spent[epoch - 1] + seconds.get(f"x-valid@{epoch - 1}", 0.0) for epoch in epochs]
        ),
    }


def costs_of(training: Result) -> dict[str, float]:
    """Return the costs of the network."""
    macs = float(round(float(training["flop"]) * 1e6))
    costs = {"params": float(round(float(training["params"]) * 1e6)), "macs": macs, "flops": 2 * macs}
    return (
        {**costs, "latency_ms": 1e3 * float(np.mean(training["latency"]))} if training["latency"] else costs
    )


def mean_of_known(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean over the first axis without NaNs; NaN if all values are NaN."""
    known = ~np.isnan(values)
    count = known.sum(0)
    total = np.where(known, values, 0.0).sum(0, dtype=np.float64)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
