"""NAS-Bench-Macro, and tables in its format."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retia.benchmark.benchmark import Benchmark
from retia.benchmark.files import Download, locate, read_json, reading
from retia.benchmark.index import Grid
from retia.benchmark.records import ColumnRecords
from retia.errors import EvaluationError
from retia.space import Categorical, SearchSpace

__all__ = ["nasbench_macro"]

_DOWNLOAD = Download(
    "NAS-Bench-Macro",
    ("nas-bench-macro_cifar10.json", "nas-bench-macro_cifar10.json.gz"),
    "data/nas-bench-macro_cifar10.json of https://github.com/xiusu/NAS-Bench-Macro",
)
_REFERENCE = "Su et al., Prioritized Architecture Sampling with Monto-Carlo Tree Search, CVPR 2021"
BLOCKS = ("identity", "mb3_k3", "mb6_k5")
"""The blocks of a layer: identity, or an inverted residual with expansion 3 and kernel 3, or 6 and 5."""


def nasbench_macro(
    *, blocks: Sequence[str] = BLOCKS, epochs: int = 50, path: str | os.PathLike[str] | None = None
) -> Benchmark:
    """Return NAS-Bench-Macro: eight layers with one of three blocks each, 6,561 networks on CIFAR-10.

    The labels are `layer/0` to `layer/7`. The table has only test accuracies, no validation accuracies.

    Args:
        blocks: Names of the blocks that the digits 0, 1, ... stand for.
        epochs: Number of training epochs of the networks.
        path: Path of a JSON object that maps strings of digits, one for each layer, to objects with
            `test_acc` (a list of runs, in percent), `params` and `flops`.
            Default: searched for in the folder RETIA_BENCHMARKS.

    Raises:
        EvaluationError: If the table is missing, or not in this format.

    Reference:
        Su et al., Prioritized Architecture Sampling with Monto-Carlo Tree Search, CVPR 2021. Deviations: the
        FLOPs of the file are multiply-adds; they are returned as `macs`, and twice as many as `flops`. The
        authors' accuracy of a run is the best over its epochs.
    """
    file = locate(_DOWNLOAD, path)
    content = read_json(file)
    if not isinstance(content, Mapping) or not content:
        msg = (
            f"{file} must be a JSON object with the results of each architecture, "
            f"got {type(content).__name__}. Give the path of another file."
        )
        raise EvaluationError(msg)
    table: Mapping[str, Mapping[str, Any]] = content
    layers = len(next(iter(table)))
    digits = [str(digit) for digit in range(len(blocks))]
    for string, entry in table.items():
        if len(string) != layers or any(one not in digits for one in string):
            msg = (
                f"An architecture in {file} must be {layers} digits from 0 to {len(blocks) - 1}, "
                f"got {string!r}. Name the blocks with blocks=."
            )
            raise EvaluationError(msg)
        if not isinstance(entry, Mapping) or not entry.get("test_acc"):
            msg = (
                f"The architecture {string!r} in {file} needs a list of accuracies as 'test_acc', "
                f"got {entry!r}. Add it."
            )
            raise EvaluationError(msg)
    with reading(file):
        choices, columns = _columns(table, epochs)
    labels = tuple(f"layer/{i}" for i in range(layers))
    space = SearchSpace({label: Categorical(tuple(blocks)) for label in labels})
    return Benchmark(
        "nasbench-macro", space, Grid(labels, tuple(blocks), choices), columns, epochs, {}, _REFERENCE
    )


def _columns(table: Mapping[str, Mapping[str, Any]], epochs: int) -> tuple[NDArray[np.int8], ColumnRecords]:
    """Return the choices (N, P) and the records of a table."""
    choices = np.array([[int(one) for one in string] for string in table], np.int8)
    trained = {
        epochs: {"test_accuracy": np.array([float(np.mean(entry["test_acc"])) for entry in table.values()])}
    }
    fixed = {
        name: np.array([entry[name] for entry in table.values()], float)
        for name in ("params", "flops")
        if all(name in one for one in table.values())
    }
    if "flops" in fixed:
        fixed = {**fixed, "macs": fixed["flops"], "flops": 2 * fixed["flops"]}
    return choices, ColumnRecords(trained, fixed)
