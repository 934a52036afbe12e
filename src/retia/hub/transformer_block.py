"""The block of vision transformers: attention, then a feed-forward network."""

from torch import Tensor, nn

from retia.hub.drop_path import DropPath
from retia.hub.relative_attention import RelativeAttention
from retia.space import apply

__all__ = ["TransformerBlock"]


class TransformerBlock(nn.Module):
    """Attention with relative positions and a feed-forward network, each after a layer norm and on top of its
    input: x (B, T, D) to (B, T, D).

    Args:
        width: The number of features D of a token.
        heads: The number of heads of attention.
        mlp_ratio: Times `width`, rounded down, is the number of features inside the feed-forward network.
        head_width: The number of features of a head.
        side: The number of patches in a row of the image, which with a class token are the T tokens.
        drop_path: The rate at which each of the two branches is left out in training.

    Reference:
        Chen et al., AutoFormer: Searching Transformers for Visual Recognition, ICCV 2021; pre-norm, as in the
        authors' code.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        mlp_ratio: float,
        *,
        head_width: int = 64,
        side: int = 14,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        hidden = apply(int, width * mlp_ratio)
        self.attention_norm = nn.LayerNorm(width)
        self.attention = RelativeAttention(width, heads, head_width=head_width, side=side)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens after attention and feed-forward network."""
        x = x + self.drop_path(self.attention(self.attention_norm(x)))
        return x + self.drop_path(self.mlp(self.mlp_norm(x)))
