"""Stages of mobile networks."""

from dataclasses import dataclass
from typing import Literal, get_args

from retia.errors import SpaceError
from retia.hub.layers import ACTIVATIONS, Activation, SqueezeExcitation

__all__ = ["Stage"]


@dataclass(frozen=True)
class Stage:
    """Common settings of the blocks of a stage.

    Args:
        width: Number of output channels, before a width multiplier.
        stride: Stride of the first block, 1 or 2; the other blocks have stride 1. Default 1.
        activation: "relu", "hswish" or "swish". Default "relu".
        squeeze_excite: Squeeze-and-excitation of the blocks: "none", "force", or "optional" for a choice per
            block. Default "none".
        depth: (least, most) number of blocks, both included. Default (1, 1).

    Raises:
        SpaceError: If an argument does not have one of these values.
    """

    width: int
    stride: Literal[1, 2] = 1
    activation: Activation = "relu"
    squeeze_excite: SqueezeExcitation = "none"
    depth: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        if self.width < 1:
            msg = f"The width of a stage is at least 1, got {self.width}."
            raise SpaceError(msg)
        if self.stride not in {1, 2}:
            msg = f"The stride of a stage is 1 or 2, got {self.stride}. Add a stage to shrink further."
            raise SpaceError(msg)
        if self.activation not in ACTIVATIONS:
            msg = f"The activation of a stage is one of {list(ACTIVATIONS)}, got {self.activation!r}."
            raise SpaceError(msg)
        if self.squeeze_excite not in get_args(SqueezeExcitation):
            msg = (
                f"The squeeze-and-excitation of a stage is one of {list(get_args(SqueezeExcitation))}, "
                f"got {self.squeeze_excite!r}."
            )
            raise SpaceError(msg)
        if len(self.depth) != 2 or not 1 <= self.depth[0] <= self.depth[1]:
            msg = (
                f"The depth of a stage is (least, most) with 1 <= least <= most, got {self.depth}. "
                "A stage needs a block, which changes the width."
            )
            raise SpaceError(msg)
