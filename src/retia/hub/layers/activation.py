"""Activations of mobile networks."""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from torch import nn

__all__ = ["ACTIVATIONS", "Activation"]

Activation: TypeAlias = Literal["relu", "hswish", "swish"]
"""Name of an activation."""

ACTIVATIONS: Mapping[Activation, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "hswish": nn.Hardswish,
    "swish": nn.SiLU,
}
"""Activations by name."""
