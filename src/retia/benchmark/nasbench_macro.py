"""NAS-Bench-Macro, and tables written like it."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from retia.benchmark.benchmark import Benchmark
from retia.benchmark.files import Download, locate, read_json, reading
from retia.benchmark.index import Grid
from retia.benchmark.records import Columns
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
"""The blocks of a layer: none, an inverted residual of expansion 3 and kernel 3, one of expansion 6 and
kernel 5.
"""


def nasbench_macro(
    *, blocks: Sequence[str] = BLOCKS, epochs: int = 50, path: str | os.PathLike[str] | None = None
) -> Benchmark:
    """Return NAS-Bench-Macro: eight layers with one of three blocks each, 6,561 networks on CIFAR-10.

    An architecture has the labels `layer/0` to `layer/7`. The table has test accuracies alone.

    Args:
        blocks: What the digits of a string stand for.
        epochs: How long the networks were trained.
        path: The table, or another of its form: a JSON object of strings of digits, one a layer, to objects
            with `test_acc` (a list of runs, in percent), `params` and `flops`. If not given it is looked for
            in the folder RETIA_BENCHMARKS.

    Raises:
        EvaluationError: If the table is not there, or not of this form.

    Reference:
        Su et al., Prioritized Architecture Sampling with Monto-Carlo Tree Search, CVPR 2021. Deviations: what
        the file calls FLOPs are multiply-adds, and is given as `macs`, with twice as many `flops`. The
        authors' accuracy of a run is the best of its epochs.
    """
    file = locate(_DOWNLOAD, path)
    content = read_json(file)
    if not isinstance(content, Mapping) or not content:
        msg = (
            f"{file} must be a JSON object of architectures and what came of them, "
            f"got {type(content).__name__}."
        )
        raise EvaluationError(msg)
    table = cast("Mapping[str, Mapping[str, Any]]", content)
    layers = len(next(iter(table)))
    digits = [str(digit) for digit in range(len(blocks))]
    for string, entry in table.items():
        if len(string) != layers or any(one not in digits for one in string):
            msg = (
                f"An architecture in {file} is written as {layers} digits from 0 to {len(blocks) - 1}, "
                f"got {string!r}. Name the blocks with blocks=."
            )
            raise EvaluationError(msg)
        if not isinstance(entry, Mapping) or not entry.get("test_acc"):
            msg = (
                f"The architecture {string!r} in {file} needs a list of accuracies as 'test_acc', "
                f"got {entry!r}."
            )
            raise EvaluationError(msg)
    with reading(file):
        choices, columns = _columns(table, epochs)
    labels = tuple(f"layer/{i}" for i in range(layers))
    space = SearchSpace({label: Categorical(tuple(blocks)) for label in labels})
    return Benchmark(
        "nasbench-macro", space, Grid(labels, tuple(blocks), choices), columns, epochs, {}, _REFERENCE
    )


def _columns(table: Mapping[str, Mapping[str, Any]], epochs: int) -> tuple[NDArray[np.int8], Columns]:
    """Return the architectures of a table, and what it has of them."""
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
    return choices, Columns(trained, fixed)
