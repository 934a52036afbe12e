"""Inverted residuals, the blocks of mobile networks."""

from typing import Literal, TypeAlias

from torch import Tensor, nn

from retia.hub.layers.activation import ACTIVATIONS, Activation
from retia.hub.layers.divisible_width import make_divisible
from retia.hub.layers.squeeze_excite import SqueezeExcite
from retia.nn import layer_choice
from retia.space import apply

__all__ = ["InvertedResidual", "SqueezeExcitation", "convolution"]

SqueezeExcitation: TypeAlias = Literal["none", "optional", "force"]
"""Whether a block has squeeze-and-excitation: never, as a choice, or always."""


class InvertedResidual(nn.Module):
    """Expand by a 1x1 convolution, filter each channel, and project: (B, C, H, W) to (B, C', H', W').

    Args:
        width_in: Number C of input channels.
        width_out: Number C' of output channels.
        kernel: Size of the depthwise kernel, odd. Default 3.
        expansion: Ratio of the hidden channels to `width_in`; the product is rounded by `make_divisible`.
            None omits the expanding convolution, which makes a depthwise separable convolution. Default 6.
        stride: Stride of the depthwise convolution. Default 1.
        residual: Whether the input is added to the output, which requires stride 1 and C' = C. The caller
            decides, because a search can't follow a comparison of two searched widths. Default False.
        activation: Activation of the first two convolutions; the last one is linear. Default "relu".
        squeeze_excite: Squeeze-and-excitation after the depthwise convolution; "optional" declares a choice
            labelled `squeeze_excite`. Default "none".

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
        """Return the output of the block, plus x if it is residual."""
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
    """Return a convolution that keeps the size at stride 1, a batch norm, and the activation if given."""
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
