"""What a table holds: numbers by architecture, epochs and metric."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retia.errors import EvaluationError

__all__ = ["Columns", "Joined", "Records"]

Getter = tuple[str, Callable[[int], float]]  # a metric, and what reads it from a row


class Records(Protocol):
    """The numbers of a table, by row.

    Laws: `at` returns finite numbers only, and leaves out what is not known of a row; `column` holds NaN
    there instead; a metric of `costs` is the same at all epochs, and known before training.
    """

    @property
    def epochs(self) -> tuple[int, ...]:
        """After how many epochs there are results, in ascending order."""
        ...

    @property
    def costs(self) -> tuple[str, ...]:
        """The names of the metrics that need no training."""
        ...

    def metrics(self, epochs: float) -> tuple[str, ...]:
        """Return the names of all metrics after so many epochs."""
        ...

    def at(self, row: int, epochs: float) -> dict[str, float]:
        """Return what is known of a row after so many epochs."""
        ...

    def column(self, metric: str, epochs: float) -> NDArray[Any]:
        """Return a metric of all N rows, shape (N,)."""
        ...


@dataclass(frozen=True, eq=False)
class Columns:
    """Records in memory, a column of shape (N,) for each metric.

    Args:
        trained: By the number of epochs: what training gave, by metric.
        fixed: What needs no training, by metric.
    """

    trained: Mapping[int, Mapping[str, NDArray[Any]]]
    fixed: Mapping[str, NDArray[Any]]

    @property
    def epochs(self) -> tuple[int, ...]:
        """After how many epochs there are results."""
        return tuple(sorted(self.trained))

    @property
    def costs(self) -> tuple[str, ...]:
        """The names of the metrics that need no training."""
        return tuple(self.fixed)

    def metrics(self, epochs: float) -> tuple[str, ...]:
        """Return the names of all metrics after so many epochs."""
        return tuple(name for name, _ in self._getters_at(epochs))

    def at(self, row: int, epochs: float) -> dict[str, float]:
        """Return what is known of a row after so many epochs."""
        return {
            name: value for name, item in self._getters_at(epochs) if (value := item(row)) == value
        }  # NaN is unequal to itself

    def column(self, metric: str, epochs: float) -> NDArray[Any]:
        """Return a metric of all rows, shape (N,)."""
        if metric in self.fixed:
            return self.fixed[metric]
        if metric not in self.metrics(epochs):
            raise EvaluationError(no_metric(metric, self.metrics(epochs)))
        return self.trained[int(epochs)][metric]

    def _getters_at(self, epochs: float) -> tuple[Getter, ...]:
        getters = self._getters.get(epochs)
        if getters is None:
            raise EvaluationError(no_epochs(epochs, self.epochs))
        return getters

    @cached_property
    def _getters(self) -> dict[float, tuple[Getter, ...]]:
        # The bound method `item` makes a Python float of one number: the quickest way to read it.
        return {
            epochs: tuple((name, column.item) for name, column in {**columns, **self.fixed}.items())
            for epochs, columns in self.trained.items()
        }

    def __getstate__(self) -> dict[str, Any]:
        return {"trained": self.trained, "fixed": self.fixed}


@dataclass(frozen=True, eq=False)
class Joined:
    """Records with further columns of numbers that need no training, such as measured latencies.

    Args:
        records: The records.
        fixed: The further metrics, each of shape (N,).
    """

    records: Records
    fixed: Mapping[str, NDArray[Any]]

    @property
    def epochs(self) -> tuple[int, ...]:
        """After how many epochs there are results."""
        return self.records.epochs

    @property
    def costs(self) -> tuple[str, ...]:
        """The names of the metrics that need no training."""
        return (*self.records.costs, *self.fixed)

    def metrics(self, epochs: float) -> tuple[str, ...]:
        """Return the names of all metrics after so many epochs."""
        return (*self.records.metrics(epochs), *self.fixed)

    def at(self, row: int, epochs: float) -> dict[str, float]:
        """Return what is known of a row after so many epochs."""
        metrics = self.records.at(row, epochs)
        for name, column in self.fixed.items():
            if not np.isnan(value := column.item(row)):
                metrics[name] = value
        return metrics

    def column(self, metric: str, epochs: float) -> NDArray[Any]:
        """Return a metric of all rows, shape (N,)."""
        return self.fixed[metric] if metric in self.fixed else self.records.column(metric, epochs)


def no_epochs(asked: float, there: tuple[int, ...]) -> str:
    """Say that the table has no results after so many epochs."""
    return (
        f"The table has results after {_listed(there)} epochs, got {asked!r}. "
        "Take one of these as epochs= or as the fidelity."
    )


def no_metric(asked: str, there: tuple[str, ...]) -> str:
    """Say that the table has no such metric."""
    return f"The table has the metrics {list(there)}, got {asked!r}. Name one of these."


def _listed(numbers: tuple[int, ...]) -> str:
    if len(numbers) > 6 and numbers == tuple(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))
