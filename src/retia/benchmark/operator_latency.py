"""The latency of a network as the sum over its operators."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retia.benchmark.files import Download, locate, read_json
from retia.errors import EvaluationError
from retia.space import Architecture
from retia.trial import Capabilities, Run, qualified_name

__all__ = ["OnceForAllOperators", "OperatorLatency", "once_for_all_latency", "read_operators"]

_ONCE_FOR_ALL = Download(
    "operator latencies of once-for-all's MobileNetV3",
    ("ofa_mbv3_i7-8700K.json.gz", "op_latency/ofa_mbv3_i7-8700K.json.gz", "ofa_mbv3_i7-8700K.json"),
    "data/i7-8700K_lut.yaml of https://github.com/mikelzc1990/nsganetv2 (Apache-2.0), written as JSON",
)


@dataclass(frozen=True)
class OperatorLatency:
    """Cost of an architecture: the sum of the measured latencies of its operators.

    Args:
        table: Latency of each operator in ms.
        operators: Function from an architecture to its operators; one that runs twice is listed twice.
        metric: Name of the metric. Default "latency_ms".

    >>> from retia.space import SearchSpace, Integer
    >>> latency = OperatorLatency(
    ...     {"stem": 1.5, "block": 0.25}, lambda architecture: ["stem"] + ["block"] * architecture["depth"]
    ... )
    >>> latency(Architecture({"depth": 3}), Run(SearchSpace({"depth": Integer(1, 4)})))
    {'latency_ms': 2.25}
    """

    table: Mapping[str, float]
    operators: Callable[[Architecture], Iterable[str]]
    metric: str = "latency_ms"

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics."""
        return (self.metric,)

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Return the sum in ms.

        Raises:
            EvaluationError: If an operator is not in `table`.
        """
        total = 0.0
        for operator in self.operators(architecture):
            if operator not in self.table:
                msg = (
                    f"The table of {len(self.table):,} operators has no {operator!r}, "
                    f"which {dict(architecture)} needs. Measure it, or exclude it with space.where(...)."
                )
                raise EvaluationError(msg)
            total += self.table[operator]
        return {self.metric: total}

    def capabilities(self) -> Capabilities:
        """Return the settings: the name of `operators`, the size of the table and the metric."""
        settings = {
            "type": "OperatorLatency",
            "operators": qualified_name(self.operators),
            "table": len(self.table),
            "metric": self.metric,
        }
        return Capabilities(settings=lambda: settings)


def read_operators(path: str | os.PathLike[str]) -> dict[str, float]:
    """Read a table of operators in JSON.

    The value of an operator is a latency in ms, an object with its "mean", or an object with a latency for
    each width, which becomes an entry for each width: "block" with {"16": 0.4} is "block/16".

    Raises:
        EvaluationError: If the file is missing, or not such a table.
    """
    file = Path(path)
    content = read_json(file)
    table: dict[str, float] = {}
    for name, entry in content.items() if isinstance(content, Mapping) else ():
        widths: Mapping[str, Any] = (
            {"": entry}
            if not isinstance(entry, Mapping)
            else {"": entry["mean"]}
            if "mean" in entry
            else entry
        )
        for width, latency in widths.items():
            if isinstance(latency, bool) or not isinstance(latency, int | float):
                msg = (
                    f"The latency of operator {name!r} in {file} must be in ms, got {latency!r}. Correct it."
                )
                raise EvaluationError(msg)
            table[f"{name}/{width}" if width else name] = float(latency)
    if not table:
        msg = f"{file} must be a JSON object of operators and their latencies, and is empty. Add operators."
        raise EvaluationError(msg)
    return table


@dataclass(frozen=True)
class OnceForAllOperators:
    """The operators of a `retia.hub.MobileNetV3` with once-for-all's stages, as in the published tables.

    Args:
        resolution: Height and width of the image in pixels.
        widths: Output channels of the stem (and stage 0), and of the other stages.
        head_widths: Output channels of the last convolution, and of the layer after pooling.
        strides: Stride of the first block of each stage after stage 0.
        squeeze_excite: Whether the blocks of each stage after stage 0 use squeeze-and-excitation.
        classes: Number of classes.

    Reference:
        Cai et al., Once-for-All: Train One Network and Specialize it for Efficient Deployment, ICLR 2020, and
        the look-up table of Lu et al., NSGANetV2, ECCV 2020. Deviation: none.
    """

    resolution: int = 224
    widths: tuple[int, ...] = (16, 24, 40, 80, 112, 160)
    head_widths: tuple[int, int] = (960, 1280)
    strides: tuple[int, ...] = (2, 2, 2, 1, 2)
    squeeze_excite: tuple[bool, ...] = (False, True, False, True, True)
    classes: int = 1000

    def __call__(self, architecture: Mapping[str, Any]) -> Iterable[str]:
        """Yield the operators in order. Without a choice, kernels are 3 and a stage has one block."""
        size = (self.resolution + 1) // 2
        width = self.widths[0]
        kernel = architecture.get("stem/kernel", 3)
        # The names of stems omit the kernel, because all measured ones have kernel 3.
        yield f"first_conv-input:{_shape(self.resolution, 3)}-output:{_shape(size, width)}" + (
            "" if kernel == 3 else f"-kernel:{kernel}"
        )
        kernel = architecture.get("stage0/0/kernel", 3)
        yield _block(size, width, size, width, 1, kernel, 1, residual=True, squeeze=False)
        for stage, (out, stride, squeeze) in enumerate(
            zip(self.widths[1:], self.strides, self.squeeze_excite, strict=True), start=1
        ):
            for i in range(architecture.get(f"stage{stage}", 1)):
                step = stride if i == 0 else 1
                after = -(-size // step)
                kernel = architecture.get(f"stage{stage}/{i}/kernel", 3)
                expansion = architecture[f"stage{stage}/{i}/expansion"]
                yield _block(
                    size, width, after, out, expansion, kernel, step, residual=i > 0, squeeze=squeeze
                )
                size, width = after, out
        wide, hidden = self.head_widths
        yield f"final_expand_layer-input:{_shape(size, width)}-output:{_shape(size, wide)}"
        yield f"feature_mix_layer-input:{_shape(1, wide)}-output:{_shape(1, hidden)}"
        yield f"classifier-input:{hidden}-output:{self.classes}"


def once_for_all_latency(
    *, resolution: int = 224, path: str | os.PathLike[str] | None = None
) -> OperatorLatency:
    """Return the latency in ms of once-for-all's MobileNetV3 on an Intel i7-8700K.

    It is a cost of the space `retia.hub.MobileNetV3` with once-for-all's stages.

    Args:
        resolution: Height and width of the image in pixels: 128 to 256, in steps of 4.
        path: Path of the table. Default: searched for in the folder RETIA_BENCHMARKS.

    Raises:
        EvaluationError: If the table is missing.
    """
    return OperatorLatency(read_operators(locate(_ONCE_FOR_ALL, path)), OnceForAllOperators(resolution))


def _block(
    size: int,
    width: int,
    after: int,
    out: int,
    expansion: float,
    kernel: int,
    stride: int,
    *,
    residual: bool,
    squeeze: bool,
) -> str:
    return (
        f"MBConv-input:{_shape(size, width)}-output:{_shape(after, out)}-expand:{expansion:g}-kernel:{kernel}"
        f"-stride:{stride}-idskip:{residual:d}-se:{squeeze:d}"
    )


def _shape(size: int, width: int) -> str:
    return f"{size}x{size}x{width}"
