"""The two spaces of NATS-Bench: cells of NAS-Bench-201, and widths of one network."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retia.benchmark.index import Grid
from retia.errors import EvaluationError
from retia.space import Categorical, SearchSpace, Value

__all__ = ["OPERATIONS", "SIZES", "TOPOLOGIES", "NatsSpace", "cell_costs"]

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The operations of an edge, with the names of the authors' tables."""


@dataclass(frozen=True)
class NatsSpace:
    """A space of NATS-Bench, and the notation of its architectures in the authors' files.

    Args:
        name: Name of the space in the authors' files.
        labels: The P labels.
        values: The values of every label.
        default: The value of the default architecture.
        pattern: Regular expression with a group for each of the P values.
    """

    name: str
    labels: tuple[str, ...]
    values: tuple[Value, ...]
    default: Value
    pattern: re.Pattern[str]

    @cached_property
    def space(self) -> SearchSpace:
        """The architectures."""
        return SearchSpace({label: Categorical(self.values, default=self.default) for label in self.labels})

    def index(self, choices: NDArray[np.int8]) -> Grid:
        """Return the index of rows from the positions of their values, shape (N, P)."""
        return Grid(self.labels, self.values, choices)

    def read(self, strings: Sequence[Any]) -> NDArray[np.int8]:
        """Parse architectures in the authors' notation into positions of values, shape (N, P).

        Raises:
            EvaluationError: If a string does not match the pattern, or has an unknown value.
        """
        places = {str(value): place for place, value in enumerate(self.values)}
        choices = np.empty((len(strings), len(self.labels)), np.int8)
        for row, string in enumerate(strings):
            match = self.pattern.fullmatch(string) if isinstance(string, str) else None
            if match is None or any(value not in places for value in match.groups()):
                msg = (
                    f"Row {row} of the table must be an architecture of the {self.name} space of "
                    f"NATS-Bench, got {string!r}. Open it as the table of the other space."
                )
                raise EvaluationError(msg)
            choices[row] = [places[value] for value in match.groups()]
        return choices


_OP = r"(\w+?)"
TOPOLOGIES = NatsSpace(
    "topology",
    tuple(f"edge/{edge}" for edge in ("1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2")),
    OPERATIONS,
    "nor_conv_3x3",
    re.compile(rf"\|{_OP}~0\|\+\|{_OP}~0\|{_OP}~1\|\+\|{_OP}~0\|{_OP}~1\|{_OP}~2\|"),
)
"""The cells of NAS-Bench-201, with the labels and values of `retia.hub.NasBench201`."""

SIZES = NatsSpace(
    "size",
    tuple(f"channels/{layer}" for layer in range(5)),
    tuple(range(8, 72, 8)),
    8,
    re.compile(":".join([r"(\d+)"] * 5)),
)
"""The widths of the five layers of one network: 8 to 64 channels each."""


def cell_costs(choices: NDArray[np.int8], classes: int, side: int) -> dict[str, NDArray[np.float64]]:
    """Return `params`, `macs` and `flops` of networks of NAS-Bench-201 cells, as `retia.cost` counts them.

    The numbers of the tables are rounded, and 150 of the 15,625 rows hold those of another cell.

    Args:
        choices: Positions of the operations, shape (N, 6).
        classes: Number of classes.
        side: Height and width of the images in pixels.
    """
    pointwise = (choices == OPERATIONS.index("nor_conv_1x1")).sum(1, dtype=np.int64)
    convolutions = (choices == OPERATIONS.index("nor_conv_3x3")).sum(1, dtype=np.int64)
    edges = pointwise + 9 * convolutions  # weights for each pair of channels
    params = 3 * 16 * 9 + 2 * 16 + 2 * 64 + 64 * classes + classes + 0 * edges
    macs = side**2 * 3 * 16 * 9 + 64 * classes + 0 * edges
    for channels, side_here in ((16, side), (32, side // 2), (64, side // 4)):
        params += 5 * (edges * channels**2 + (pointwise + convolutions) * 2 * channels)
        macs += 5 * side_here**2 * edges * channels**2
        if channels > 16:  # the residual block of stride 2 before the stage
            block = channels // 2 * channels * 9 + channels**2 * 9 + channels // 2 * channels
            params += block + 4 * channels
            macs += side_here**2 * block
    return {"params": params.astype(float), "macs": macs.astype(float), "flops": 2.0 * macs}
