"""The NAS-Bench-201 space: one cell of six edges, stacked in a residual network."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from retia.errors import ArchitectureError
from retia.hub.layers import relu_conv_norm
from retia.nn import layer_choice
from retia.space import Architecture, Value, scope

__all__ = ["NasBench201", "nasbench201_architecture", "nasbench201_string"]

EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
"""Edges (node, source) of the cell, in the order of the benchmark's tables."""

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""Candidates of every edge, by the names of the benchmark."""

_OP = f"({'|'.join(OPERATIONS)})"
_STRING = re.compile(rf"\|{_OP}~0\|\+\|{_OP}~0\|{_OP}~1\|\+\|{_OP}~0\|{_OP}~1\|{_OP}~2\|")


class NasBench201(nn.Module):
    """Networks of NAS-Bench-201: a stem, three stages of cells and a classifier.

    A residual block of stride 2 separates the stages. All cells are equal. Each of the six edges of a cell,
    `edge/1<-0` (to node 1 from node 0) to `edge/3<-2`, has one of five operations, so the space has
    5^6 = 15,625 architectures. The default is a 3x3 convolution on every edge.

    Args:
        channels: Number of channels of the first stage; the next stages have twice and four times as many.
            Default 16.
        cells: Number of cells per stage. Default 5.
        classes: Number of classes: 10 and 100 for CIFAR, 120 for ImageNet16-120. Default 10.

    Reference:
        Dong and Yang, NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search, ICLR
        2020, section 2.1.

    >>> from retia.nn import ModelSpace
    >>> ModelSpace(NasBench201).size()
    15625
    """

    def __init__(self, channels: int = 16, cells: int = 5, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.stages = nn.Sequential(
            *(_Cell(channels) for _ in range(cells)),
            _Reduction(channels, 2 * channels),
            *(_Cell(2 * channels) for _ in range(cells)),
            _Reduction(2 * channels, 4 * channels),
            *(_Cell(4 * channels) for _ in range(cells)),
        )
        self.norm = nn.BatchNorm2d(4 * channels)
        self.classifier = nn.Linear(4 * channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, classes) of images (B, 3, H, W), whose H and W are multiples of 4."""
        x = self.stages(self.stem(x))  # (B, 4 channels, H/4, W/4)
        x = torch.relu(self.norm(x)).mean((2, 3))  # (B, 4 channels)
        return self.classifier(x)


class _Cell(nn.Module):
    """A graph of four nodes: the input, and three nodes that sum operations on all preceding nodes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        factories = {
            "none": _Zero,
            "skip_connect": nn.Identity,
            "nor_conv_1x1": lambda: relu_conv_norm(channels, channels, 1),
            "nor_conv_3x3": lambda: relu_conv_norm(channels, channels, 3),
            "avg_pool_3x3": lambda: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
        }
        with scope("edge"):
            self.edges = nn.ModuleList(
                layer_choice(f"{node}<-{source}", factories, default="nor_conv_3x3") for node, source in EDGES
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        nodes = [x]
        for (node, source), operation in zip(EDGES, self.edges, strict=True):
            output = operation(nodes[source])
            if node == len(nodes):
                nodes.append(output)
            else:
                nodes[node] = nodes[node] + output
        return nodes[-1]


class _Zero(nn.Module):
    """Zeros of the input's shape, through which preceding layers get zero gradients instead of None."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to zeros of the same shape."""
        return 0.0 * x


class _Reduction(nn.Module):
    """A residual block of stride 2 with an average pool and a convolution as shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            relu_conv_norm(inputs, outputs, 3, stride=2), relu_conv_norm(outputs, outputs, 3)
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H/2, W/2)."""
        return self.body(x) + self.shortcut(x)


def nasbench201_string(architecture: Mapping[str, Value]) -> str:
    """Return an architecture of the space in the notation of the benchmark.

    Raises:
        ArchitectureError: If the operation of an edge is missing or unknown.

    >>> edges = ("1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2")
    >>> nasbench201_string({f"edge/{edge}": "skip_connect" for edge in edges})
    '|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|'
    """
    for edge in EDGES:
        label = _label(edge)
        if label not in architecture or architecture[label] not in OPERATIONS:
            found = repr(architecture[label]) if label in architecture else "nothing"
            msg = (
                f"'{label}' takes one of {list(OPERATIONS)}, got {found}. "
                "Take the architecture from the NAS-Bench-201 space."
            )
            raise ArchitectureError(msg)
    nodes = (
        [f"{architecture[_label(edge)]}~{edge[1]}" for edge in EDGES if edge[0] == node] for node in (1, 2, 3)
    )
    return "+".join(f"|{'|'.join(operations)}|" for operations in nodes)


def nasbench201_architecture(string: str) -> Architecture:
    """Parse an architecture in the notation of the benchmark: the inverse of `nasbench201_string`.

    Raises:
        ArchitectureError: If `string` does not have this form, or an operation is unknown.

    >>> string = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    >>> nasbench201_architecture(string)["edge/2<-1"]
    'nor_conv_1x1'
    """
    match = _STRING.fullmatch(string.strip())
    if match is None:
        msg = (
            "An architecture of NAS-Bench-201 is written '|op~0|+|op~0|op~1|+|op~0|op~1|op~2|', "
            f"where each op is one of {list(OPERATIONS)}, got {string!r}. Write all six edges, in this order."
        )
        raise ArchitectureError(msg)
    return Architecture(dict(zip(map(_label, EDGES), match.groups(), strict=True)))


def _label(edge: tuple[int, int]) -> str:
    return f"edge/{edge[0]}<-{edge[1]}"
