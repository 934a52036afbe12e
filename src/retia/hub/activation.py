"""The activations of mobile networks."""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from torch import nn

__all__ = ["ACTIVATIONS", "Activation"]

Activation: TypeAlias = Literal["relu", "hswish", "swish"]
"""The name of an activation."""

ACTIVATIONS: Mapping[Activation, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "hswish": nn.Hardswish,
    "swish": nn.SiLU,
}
"""The activations by name."""
