"""The block of mobile networks: narrow, wide, narrow."""

from typing import Literal, TypeAlias

from torch import Tensor, nn

from retia.hub.activation import ACTIVATIONS, Activation
from retia.hub.rounding import make_divisible
from retia.hub.squeeze_excite import SqueezeExcite
from retia.nn import layer_choice
from retia.space import apply

__all__ = ["InvertedResidual", "SqueezeExcitation", "convolution"]

SqueezeExcitation: TypeAlias = Literal["none", "optional", "force"]
"""Whether a block has squeeze-and-excitation; "optional" makes it a choice."""


class InvertedResidual(nn.Module):
    """Expand by a 1×1 convolution, filter each channel, and project: x (B, C, H, W) to (B, C', H', W').

    Args:
        width_in: The number of input channels.
        width_out: The number of output channels.
        kernel: The size of the depthwise kernel, odd.
        expansion: Times `width_in` is the number of channels between, rounded by `make_divisible`. None:
            `width_in` channels and no expanding convolution; the block is then a depthwise separable
            convolution.
        stride: The stride of the depthwise convolution.
        residual: Whether the input is added to the output. Stride 1 and `width_in` channels out are then up
            to the caller; a comparison of two searched widths here would be lost to the search.
        activation: Of the first two convolutions; the last is linear.
        squeeze_excite: After the depthwise convolution; "optional" is a choice with the label
            `squeeze_excite`.

    Reference:
        Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018, section 3.3; with
        squeeze-and-excitation: Howard et al., Searching for MobileNetV3, ICCV 2019, section 3. Deviation: an
        expansion of 1 keeps its convolution.
    """

    def __init__(
        self,
        width_in: int,
        width_out: int,
        *,
        kernel: int = 3,
        expansion: float | None = 6.0,
        stride: int = 1,
        residual: bool = False,
        activation: Activation = "relu",
        squeeze_excite: SqueezeExcitation = "none",
    ) -> None:
        super().__init__()
        self.residual = residual
        hidden = width_in if expansion is None else apply(make_divisible, width_in * expansion)
        self.expand = (
            nn.Identity() if expansion is None else convolution(width_in, hidden, 1, activation=activation)
        )
        self.depthwise = convolution(
            hidden, hidden, kernel, stride=stride, groups=hidden, activation=activation
        )
        self.gate = _gate(hidden, squeeze_excite)
        self.project = convolution(hidden, width_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the block makes of x, on top of x where it is residual."""
        out = self.expand(x)  # (B, hidden, H, W)
        out = self.gate(self.depthwise(out))  # (B, hidden, H', W')
        out = self.project(out)  # (B, C', H', W')
        return x + out if self.residual else out


def convolution(
    width_in: int,
    width_out: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    activation: Activation | None = None,
) -> nn.Sequential:
    """Return a convolution that keeps the size at stride 1, with batch norm, and an activation where one is
    named.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(width_in, width_out, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(width_out),
    ]
    return nn.Sequential(*layers) if activation is None else nn.Sequential(*layers, ACTIVATIONS[activation]())


def _gate(width: int, squeeze_excite: SqueezeExcitation) -> nn.Module:
    match squeeze_excite:
        case "none":
            return nn.Identity()
        case "force":
            return SqueezeExcite(width)
        case "optional":
            return layer_choice("squeeze_excite", {"none": nn.Identity, "se": lambda: SqueezeExcite(width)})
