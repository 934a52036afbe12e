"""The AutoFormer spaces: vision transformers with searched width, depth, heads and feed-forward ratios."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from retia.errors import SpaceError
from retia.hub.layers import TransformerBlock, choose, require_rate
from retia.hub.published import Published
from retia.nn import repeat
from retia.space import Value

__all__ = ["BASE", "PUBLISHED", "SMALL", "TINY", "AutoFormer", "TransformerSizes"]


@dataclass(frozen=True)
class TransformerSizes:
    """Candidate sizes of a transformer.

    Args:
        widths: Numbers of features of a token.
        depth: (least, most) number of blocks, both included.
        heads: Numbers of heads of a block.
        mlp_ratios: Ratios of the hidden features of a block's feed-forward network to the width.

    Raises:
        SpaceError: If a list is empty, a value is not positive or is repeated, not 1 <= least <= most, or two
            ratios give the same number of features.
    """

    widths: Sequence[int]
    depth: tuple[int, int]
    heads: Sequence[int]
    mlp_ratios: Sequence[float]

    def __post_init__(self) -> None:
        for name, values in (("widths", self.widths), ("heads", self.heads), ("mlp_ratios", self.mlp_ratios)):
            if not values or min(values) <= 0:
                msg = f"{name} are one or more positive numbers, got {values}."
                raise SpaceError(msg)
            if len(set(values)) < len(values):
                msg = f"{name} are distinct, got {values}. Remove the repeated values."
                raise SpaceError(msg)
        if len(self.depth) != 2 or not 1 <= self.depth[0] <= self.depth[1]:
            msg = f"depth is (least, most) with 1 <= least <= most, got {self.depth}."
            raise SpaceError(msg)
        for width in self.widths:
            hidden = [int(width * ratio) for ratio in self.mlp_ratios]
            if len(set(hidden)) < len(hidden) or min(hidden) < 1:
                msg = (
                    "mlp_ratios must give distinct numbers of features, at least 1, "
                    f"but {list(self.mlp_ratios)} times the width {width} are {hidden}, "
                    "so two architectures would build the same model. Remove one."
                )
                raise SpaceError(msg)


TINY = TransformerSizes(widths=(192, 216, 240), depth=(12, 14), heads=(3, 4), mlp_ratios=(3.0, 3.5, 4.0))
SMALL = TransformerSizes(widths=(320, 384, 448), depth=(12, 14), heads=(5, 6, 7), mlp_ratios=(3.0, 3.5, 4.0))
BASE = TransformerSizes(widths=(528, 576, 624), depth=(14, 16), heads=(8, 9, 10), mlp_ratios=(3.0, 3.5, 4.0))
"""Sizes of the three published spaces: `TINY`, `SMALL` and `BASE`."""


class AutoFormer(nn.Module):
    """Vision transformers of AutoFormer: a patch embedding, transformer blocks and a classifier.

    All blocks have the same width (`width`), and their number is `blocks`. Each block has a number of heads
    (`blocks/3/heads`) and a feed-forward ratio (`blocks/3/mlp_ratio`). A class token takes part in attention;
    the classifier gets the mean of the patches. A size with a single candidate is not a parameter.

    The space has 280,804,921,344 architectures (2.8e11) with `TINY`, 77,103,263,459,313 (7.7e13) with `SMALL`
    and 6,245,364,340,204,353 (6.2e15) with `BASE`.

    Args:
        classes: Number of classes. Default 1000.
        sizes: Candidate sizes, such as `TINY`, `SMALL` or `BASE`. Default `TINY`.
        image_size: Height and width of the image, a multiple of `patch_size`. Default 224.
        patch_size: Height and width of a patch. Default 16.
        channels: Number of channels of the image. Default 3.
        head_width: Number of features of a head. Default 64.
        drop_path: Drop-path rate of the last possible block, in [0, 1); it increases linearly from 0 at the
            first block. Default 0.1.

    Raises:
        SpaceError: If an argument is out of range.

    Reference:
        Chen et al., AutoFormer: Searching Transformers for Visual Recognition, ICCV 2021, and the authors'
        code. Deviation: queries, keys and values are three layers instead of interleaved rows of one layer,
        with the same number of weights.

    >>> sizes = TransformerSizes(widths=(64, 96), depth=(2, 4), heads=(1, 2), mlp_ratios=(2.0,))
    >>> len(AutoFormer(classes=10, sizes=sizes, image_size=32, patch_size=4, channels=1).blocks)
    2
    """

    def __init__(
        self,
        classes: int = 1000,
        *,
        sizes: TransformerSizes = TINY,
        image_size: int = 224,
        patch_size: int = 16,
        channels: int = 3,
        head_width: int = 64,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__()
        _validate(classes, image_size, patch_size, channels, head_width, drop_path)
        side = image_size // patch_size
        last = max(1, sizes.depth[1] - 1)
        width = choose("width", sizes.widths)

        def block(i: int) -> nn.Module:
            heads, ratio = choose("heads", sizes.heads), choose("mlp_ratio", sizes.mlp_ratios)
            return TransformerBlock(
                width, heads, ratio, head_width=head_width, side=side, drop_path=drop_path * i / last
            )

        self.patches = nn.Conv2d(channels, width, patch_size, stride=patch_size)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.zeros(1, 1 + side**2, width))
        self.blocks = repeat("blocks", block, sizes.depth)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)
        self.apply(_initialize)
        for tokens in (self.class_token, self.position):
            nn.init.trunc_normal_(tokens, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, classes) of images (B, channels, image_size, image_size)."""
        x = self.patches(x).flatten(2).transpose(1, 2)  # (B, T - 1, D)
        x = torch.cat((self.class_token.expand(len(x), -1, -1), x), 1) + self.position  # (B, T, D)
        x = self.norm(self.blocks(x))  # (B, T, D)
        return self.head(x[:, 1:].mean(1))


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


def _validate(
    classes: int, image_size: int, patch_size: int, channels: int, head_width: int, drop_path: float
) -> None:
    if min(classes, channels, head_width, patch_size) < 1:
        msg = f"Sizes are at least 1, got {classes=}, {channels=}, {head_width=} and {patch_size=}."
        raise SpaceError(msg)
    if image_size < patch_size or image_size % patch_size:
        msg = (
            f"image_size is a multiple of patch_size, got {image_size} and {patch_size}. "
            f"Resize the images, or use a patch size that divides {image_size}."
        )
        raise SpaceError(msg)
    require_rate("drop_path", drop_path)


def _architecture(width: int, heads: Sequence[int], mlp_ratios: Sequence[float]) -> Mapping[str, Value]:
    """Return the architecture with the given heads and feed-forward ratios of the blocks."""
    labels: dict[str, Value] = {"width": width, "blocks": len(heads)}
    for i, (count, ratio) in enumerate(zip(heads, mlp_ratios, strict=True)):
        labels[f"blocks/{i}/heads"] = count
        labels[f"blocks/{i}/mlp_ratio"] = ratio
    return labels


_TINY = _architecture(
    width=192,
    heads=(3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 3, 3),
    mlp_ratios=(3.5, 3.5, 3.0, 3.5, 3.0, 3.0, 4.0, 4.0, 3.5, 4.0, 3.5, 4.0, 3.5),
)
_SMALL = _architecture(
    width=384,
    heads=(6, 6, 5, 7, 5, 5, 5, 6, 6, 7, 7, 6, 7),
    mlp_ratios=(3.0, 3.5, 3.0, 3.5, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 3.5, 4.0),
)
_BASE = _architecture(
    width=576,
    heads=(9, 9, 9, 9, 9, 10, 9, 9, 10, 9, 10, 9, 9, 10),
    mlp_ratios=(3.5, 3.5, 4.0, 3.5, 4.0, 3.5, 3.5, 3.0, 4.0, 4.0, 3.0, 4.0, 3.0, 3.5),
)

PUBLISHED = (
    Published("autoformer-tiny", AutoFormer, {"sizes": TINY}, _TINY),
    Published("autoformer-small", AutoFormer, {"sizes": SMALL}, _SMALL),
    Published("autoformer-base", AutoFormer, {"sizes": BASE}, _BASE),
)
"""Results of the paper's evolution in each of the three spaces, for images of 224 pixels."""
