"""The DARTS space: stacks of a normal and a reduction cell."""

from functools import partial
from typing import Literal

from torch import Tensor, nn

from retia.errors import SpaceError
from retia.hub.layers import DropPath, FactorizedReduce, operations, relu_conv_norm, require_rate
from retia.hub.published import Published
from retia.nn import Candidates, cell

__all__ = ["PUBLISHED", "Darts"]

NODES = 4
"""Number of nodes of a cell, which concatenates all of them."""


class Darts(nn.Module):
    """Networks of DARTS: a stem, a stack of normal and two reduction cells, and a classifier.

    The reduction cells are at one third and two thirds of the stack. A cell has four nodes; its inputs are
    the outputs of the two preceding cells. Each node adds two of seven operations, on distinct states. States
    0 and 1 are the inputs of the cell, and states 2 to 5 its nodes 0 to 3. All normal cells are equal, and so
    are both reduction cells: `normal/2/inputs` is the pair of states that node 2 of the normal cell uses, and
    `normal/2/op/0` the operation on state 0. A cell has 3 * 6 * 10 * 7^8 = 1,037,664,180 forms, and the space
    1,076,746,950,455,072,400 architectures.

    The defaults are those of the network that the paper trains on CIFAR-10 after the search. It searches with
    `width=16, cells=8`, and trains on ImageNet with `width=48, cells=14, stem="imagenet", classes=1000`.

    Args:
        width: Number of channels of a node in the first third; each reduction doubles it. Default 36.
        cells: Number of cells, at least 3. Default 20.
        classes: Number of classes. Default 10.
        stem: "cifar" keeps height and width; "imagenet" divides them by eight. Default "cifar".
        auxiliary: Whether to add a classifier after the second reduction cell, whose logits `forward` also
            returns in training mode. It requires images of 32 pixels with the "cifar" stem, and of 224 pixels
            with the "imagenet" stem. The paper weights its loss by 0.4. Default False.
        drop_path: Drop-path rate of all operations except identities, in [0, 1). The paper's code increases
            it from 0 to 0.2 over the epochs on CIFAR-10; set the attribute to do so. Default 0.

    Raises:
        SpaceError: If `cells` is below 3, `stem` is unknown, or `drop_path` is out of range.

    Reference:
        Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019, sections 2.1, 3.1 and appendix A.
        Deviations: the space consists of the networks that the paper trains after the search. They lack the
        operation "none", which the paper never selects, pooling has no batch norm, and batch norms are
        affine. The auxiliary classifier has both batch norms also on ImageNet.
    """

    def __init__(
        self,
        width: int = 36,
        cells: int = 20,
        classes: int = 10,
        *,
        stem: Literal["cifar", "imagenet"] = "cifar",
        auxiliary: bool = False,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        if cells < 3:
            msg = (
                "DARTS stacks normal cells with two reduction cells in between, "
                f"so it needs at least 3 cells, got {cells}."
            )
            raise SpaceError(msg)
        if stem not in ("cifar", "imagenet"):
            msg = f"The stem of DARTS is 'cifar' or 'imagenet', got {stem!r}."
            raise SpaceError(msg)
        self._drop_path = require_rate("drop_path", drop_path)
        imagenet = stem == "imagenet"
        self.stems = nn.ModuleList(_imagenet_stems(width) if imagenet else [_cifar_stem(width)])
        before = last = width if imagenet else 3 * width  # channels of the two inputs of a cell
        halved = imagenet  # whether the later input is half as large as the earlier
        reductions = (cells // 3, 2 * cells // 3)
        self.cells = nn.ModuleList()
        self.auxiliary: nn.Module | None = None
        for i in range(cells):
            reduction = i in reductions
            width = 2 * width if reduction else width
            self.cells.append(
                _cell(before, last, width, reduction=reduction, halved=halved, drop_path=drop_path)
            )
            before, last, halved = last, NODES * width, reduction
            if auxiliary and i == reductions[1]:
                self.auxiliary = _auxiliary(last, classes, stride=2 if imagenet else 3)
        self.second_reduction = reductions[1]
        self.classifier = nn.Linear(last, classes)

    @property
    def drop_path(self) -> float:
        """Drop-path rate of all cells in training, in [0, 1); it can be set at any time.

        Raises:
            SpaceError: If it is set to a rate out of range.
        """
        return self._drop_path

    @drop_path.setter
    def drop_path(self, rate: float) -> None:
        self._drop_path = require_rate("drop_path", rate)
        for module in self.modules():
            if isinstance(module, DropPath):
                module.rate = rate

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the logits (B, classes) of images (B, 3, H, W).

        In training mode with an auxiliary classifier the result is the pair (logits, auxiliary logits).
        """
        before = last = self.stems[0](x)
        for stem in self.stems[1:]:
            before, last = last, stem(last)
        auxiliary: Tensor | None = None
        for i, step in enumerate(self.cells):
            # (B, 4 width, H, W); each reduction doubles the width and halves H and W
            before, last = last, step(before, last)
            if i == self.second_reduction and self.auxiliary is not None and self.training:
                auxiliary = self.auxiliary(last)
        logits = self.classifier(last.mean((2, 3)))
        return logits if auxiliary is None else (logits, auxiliary)


def _cell(
    before: int, last: int, width: int, *, reduction: bool, halved: bool, drop_path: float
) -> nn.Module:
    """Make a cell with inputs of `before` and `last` channels, and nodes of `width` channels."""

    def candidates(_: int, predecessor: int) -> Candidates:
        return operations(width, 2 if reduction and predecessor < 2 else 1, drop_path)

    earlier = FactorizedReduce if halved else relu_conv_norm
    return cell(
        "reduce" if reduction else "normal",
        candidates,
        nodes=NODES,
        preprocess=[partial(earlier, before, width), partial(relu_conv_norm, last, width)],
    )


def _cifar_stem(width: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 3 * width, 3, padding=1, bias=False), nn.BatchNorm2d(3 * width))


def _imagenet_stems(width: int) -> list[nn.Module]:
    return [
        nn.Sequential(
            nn.Conv2d(3, width // 2, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width // 2),
            nn.ReLU(),
            nn.Conv2d(width // 2, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
        ),
        nn.Sequential(
            nn.ReLU(), nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width)
        ),
    ]


def _auxiliary(channels: int, classes: int, stride: int) -> nn.Module:
    return nn.Sequential(
        nn.ReLU(),
        nn.AvgPool2d(5, stride, count_include_pad=False),
        nn.Conv2d(channels, 128, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.Conv2d(128, 768, 2, bias=False),
        nn.BatchNorm2d(768),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(768, classes),
    )


_DARTS_V2 = {
    "normal/0/op/0": "sep_conv_3x3",
    "normal/0/op/1": "sep_conv_3x3",
    "normal/1/inputs": (0, 1),
    "normal/1/op/0": "sep_conv_3x3",
    "normal/1/op/1": "sep_conv_3x3",
    "normal/2/inputs": (0, 1),
    "normal/2/op/0": "skip_connect",
    "normal/2/op/1": "sep_conv_3x3",
    "normal/3/inputs": (0, 2),
    "normal/3/op/0": "skip_connect",
    "normal/3/op/2": "dil_conv_3x3",
    "reduce/0/op/0": "max_pool_3x3",
    "reduce/0/op/1": "max_pool_3x3",
    "reduce/1/inputs": (1, 2),
    "reduce/1/op/1": "max_pool_3x3",
    "reduce/1/op/2": "skip_connect",
    "reduce/2/inputs": (0, 2),
    "reduce/2/op/0": "max_pool_3x3",
    "reduce/2/op/2": "skip_connect",
    "reduce/3/inputs": (1, 2),
    "reduce/3/op/1": "max_pool_3x3",
    "reduce/3/op/2": "skip_connect",
}

PUBLISHED = (Published("darts-v2", Darts, {}, _DARTS_V2),)
"""Cells that the second-order method found on CIFAR-10."""
