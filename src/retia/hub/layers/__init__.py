"""Layers and blocks of the published spaces."""

from retia.hub.layers.activation import ACTIVATIONS, Activation
from retia.hub.layers.darts_operations import FactorizedReduce, operations, relu_conv_norm
from retia.hub.layers.divisible_width import make_divisible
from retia.hub.layers.drop_path import DropPath, require_rate
from retia.hub.layers.inverted_residual import InvertedResidual, SqueezeExcitation, convolution
from retia.hub.layers.optional_choice import choose
from retia.hub.layers.relative_attention import RelativeAttention, RelativePosition
from retia.hub.layers.squeeze_excite import SqueezeExcite
from retia.hub.layers.transformer_block import TransformerBlock

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "DropPath",
    "FactorizedReduce",
    "InvertedResidual",
    "RelativeAttention",
    "RelativePosition",
    "SqueezeExcitation",
    "SqueezeExcite",
    "TransformerBlock",
    "choose",
    "convolution",
    "make_divisible",
    "operations",
    "relu_conv_norm",
    "require_rate",
]
