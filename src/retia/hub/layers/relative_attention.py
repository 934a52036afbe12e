"""Self-attention with relative positions of the tokens on an image."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from retia.nn import tensor_parameter

__all__ = ["RelativeAttention", "RelativePosition"]


class RelativePosition(nn.Module):
    """A vector per pair of tokens: the sum of a vertical and a horizontal distance embedding.

    The tokens are a class token and a square of patches, row by row. Pairs with the class token have a
    separate vector.

    Args:
        side: Number T' of patches in a row.
        features: Length D of a vector.

    Reference:
        Shaw et al., Self-Attention with Relative Position Representations, NAACL 2018, section 3.2, in two
        dimensions as in the code of Chen et al., AutoFormer: Searching Transformers for Visual Recognition,
        ICCV 2021. As in that code, the tables have unused rows for the distances `side` and `-side`.
    """

    def __init__(self, side: int, features: int) -> None:
        super().__init__()
        self.side = side
        rows = 2 * side + 2  # the class token, and the distances from -side to side
        self.vertical = tensor_parameter((rows, features), init=_small)
        self.horizontal = tensor_parameter((rows, features), init=_small)

    def forward(self) -> Tensor:
        """Return the vectors (T, T, D) of the pairs (query, key) of T = 1 + side² tokens."""
        position = torch.arange(self.side, device=self.vertical.device)
        # (T', T'), from 2 to 2 T'; row 0 of the tables is for the class token
        distance = position - position[:, None] + self.side + 1
        down = distance.repeat_interleave(self.side, 0).repeat_interleave(self.side, 1)  # (T - 1, T - 1)
        right = distance.repeat(self.side, self.side)  # (T - 1, T - 1)
        down, right = (functional.pad(index, (1, 0, 1, 0)) for index in (down, right))  # (T, T)
        return self.vertical[down] + self.horizontal[right]


class RelativeAttention(nn.Module):
    """Multi-head self-attention with relative positions in keys and values: x (B, T, D) to (B, T, D).

    Args:
        width: Number D of features of a token.
        heads: Number of heads.
        head_width: Number of features of a head; all heads share the relative positions. Default 64.
        side: Number of patches in a row of the image: T = 1 + side². Default 14.

    Reference:
        Shaw et al., Self-Attention with Relative Position Representations, NAACL 2018, equations 3 and 4.
        Deviation: distances are two-dimensional, see `RelativePosition`.
    """

    def __init__(self, width: int, heads: int, *, head_width: int = 64, side: int = 14) -> None:
        super().__init__()
        self.head_width = head_width
        # Three layers, so that the first heads of each are a prefix of its weights.
        self.query = nn.Linear(width, heads * head_width)
        self.key = nn.Linear(width, heads * head_width)
        self.value = nn.Linear(width, heads * head_width)
        self.key_position = RelativePosition(side, head_width)
        self.value_position = RelativePosition(side, head_width)
        self.project = nn.Linear(heads * head_width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the attention output of each token."""
        # query, key, value and out: (B, heads, T, head_width); scores and weights: (B, heads, T, T)
        query, key, value = (self._split(layer(x)) for layer in (self.query, self.key, self.value))
        scores = query @ key.mT + torch.einsum("bhqd,qkd->bhqk", query, self.key_position())
        weights = (scores * self.head_width**-0.5).softmax(-1)
        out = weights @ value + torch.einsum("bhqk,qkd->bhqd", weights, self.value_position())
        return self.project(out.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_width)).transpose(1, 2)


def _small(weight: Tensor) -> None:
    nn.init.trunc_normal_(weight, std=0.02)
