"""A tabular benchmark: a space, and an evaluator that looks the answer up."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retia.benchmark.front import front_rows
from retia.benchmark.index import Index
from retia.benchmark.records import Joined, Records, no_epochs
from retia.errors import EvaluationError
from retia.space import Architecture, SearchSpace, Value
from retia.trial import Capabilities, Objective, Run, objectives_from

__all__ = ["Benchmark", "Entry", "TableCosts", "TableEvaluator"]

OBJECTIVES = ("valid_accuracy", "accuracy", "test_accuracy")
"""What a search maximizes: the first of these that a table has, or else the first metric that needs
training.
"""


@dataclass(frozen=True)
class Entry:
    """A row of a table: an architecture and its metrics."""

    architecture: Architecture
    metrics: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Benchmark:
    """Architectures that somebody has trained: the space of them, and what came of each.

    Accuracies are in percent; `train_seconds` is what the training took, with one validation after it where
    its time is known; `macs` are multiply-adds and `flops` twice as many. What is not known of an
    architecture is left out.

    Args:
        name: What it is called.
        space: The architectures.
        index: Which row each of them is.
        records: What the table holds.
        epochs: How long a query trains if it doesn't say.
        settings: What else the table was opened with, such as the data set, as JSON.
        reference: The paper.
        continues: Whether a longer training goes on where a shorter one has ended. False where every number
            of epochs has a schedule of its own, so that what is trained for longer starts again.
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
        if self.epochs not in self.records.epochs:
            raise EvaluationError(no_epochs(self.epochs, self.records.epochs))
        if set(self.metrics) <= set(self.costs):
            msg = (
                f"'{self.name}' needs a metric that training gives after {self.epochs} epochs, "
                f"got {list(self.metrics)}. Add an accuracy, or take other epochs."
            )
            raise EvaluationError(msg)

    @property
    def evaluator(self) -> "TableEvaluator":
        """What a search takes: it looks the metrics up, after as many epochs as the trial's fidelity says."""
        return TableEvaluator(self)

    @property
    def fidelities(self) -> tuple[int, ...]:
        """After how many epochs there are results."""
        return self.records.epochs

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of all metrics."""
        return self.records.metrics(self.epochs)

    @property
    def costs(self) -> tuple[str, ...]:
        """The names of the metrics that need no training."""
        return self.records.costs

    @cached_property
    def objective(self) -> str:
        """The metric that a search maximizes: the validation accuracy, or the test accuracy of a table
        without.
        """
        return next(
            name for name in (*OBJECTIVES, *self.metrics) if name in self.metrics and name not in self.costs
        )

    def query(self, architecture: Mapping[str, Value], epochs: float | None = None) -> dict[str, float]:
        """Return the metrics of an architecture.

        Raises:
            ArchitectureError: If the table has no such architecture.
            EvaluationError: If it has no results after so many epochs, of any or of this architecture.
        """
        trained = self.epochs if epochs is None else epochs
        metrics = self.records.at(self.index.row(architecture), trained)
        if self.objective not in metrics:
            msg = (
                f"'{self.name}' has no '{self.objective}' of {dict(architecture)} after {trained:g} epochs "
                f"with {dict(self.settings)}. "
                "Take the mean over seeds (seed=None) if one was asked for, "
                "or an architecture that was trained."
            )
            raise EvaluationError(msg)
        return metrics

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.index)

    def entries(self) -> Iterator[Entry]:
        """Yield all rows, in the table's order."""
        for row in range(len(self)):
            yield self[row]

    def __getitem__(self, row: int) -> Entry:
        return Entry(self.index.architecture(row), self.records.at(row, self.epochs))

    def column(self, metric: str, epochs: float | None = None) -> NDArray[np.float64]:
        """Return a metric of all rows in the table's order, shape (N,); NaN where it is not known.

        Raises:
            EvaluationError: If there is no such metric, or nothing after so many epochs.
        """
        return self.records.column(metric, self.epochs if epochs is None else epochs).astype(np.float64)

    def best(self, metric: str | None = None, *, minimize: bool = False) -> Entry:
        """Return the row with the greatest value of a metric, or the least; the first of equals.

        Args:
            metric: Which; the benchmark's objective if not given.
            minimize: Whether less is better, as with a latency.

        Raises:
            EvaluationError: If there is no such metric.
        """
        column = self.column(metric or self.objective)
        return self[int(np.nanargmin(column) if minimize else np.nanargmax(column))]

    def optimum(self, metric: str | None = None, *, minimize: bool = False) -> float:
        """Return the best value of a metric, from which regret counts."""
        metric = metric or self.objective
        return self.best(metric, minimize=minimize).metrics[metric]

    def front(
        self, *, maximize: str | Sequence[str] | None = None, minimize: str | Sequence[str] | None = None
    ) -> list[Entry]:
        """Return the rows that no other dominates, of equal ones the first; in the order of the first
        objective, best first.

        Args:
            maximize: The metrics of which more is better.
            minimize: The metrics of which less is better.

        Raises:
            EvaluationError: If there is no such metric.
            StudyError: If none is named.
        """
        return [self[row] for row in front_rows(self.losses(objectives_from(maximize, minimize))).tolist()]

    def losses(self, objectives: Sequence[Objective]) -> NDArray[np.float64]:
        """Return the objectives of all rows (N, M), turned so that less is better; NaN where one is not
        known.
        """
        columns = [self.column(one.metric) * (1 if one.direction == "minimize" else -1) for one in objectives]
        return np.stack(columns, axis=1)

    def join(self, fixed: Mapping[str, NDArray[Any]]) -> "Benchmark":
        """Return the benchmark with further metrics that need no training, each of shape (N,) in the table's
        order.

        Raises:
            EvaluationError: If a metric is there already, or has another number of rows.
        """
        for name, column in fixed.items():
            if name in self.metrics:
                msg = f"'{self.name}' has a metric '{name}' already. Join it under another name."
                raise EvaluationError(msg)
            if column.shape != (len(self),):
                msg = (
                    f"'{name}' must have one number for each of the {len(self):,} rows of '{self.name}', "
                    f"got the shape {column.shape}. Put it in their order."
                )
                raise EvaluationError(msg)
        return replace(self, records=Joined(self.records, fixed))

    def with_latency(self, *devices: str, path: str | None = None) -> "Benchmark":
        """Return the benchmark with a measured latency on each of some devices, as `raspi4_latency_ms` and
        the like.

        Args:
            devices: Which; all that the table of latencies has if none is given.
            path: The table of latencies; looked for in the folder RETIA_BENCHMARKS if not given.

        Raises:
            EvaluationError: If there is no table, or it has no such device.
        """
        from retia.benchmark.latency import device_latencies

        return self.join(device_latencies(self.index, devices, path))

    def describe(self) -> dict[str, Any]:
        """Return what the benchmark is, as JSON."""
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
        """Return what tells it from other benchmarks, as JSON; reads nothing of the table."""
        return {"benchmark": self.name, **self.settings, "epochs": self.epochs}

    def __repr__(self) -> str:
        settings = "".join(f", {name}={value!r}" for name, value in self.settings.items())
        return f"<Benchmark '{self.name}'{settings}, epochs={self.epochs}: {len(self):,} architectures>"


@dataclass(frozen=True)
class TableEvaluator:
    """Looks the metrics of an architecture up; the fidelity of the trial is the number of epochs."""

    benchmark: Benchmark

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Return the metrics."""
        return self.benchmark.query(architecture, run.fidelity)

    def capabilities(self) -> Capabilities:
        """Return what the table knows: metrics, costs and epochs."""
        return Capabilities(
            metrics=self.benchmark.metrics,
            costs=TableCosts(self.benchmark),
            full_fidelity=self.benchmark.epochs,
            settings=lambda: {"type": "TableEvaluator", **self.benchmark.identity()},
        )


@dataclass(frozen=True)
class TableCosts:
    """Looks up what is known of an architecture before training, so that bounds on it cost no trial."""

    benchmark: Benchmark

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics."""
        return self.benchmark.costs

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Return the costs."""
        known = self.benchmark.records.at(self.benchmark.index.row(architecture), self.benchmark.epochs)
        return {name: known[name] for name in self.metrics if name in known}
