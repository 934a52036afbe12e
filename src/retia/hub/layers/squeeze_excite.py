"""Squeeze-and-excitation: weights of channels that depend on the image."""

from torch import Tensor, nn

from retia.hub.layers.divisible_width import make_divisible
from retia.space import apply

__all__ = ["SqueezeExcite"]


class SqueezeExcite(nn.Module):
    """Multiply each channel of (B, C, H, W) by a weight in [0, 1] computed from all channels.

    Args:
        width: Number C of channels. The bottleneck has a quarter of them, rounded by `make_divisible`.

    Reference:
        Hu et al., Squeeze-and-Excitation Networks, CVPR 2018, section 3. Deviation: the gate is a hard
        sigmoid, and the bottleneck a quarter, as in Howard et al., Searching for MobileNetV3, ICCV 2019,
        sections 5.2 and 5.3.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        reduced = apply(make_divisible, width / 4)
        self.reduce = nn.Conv2d(width, reduced, 1)
        self.expand = nn.Conv2d(reduced, width, 1)
        self.activation = nn.ReLU()
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Return x with weighted channels, of the same shape."""
        squeezed = x.mean((2, 3), keepdim=True)  # (B, C, 1, 1)
        weights = self.gate(self.expand(self.activation(self.reduce(squeezed))))  # (B, C, 1, 1)
        return x * weights
