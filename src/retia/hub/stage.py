"""The stages of a mobile network: what their blocks have in common."""

from dataclasses import dataclass
from typing import Literal, get_args

from retia.errors import SpaceError
from retia.hub.layers import ACTIVATIONS, Activation, SqueezeExcitation

__all__ = ["Stage"]


@dataclass(frozen=True)
class Stage:
    """A row of a mobile network's table.

    Args:
        width: The number of output channels, before a width multiplier.
        stride: The stride of the first block, 1 or 2; the others have 1.
        activation: "relu", "hswish" or "swish".
        squeeze_excite: Whether every block has squeeze-and-excitation ("force"), none has, or each may
            ("optional").
        depth: The (least, most) number of blocks, both included.

    Raises:
        SpaceError: If a value is none of these.
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
                "A stage always has a block, for it changes the width."
            )
            raise SpaceError(msg)
