"""The row of an architecture in a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retia.errors import ArchitectureError
from retia.space import Architecture, Value

__all__ = ["Grid", "Index", "Listing"]


class Index(Protocol):
    """The rows of a table. Law: `row(architecture(i)) == i`."""

    def __len__(self) -> int:
        """The number of rows."""
        ...

    def row(self, architecture: Mapping[str, Value]) -> int:
        """Return the row of an architecture; raise `ArchitectureError` if the table does not contain it."""
        ...

    def architecture(self, row: int) -> Architecture:
        """Return the architecture of a row."""
        ...


@dataclass(frozen=True, eq=False)
class Grid:
    """The index of architectures whose P labels all take one of the same V values.

    Args:
        labels: The P labels.
        values: The V values.
        choices: Positions of the values of each row, integers of shape (N, P).
    """

    labels: tuple[str, ...]
    values: tuple[Value, ...]
    choices: NDArray[Any]

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.choices)

    def row(self, architecture: Mapping[str, Value]) -> int:
        """Return the row of an architecture.

        Raises:
            ArchitectureError: If a label is missing or unknown, a value is not one of `values`, or the table
                does not contain the architecture.
        """
        code, base, digits = 0, len(self.values), self._digits
        try:
            for label in self.labels:
                code = code * base + digits[architecture[label]]
        except (KeyError, TypeError):
            raise ArchitectureError(self._invalid(architecture)) from None
        if len(architecture) != len(self.labels):
            msg = (
                f"The table has the labels {list(self.labels)}, got {dict(architecture)}. "
                "Take the architecture from the benchmark's space."
            )
            raise ArchitectureError(msg)
        row = self._rows.item(code)
        if row < 0:
            msg = (
                f"The table contains {len(self):,} of the {base ** len(self.labels):,} architectures, "
                f"but not {dict(architecture)}. Use the complete table."
            )
            raise ArchitectureError(msg)
        return row

    def architecture(self, row: int) -> Architecture:
        """Return the architecture of a row."""
        return Architecture(
            {
                label: self.values[choice]
                for label, choice in zip(self.labels, self.choices[row].tolist(), strict=True)
            }
        )

    def rows(self, choices: NDArray[Any]) -> NDArray[np.int32]:
        """Return the rows of choices, (M, P) to (M,); -1 if the table does not contain them."""
        return self._rows[self._codes(choices)]

    @cached_property
    def _digits(self) -> dict[Value, int]:
        return {value: digit for digit, value in enumerate(self.values)}

    @cached_property
    def _rows(self) -> NDArray[np.int32]:
        """The row of each code (choices as digits) or -1, shape (V^P,)."""
        rows = np.full(len(self.values) ** len(self.labels), -1, np.int32)
        rows[self._codes(self.choices)] = np.arange(len(self))
        return rows

    def _codes(self, choices: NDArray[Any]) -> NDArray[np.int64]:
        return choices.astype(np.int64) @ len(self.values) ** np.arange(len(self.labels) - 1, -1, -1)

    def _invalid(self, architecture: Mapping[str, Value]) -> str:
        label = next(
            label
            for label in self.labels
            if label not in architecture or architecture[label] not in self.values
        )
        found = repr(architecture[label]) if label in architecture else "nothing"
        return (
            f"'{label}' takes one of {list(self.values)}, got {found}. Take the architecture from the "
            "benchmark's space."
        )


@dataclass(frozen=True, eq=False)
class Listing:
    """The index of a list of architectures, of any space.

    Args:
        architectures: The distinct architectures.
    """

    architectures: tuple[Architecture, ...]

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.architectures)

    def row(self, architecture: Mapping[str, Value]) -> int:
        """Return the row of an architecture.

        Raises:
            ArchitectureError: If the table does not contain the architecture.
        """
        row = self._rows.get(
            architecture if isinstance(architecture, Architecture) else Architecture(architecture)
        )
        if row is None:
            msg = (
                f"The table contains {len(self):,} architectures, but not {dict(architecture)}. "
                "Take the architecture from the benchmark's space."
            )
            raise ArchitectureError(msg)
        return row

    def architecture(self, row: int) -> Architecture:
        """Return the architecture of a row."""
        return self.architectures[row]

    def lists(self, architecture: Architecture) -> bool:
        """Whether the table contains the architecture."""
        return architecture in self._rows

    @cached_property
    def _rows(self) -> dict[Architecture, int]:
        return {architecture: row for row, architecture in enumerate(self.architectures)}

    def __getstate__(self) -> dict[str, Any]:
        return {"architectures": self.architectures}
