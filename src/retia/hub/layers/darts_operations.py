"""Operations of the DARTS space."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from retia.hub.layers.drop_path import DropPath

__all__ = ["FactorizedReduce", "operations", "relu_conv_norm"]


def operations(channels: int, stride: int, drop_path: float) -> Mapping[str, Callable[[], nn.Module]]:
    """Return the seven candidates of an edge, in the order of the paper and by the names of its code.

    Args:
        channels: Number of channels of input and output.
        stride: 1, or 2 to halve height and width.
        drop_path: Drop-path rate of all operations except the identity, in [0, 1).
    """
    return {
        "sep_conv_3x3": partial(_separable, channels, 3, stride, drop_path),
        "sep_conv_5x5": partial(_separable, channels, 5, stride, drop_path),
        "dil_conv_3x3": partial(_dilated, channels, 3, stride, drop_path),
        "dil_conv_5x5": partial(_dilated, channels, 5, stride, drop_path),
        "max_pool_3x3": lambda: _dropped(nn.MaxPool2d(3, stride, padding=1), rate=drop_path),
        "avg_pool_3x3": lambda: _dropped(
            nn.AvgPool2d(3, stride, padding=1, count_include_pad=False), rate=drop_path
        ),
        "skip_connect": nn.Identity
        if stride == 1
        else lambda: _dropped(FactorizedReduce(channels, channels), rate=drop_path),
    }


class FactorizedReduce(nn.Module):
    """Halve height and width by two 1x1 convolutions of stride 2, one of them shifted by one pixel.

    Args:
        inputs: Number of input channels.
        outputs: Number of output channels; each convolution makes half of them.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(inputs, outputs - outputs // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, ceil(H/2), ceil(W/2))."""
        x = torch.relu(x)
        shifted = functional.pad(x[:, :, 1:, 1:], (0, 1, 0, 1))
        return self.norm(torch.cat([self.even(x), self.odd(shifted)], 1))


def relu_conv_norm(inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    """Return a ReLU, a convolution with padding `kernel // 2`, and a batch norm."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(outputs))


def _separable(channels: int, kernel: int, stride: int, drop_path: float) -> nn.Sequential:
    return _dropped(*_depthwise(channels, kernel, stride), *_depthwise(channels, kernel, 1), rate=drop_path)


def _dilated(channels: int, kernel: int, stride: int, drop_path: float) -> nn.Sequential:
    return _dropped(*_depthwise(channels, kernel, stride, dilation=2), rate=drop_path)


def _depthwise(channels: int, kernel: int, stride: int, dilation: int = 1) -> tuple[nn.Module, ...]:
    padding = dilation * (kernel // 2)
    return (
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


def _dropped(*layers: nn.Module, rate: float) -> nn.Sequential:
    return nn.Sequential(*layers, DropPath(rate))
