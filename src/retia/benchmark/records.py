"""The numbers of a table, by row, epochs and metric."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retia.errors import EvaluationError

__all__ = ["ColumnRecords", "Contents", "JoinedRecords", "Records"]


@dataclass(frozen=True)
class Contents:
    """The names of a table's metrics.

    Args:
        trained: Metrics that need training, by the number of epochs.
        costs: Metrics that need no training.
    """

    trained: Mapping[int, tuple[str, ...]]
    costs: tuple[str, ...]

    @property
    def epochs(self) -> tuple[int, ...]:
        """The numbers of epochs with results, in ascending order."""
        return tuple(sorted(self.trained))

    def metrics(self, epochs: float, needed: str | None = None) -> tuple[str, ...]:
        """Return the names of all metrics after `epochs` epochs.

        Raises:
            EvaluationError: If the table has no results after `epochs` epochs, or no metric `needed`.
        """
        if epochs not in self.trained:
            raise EvaluationError(no_epochs(epochs, self.epochs))
        names = (*self.trained[int(epochs)], *self.costs)
        if needed is not None and needed not in names:
            msg = f"The table has the metrics {list(names)}, got {needed!r}. Name one of these."
            raise EvaluationError(msg)
        return names


class Records(Protocol):
    """The numbers of a table, by row.

    Laws: `at` returns finite numbers only and omits unknown metrics; `column` holds NaN there; a cost is the
    same at all epochs.
    """

    @property
    def contents(self) -> Contents:
        """The epochs and the names of the metrics."""
        ...

    def at(self, row: int, epochs: float) -> dict[str, float]:
        """Return the known metrics of a row after `epochs` epochs."""
        ...

    def column(self, metric: str, epochs: float) -> NDArray[Any]:
        """Return a metric of all N rows, shape (N,)."""
        ...


@dataclass(frozen=True, eq=False)
class ColumnRecords:
    """Records in memory, with a column of shape (N,) for each metric.

    Args:
        trained: Columns of the metrics that need training, by the number of epochs and the metric.
        fixed: Columns of the metrics that need no training.
    """

    trained: Mapping[int, Mapping[str, NDArray[Any]]]
    fixed: Mapping[str, NDArray[Any]]

    @property
    def contents(self) -> Contents:
        """The epochs and the names of the metrics."""
        return Contents({epochs: tuple(one) for epochs, one in self.trained.items()}, tuple(self.fixed))

    def at(self, row: int, epochs: float) -> dict[str, float]:
        """Return the known metrics of a row after `epochs` epochs."""
        getters = self._getters.get(epochs)
        if getters is None:
            raise EvaluationError(no_epochs(epochs, self.contents.epochs))
        # NaN is unequal to itself.
        return {name: value for name, item in getters if (value := item(row)) == value}

    def column(self, metric: str, epochs: float) -> NDArray[Any]:
        """Return a metric of all rows, shape (N,)."""
        if metric not in self.fixed:
            self.contents.metrics(epochs, metric)
            return self.trained[int(epochs)][metric]
        return self.fixed[metric]

    @cached_property
    def _getters(self) -> dict[float, tuple[tuple[str, Callable[[int], float]], ...]]:
        # The bound method `item` is the fastest way to read one number as a Python float.
        return {
            epochs: tuple((name, column.item) for name, column in {**columns, **self.fixed}.items())
            for epochs, columns in self.trained.items()
        }

    def __getstate__(self) -> dict[str, Any]:
        return {"trained": self.trained, "fixed": self.fixed}


@dataclass(frozen=True, eq=False)
class JoinedRecords:
    """Records with further costs, such as measured latencies.

    Args:
        records: The records.
        fixed: Columns of the further metrics, each of shape (N,).
    """

    records: Records
    fixed: Mapping[str, NDArray[Any]]

    @property
    def contents(self) -> Contents:
        """The epochs and the names of the metrics."""
        contents = self.records.contents
        return Contents(contents.trained, (*contents.costs, *self.fixed))

    def at(self, row: int, epochs: float) -> dict[str, float]:
        """Return the known metrics of a row after `epochs` epochs."""
        metrics = self.records.at(row, epochs)
        for name, column in self.fixed.items():
            if not np.isnan(value := column.item(row)):
                metrics[name] = value
        return metrics

    def column(self, metric: str, epochs: float) -> NDArray[Any]:
        """Return a metric of all rows, shape (N,)."""
        return self.fixed[metric] if metric in self.fixed else self.records.column(metric, epochs)


def no_epochs(asked: float, there: tuple[int, ...]) -> str:
    """Return the error message for a number of epochs without results."""
    first, last = min(there, default=0), max(there, default=0)
    consecutive = len(there) > 6 and last - first == len(there) - 1
    listed = f"{first} to {last}" if consecutive else ", ".join(map(str, there))
    return (
        f"The table has results after {listed} epochs, got {asked!r}. "
        "Take one of these as epochs= or as the fidelity."
    )
