"""Measured latencies of whole networks, to join to a benchmark."""

import os
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from retia.benchmark.cells import OPERATIONS, TOPOLOGIES
from retia.benchmark.files import Download, locate
from retia.benchmark.index import Grid, Index
from retia.benchmark.npz import open_npz
from retia.errors import EvaluationError

__all__ = ["device_latencies"]

_DOWNLOAD = Download(
    "latencies of NAS-Bench-201",
    ("nasbench201_latency.npz", "help_latency/nb201_latency_5dev.npz", "nb201_latency_5dev.npz"),
    "https://github.com/HayeonLee/HELP (MIT) has the measurements; write an npz file with `ops` (15,625, 6), "
    f"the positions of the operations in {list(OPERATIONS)}, and an array (15,625,) in ms for each device",
)


def device_latencies(
    index: Index, devices: Sequence[str], path: str | os.PathLike[str] | None = None
) -> dict[str, NDArray[Any]]:
    """Return latencies of NAS-Bench-201 cells in ms, by names such as `raspi4_latency_ms`.

    Args:
        index: The architectures, in the order of the result.
        devices: Names of the devices. If empty, all devices of the table.
        path: Path of the table. Default: searched for in the folder RETIA_BENCHMARKS.

    Raises:
        EvaluationError: If the architectures are not cells of NAS-Bench-201, or the table is missing, or
            lacks a device or an architecture.

    Reference:
        Lee et al., HELP: Hardware-Adaptive Efficient Latency Prediction for NAS via Meta-Learning, NeurIPS
        2021; pixel3, raspi4 and eyeriss: Li et al., HW-NAS-Bench: Hardware-Aware Neural Architecture Search
        Benchmark, ICLR 2021.
    """
    if not isinstance(index, Grid) or index.labels != TOPOLOGIES.labels:
        msg = (
            "Tables of latencies exist only for the cells of NAS-Bench-201, and this benchmark has other "
            "architectures. Add your own latencies with benchmark.join({name: column})."
        )
        raise EvaluationError(msg)
    file = locate(_DOWNLOAD, path)
    with open_npz(file, "Download the table of latencies again.") as table:
        if "ops" not in table or table["ops"].shape[1:] != (len(TOPOLOGIES.labels),):
            msg = (
                f"{file} must contain the cells of NAS-Bench-201 as 'ops', of shape (15,625, 6). "
                f"{_DOWNLOAD.source}."
            )
            raise EvaluationError(msg)
        there = [name for name in table if name != "ops"]
        if missing := [device for device in devices if device not in there]:
            msg = f"{file} has the devices {there}, got {missing[0]!r}. Name one of these."
            raise EvaluationError(msg)
        if stray := [name for name in (devices or there) if table[name].shape != (len(table["ops"]),)]:
            msg = (
                f"'{stray[0]}' in {file} must be one latency for each of its {len(table['ops']):,} cells, "
                f"got the shape {table[stray[0]].shape}. Give the path of a table of latencies."
            )
            raise EvaluationError(msg)
        rows = TOPOLOGIES.index(table["ops"]).rows(index.choices)
        if (rows < 0).any():
            msg = (
                f"{file} contains {len(table['ops']):,} cells, and lacks {int((rows < 0).sum()):,} of the "
                f"benchmark's {len(index):,}. Use the complete table."
            )
            raise EvaluationError(msg)
        return {f"{device}_latency_ms": table[device][rows] for device in (devices or there)}
