"""A tabular benchmark: a space, and an evaluator that reads a table of results."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retia.benchmark.front import front_rows
from retia.benchmark.index import Index
from retia.benchmark.records import JoinedRecords, Records
from retia.errors import EvaluationError
from retia.space import Architecture, SearchSpace, Value
from retia.trial import Capabilities, Objective, Run, objectives_from

__all__ = ["Benchmark", "Entry", "TableCosts", "TableEvaluator"]

OBJECTIVES = ("valid_accuracy", "accuracy", "test_accuracy")
"""The default objective is the first of these that a table has, else its first metric that needs training."""


@dataclass(frozen=True)
class Entry:
    """A row of a table: an architecture and its metrics."""

    architecture: Architecture
    metrics: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A space of architectures that were trained before, and the result of each.

    Accuracies are in percent. `train_seconds` is the duration of the training, and of one validation where
    its duration is known. `macs` are multiply-adds; `flops` are twice as many. Unknown metrics are omitted.

    Args:
        name: Name of the benchmark.
        space: The architectures.
        index: Row of each architecture.
        records: Numbers of the table.
        epochs: Number of training epochs of a query without a fidelity.
        settings: Further arguments with which the table was opened, such as the data set, as JSON.
        reference: The paper.
        continues: Whether a longer training continues a shorter one. False if every number of epochs has its
            own learning-rate schedule, so that a longer training starts from scratch.

    Raises:
        EvaluationError: If the table has no results after `epochs` epochs, or only costs.
    """

    name: str
    space: SearchSpace
    index: Index
    records: Records
    epochs: int
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    reference: str = ""
    continues: bool = True

    def __post_init__(self) -> None:
        if set(self.metrics) <= set(self.costs):
            msg = (
                f"'{self.name}' needs a metric that requires training after {self.epochs} epochs, "
                f"got {list(self.metrics)}. Add an accuracy, or take other epochs."
            )
            raise EvaluationError(msg)

    @property
    def evaluator(self) -> "TableEvaluator":
        """The evaluator for a search: it reads the metrics after as many epochs as the trial's fidelity."""
        return TableEvaluator(self)

    @property
    def fidelities(self) -> tuple[int, ...]:
        """The numbers of epochs with results, in ascending order."""
        return self.records.contents.epochs

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of all metrics."""
        return self.records.contents.metrics(self.epochs)

    @property
    def costs(self) -> tuple[str, ...]:
        """The names of the metrics that need no training."""
        return self.records.contents.costs

    @cached_property
    def objective(self) -> str:
        """The metric that a search maximizes: the validation accuracy if the table has it."""
        return next(
            name for name in (*OBJECTIVES, *self.metrics) if name in self.metrics and name not in self.costs
        )

    def query(self, architecture: Mapping[str, Value], epochs: float | None = None) -> dict[str, float]:
        """Return the metrics of an architecture.

        Raises:
            ArchitectureError: If the table does not contain `architecture`.
            EvaluationError: If the table has no results of `architecture` after `epochs` epochs.
        """
        trained = self.epochs if epochs is None else epochs
        metrics = self.records.at(self.index.row(architecture), trained)
        if self.objective not in metrics:
            msg = (
                f"'{self.name}' has no '{self.objective}' of {dict(architecture)} after {trained:g} epochs "
                f"with {dict(self.settings)}. Pass seed=None for the mean over seeds, or take one "
                "that was trained."
            )
            raise EvaluationError(msg)
        return metrics

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.index)

    def entries(self) -> Iterator[Entry]:
        """Yield all rows in the order of the table."""
        for row in range(len(self)):
            yield self[row]

    def __getitem__(self, row: int) -> Entry:
        return Entry(self.index.architecture(row), self.records.at(row, self.epochs))

    def column(self, metric: str, epochs: float | None = None) -> NDArray[np.float64]:
        """Return a metric of all rows in the order of the table, shape (N,); NaN where it is unknown.

        Raises:
            EvaluationError: If the table has no `metric`, or no results after `epochs` epochs.
        """
        return self.records.column(metric, self.epochs if epochs is None else epochs).astype(np.float64)

    def best(self, metric: str | None = None, *, minimize: bool = False) -> Entry:
        """Return the row with the best value of a metric; the first one of equal rows.

        Args:
            metric: Name of the metric. Default: the benchmark's objective.
            minimize: Whether less is better, as for a latency.

        Raises:
            EvaluationError: If the table has no `metric`.
        """
        column = self.column(metric or self.objective)
        return self[int(np.nanargmin(column) if minimize else np.nanargmax(column))]

    def optimum(self, metric: str | None = None, *, minimize: bool = False) -> float:
        """Return the best value of a metric, against which the regret is measured."""
        metric = metric or self.objective
        return self.best(metric, minimize=minimize).metrics[metric]

    def front(
        self, *, maximize: str | Sequence[str] | None = None, minimize: str | Sequence[str] | None = None
    ) -> list[Entry]:
        """Return the nondominated rows, sorted by the first objective, best first.

        Of several equal rows the first one is returned.

        Args:
            maximize: Metrics to maximize.
            minimize: Metrics to minimize.

        Raises:
            EvaluationError: If the table does not have one of the metrics.
            StudyError: If neither `maximize` nor `minimize` names a metric.
        """
        return [self[row] for row in front_rows(self.losses(objectives_from(maximize, minimize))).tolist()]

    def losses(self, objectives: Sequence[Objective]) -> NDArray[np.float64]:
        """Return the losses of all rows, shape (N, M): less is better, NaN if unknown."""
        columns = [self.column(one.metric) * (1 if one.direction == "minimize" else -1) for one in objectives]
        return np.stack(columns, axis=1)

    def join(self, fixed: Mapping[str, NDArray[Any]]) -> "Benchmark":
        """Return the benchmark with further costs.

        Args:
            fixed: Columns of shape (N,) in the order of the table, by metric.

        Raises:
            EvaluationError: If the table has one of the metrics already, or a column is not of shape (N,).
        """
        for name, column in fixed.items():
            if name in self.metrics:
                msg = f"'{self.name}' has a metric '{name}' already. Join the column under another name."
                raise EvaluationError(msg)
            if column.shape != (len(self),):
                msg = (
                    f"'{name}' must have one number for each of the {len(self):,} rows of '{self.name}', "
                    f"got the shape {column.shape}. Sort the column like the table."
                )
                raise EvaluationError(msg)
        return replace(self, records=JoinedRecords(self.records, fixed))

    def with_latency(self, *devices: str, path: str | None = None) -> "Benchmark":
        """Return the benchmark with the measured latency on each device, such as `raspi4_latency_ms`.

        Args:
            devices: Names of the devices. Default: all devices in the table of latencies.
            path: Path of the table of latencies. Default: searched for in the folder RETIA_BENCHMARKS.

        Raises:
            EvaluationError: If the table of latencies is missing, or does not have one of the devices.
        """
        from retia.benchmark.latency import device_latencies

        return self.join(device_latencies(self.index, devices, path))

    def describe(self) -> dict[str, Any]:
        """Return a summary of the benchmark as JSON."""
        return {
            **self.identity(),
            "architectures": len(self),
            "fidelities": list(self.fidelities),
            "metrics": list(self.metrics),
            "objective": self.objective,
            "optimum": self.optimum(),
            "reference": self.reference,
        }

    def identity(self) -> dict[str, Any]:
        """Return what identifies the benchmark, as JSON, without reading the table."""
        return {"benchmark": self.name, **self.settings, "epochs": self.epochs}

    def __repr__(self) -> str:
        settings = "".join(f", {name}={value!r}" for name, value in self.settings.items())
        return f"<Benchmark '{self.name}'{settings}, epochs={self.epochs}: {len(self):,} architectures>"


@dataclass(frozen=True)
class TableEvaluator:
    """Evaluator that reads metrics from a table; a trial's fidelity is the number of epochs."""

    benchmark: Benchmark

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Return the metrics."""
        return self.benchmark.query(architecture, run.fidelity)

    def capabilities(self) -> Capabilities:
        """Return the metrics, costs and epochs of the table."""
        return Capabilities(
            metrics=self.benchmark.metrics,
            costs=TableCosts(self.benchmark),
            full_fidelity=self.benchmark.epochs,
            settings=lambda: {"type": "TableEvaluator", **self.benchmark.identity()},
        )


@dataclass(frozen=True)
class TableCosts:
    """Evaluator of the metrics that need no training, so that a constraint on them uses no trial."""

    benchmark: Benchmark

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics."""
        return self.benchmark.costs

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Return the costs."""
        known = self.benchmark.records.at(self.benchmark.index.row(architecture), self.benchmark.epochs)
        return {name: known[name] for name in self.metrics if name in known}
