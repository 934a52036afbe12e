"""What building a sampled architecture costs, against calling the same constructor with constants.

Two spaces: one like NAS-Bench-201's (6 edges of 5 operations, 3 stages of 5 cells, 16 channels; Dong and Yang
2020), and the network of the README. Each round samples the same architectures, builds their models with
retia, and calls a constructor written by hand, which takes the same values as plain arguments; the two take
turns model by model. Medians of the rounds, process time, one thread.

    python benchmarks/building.py
"""

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from retia.nn import ModelSpace, layer_choice, repeat
from retia.rng import stream
from retia.space import Architecture, choice

Written: TypeAlias = Callable[[Mapping[str, Any]], nn.Module]

# --- a space like NAS-Bench-201's


class ConvUnit(nn.Sequential):
    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1):
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, out, kernel, stride=stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(out),
        )


class Zero(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mul(0.0)


OPERATIONS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda channels: Zero(),
    "skip_connect": lambda channels: nn.Identity(),
    "nor_conv_1x1": lambda channels: ConvUnit(channels, channels, 1),
    "nor_conv_3x3": lambda channels: ConvUnit(channels, channels, 3),
    "avg_pool_3x3": lambda channels: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
}
EDGES = [(node, source) for node in range(1, 4) for source in range(node)]


class Cell(nn.Module):
    def __init__(self, edges: list[nn.Module]):
        super().__init__()
        self.edges = nn.ModuleList(edges)

    def forward(self, x: Tensor) -> Tensor:
        states = [x]
        for node in range(1, 4):
            states.append(
                sum(edge(states[j]) for edge, (i, j) in zip(self.edges, EDGES, strict=True) if i == node)
            )
        return states[-1]


class Residual(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        out = 2 * channels
        self.body = nn.Sequential(ConvUnit(channels, out, 3, stride=2), ConvUnit(out, out, 3))
        self.down = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(channels, out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.down(x)


def macro(
    cell: Callable[[int], nn.Module], channels: int = 16, cells: int = 5, classes: int = 10
) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)]
    for stage in range(3):
        if stage:
            layers.append(Residual(channels))
            channels *= 2
        layers += [cell(channels) for _ in range(cells)]
    return nn.Sequential(
        *layers,
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, classes),
    )


def searched_201() -> nn.Module:
    def edge(channels: int, i: int, j: int) -> nn.Module:
        return layer_choice(
            f"{i}<-{j}", {name: lambda make=make: make(channels) for name, make in OPERATIONS.items()}
        )

    return macro(lambda channels: Cell([edge(channels, i, j) for i, j in EDGES]))


def written_201(values: Mapping[str, Any]) -> nn.Module:
    chosen = [OPERATIONS[values[f"{i}<-{j}"]] for i, j in EDGES]
    return macro(lambda channels: Cell([make(channels) for make in chosen]))


# --- the network of the README


class Block(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        kernel = choice("kernel", [3, 5, 7])
        self.conv = nn.Conv2d(width, width, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(width)
        self.act = layer_choice("act", {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU})

    def forward(self, x: Tensor) -> Tensor:
        return x + self.act(self.norm(self.conv(x)))


class Net(nn.Module):
    def __init__(self, classes: int = 10):
        super().__init__()
        width = choice("width", [16, 32, 64])
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.body = repeat("body", lambda i: Block(width), (1, 6))
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)).mean((2, 3)))


class WrittenBlock(nn.Module):
    def __init__(self, width: int, kernel: int, act: Callable[[], nn.Module]):
        super().__init__()
        self.conv = nn.Conv2d(width, width, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(width)
        self.act = act()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.act(self.norm(self.conv(x)))


class WrittenNet(nn.Module):
    def __init__(self, width: int, blocks: list[tuple[int, Callable[[], nn.Module]]], classes: int = 10):
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.body = nn.Sequential(*(WrittenBlock(width, kernel, act) for kernel, act in blocks))
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)).mean((2, 3)))


ACTS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


def written_net(values: Mapping[str, Any]) -> nn.Module:
    return WrittenNet(
        values["width"],
        [(values[f"body/{i}/kernel"], ACTS[values[f"body/{i}/act"]]) for i in range(values["body"])],
    )


# --- measuring


@dataclass(frozen=True)
class Row:
    """One line of the table: medians in milliseconds per model."""

    space: str
    device: str
    retia_ms: float
    written_ms: float

    @property
    def ratio(self) -> float:
        return self.retia_ms / self.written_ms

    def __str__(self) -> str:
        return (
            f"{self.space:<16} {self.device:<6} {self.retia_ms:>9.3f} {self.written_ms:>15.3f} "
            f"{self.ratio:>7.2f}"
        )


def clocked_ms(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return 1000 * (time.process_time() - start)


def measure(
    name: str, space: ModelSpace, written: Written, *, device: str | None, rounds: int, models: int
) -> Row:
    def write(architecture: Architecture) -> None:
        with nullcontext() if device is None else torch.device(device):
            written(architecture)

    totals_ms: dict[str, list[float]] = {"retia": [], "written": []}
    for _ in range(rounds + 1):
        gc.collect()
        gc.disable()
        totals = dict.fromkeys(totals_ms, 0.0)
        for i in range(models):
            architecture = space.sample(stream(0, "model", i))
            rng = stream(0, "model", i)
            work: dict[str, Callable[[], object]] = {
                "retia": lambda rng=rng: space.build(space.sample(rng), device=device),
                "written": lambda architecture=architecture: write(architecture),
            }
            # Both take turns at being first, for the second finds the caches of the processor filled.
            for side in sorted(work, reverse=bool(i % 2)):
                totals[side] += clocked_ms(work[side]) / models
        gc.enable()
        for side, total in totals.items():
            totals_ms[side].append(total)
    # The first round warms up.
    return Row(name, device or "cpu", *(statistics.median(totals_ms[side][1:]) for side in totals_ms))


def check(space: ModelSpace, written: Written) -> None:
    """See that both constructors make the same model of 20 architectures."""
    for i in range(20):
        architecture = space.sample(stream(0, "check", i))
        ours, theirs = space.build(architecture, device="meta"), written(architecture)
        shapes = [
            {name: tensor.shape for name, tensor in model.state_dict().items()} for model in (ours, theirs)
        ]
        assert shapes[0] == shapes[1], f"the two constructors differ for {dict(architecture)}"


def rows(rounds: int, models: int) -> Iterator[Row]:
    for name, factory, written in [
        ("NAS-Bench-201", searched_201, written_201),
        ("README network", Net, written_net),
    ]:
        space = ModelSpace(factory)
        check(space, written)
        for device in (None, "meta"):
            yield measure(name, space, written, device=device, rounds=rounds, models=models)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9, help="the median is of so many")
    parser.add_argument("--models", type=int, default=20, help="models a round")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"torch {torch.__version__}, medians of {options.rounds} rounds of {options.models} models, "
        "process time, 1 thread"
    )
    print(f"{'space':<16} {'device':<6} {'retia, ms':>9} {'constructor, ms':>15} {'ratio':>7}")
    for row in rows(options.rounds, options.models):
        print(row)


if __name__ == "__main__":
    main()
