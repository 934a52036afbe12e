"""Blocks of vision transformers."""

from torch import Tensor, nn

from retia.hub.layers.drop_path import DropPath
from retia.hub.layers.relative_attention import RelativeAttention
from retia.space import apply

__all__ = ["TransformerBlock"]


class TransformerBlock(nn.Module):
    """Attention with relative positions and a feed-forward network: (B, T, D) to (B, T, D).

    Both are residual branches that start with a layer norm.

    Args:
        width: Number D of features of a token.
        heads: Number of attention heads.
        mlp_ratio: Ratio of the hidden features of the feed-forward network to `width`; the product is
            rounded down.
        head_width: Number of features of a head. Default 64.
        side: Number of patches in a row of the image: T = 1 + side². Default 14.
        drop_path: Drop-path rate of each branch in training, in [0, 1). Default 0.

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
        """Return the tokens after both branches."""
        x = x + self.drop_path(self.attention(self.attention_norm(x)))
        return x + self.drop_path(self.mlp(self.mlp_norm(x)))
