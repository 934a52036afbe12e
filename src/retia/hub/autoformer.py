"""The AutoFormer spaces: vision transformers of searched width, depth, heads and feed-forward ratios."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from retia.errors import SpaceError
from retia.hub.layers import TransformerBlock, choose
from retia.hub.published import Published
from retia.nn import repeat
from retia.space import Value

__all__ = ["BASE", "PUBLISHED", "SMALL", "TINY", "AutoFormer", "TransformerSizes"]


@dataclass(frozen=True)
class TransformerSizes:
    """The sizes that a transformer may have.

    Args:
        widths: The numbers of features of a token.
        depth: The (least, most) number of blocks, both included.
        heads: The numbers of heads, of each block.
        mlp_ratios: The numbers of features inside the feed-forward network of each block, in widths.

    Raises:
        SpaceError: If there is no value of one of them, a value is not positive or stands twice, the depths
            don't ascend, or two ratios give one number of features.
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
                msg = f"{name} are distinct, got {values}. Remove what stands twice."
                raise SpaceError(msg)
        if len(self.depth) != 2 or not 1 <= self.depth[0] <= self.depth[1]:
            msg = f"depth is (least, most) with 1 <= least <= most, got {self.depth}."
            raise SpaceError(msg)
        for width in self.widths:
            hidden = [int(width * ratio) for ratio in self.mlp_ratios]
            if len(set(hidden)) < len(hidden) or min(hidden) < 1:
                msg = (
                    "mlp_ratios must give distinct numbers of features, at least 1, "
                    f"but {list(self.mlp_ratios)} times the width {width} are {hidden}: "
                    f"two architectures would build one model. Leave one out."
                )
                raise SpaceError(msg)


TINY = TransformerSizes(widths=(192, 216, 240), depth=(12, 14), heads=(3, 4), mlp_ratios=(3.0, 3.5, 4.0))
SMALL = TransformerSizes(widths=(320, 384, 448), depth=(12, 14), heads=(5, 6, 7), mlp_ratios=(3.0, 3.5, 4.0))
BASE = TransformerSizes(widths=(528, 576, 624), depth=(14, 16), heads=(8, 9, 10), mlp_ratios=(3.0, 3.5, 4.0))
"""The sizes of the three published spaces are `TINY`, `SMALL` and `BASE`."""


class AutoFormer(nn.Module):
    """The networks of AutoFormer: patches, blocks of attention with relative positions and of feed-forward
    networks, a classifier.

    All blocks have one width (`width`). Their number is `blocks`; each has its number of heads
    (`blocks/3/heads`), each of `head_width` features, and its feed-forward ratio (`blocks/3/mlp_ratio`). A
    class token takes part in attention, and the mean of the patches is classified.

    The space has 280,804,921,344 architectures (2.8e11) with `TINY`, 77,103,263,459,313 (7.7e13) with `SMALL`
    and 6,245,364,340,204,353 (6.2e15) with `BASE`. What can take one value only is no choice.

    Args:
        classes: The number of classes.
        sizes: What the sizes may be: `TINY`, `SMALL`, `BASE`, or others.
        image_size: The height and width of the image, a multiple of `patch_size`.
        patch_size: The height and width of a patch.
        channels: The number of channels of the image.
        head_width: The number of features of a head.
        drop_path: The rate at which branches are left out in training, of the last block that there may be;
            it rises linearly from 0.

    Raises:
        SpaceError: If an argument is out of range.

    Reference:
        Chen et al., AutoFormer: Searching Transformers for Visual Recognition, ICCV 2021, and the authors'
        code. Deviation: queries, keys and values are three layers instead of rows of one that take turns;
        they have as many weights.

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
        _check(classes, image_size, patch_size, channels, head_width, drop_path)
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


def _check(
    classes: int, image_size: int, patch_size: int, channels: int, head_width: int, drop_path: float
) -> None:
    if min(classes, channels, head_width, patch_size) < 1:
        msg = f"Sizes are at least 1, got {classes=}, {channels=}, {head_width=} and {patch_size=}."
        raise SpaceError(msg)
    if image_size < patch_size or image_size % patch_size:
        msg = (
            f"image_size is a multiple of patch_size, got {image_size} and {patch_size}. Resize the images, "
            f"or take a patch size that divides {image_size}."
        )
        raise SpaceError(msg)
    if not 0 <= drop_path < 1:
        msg = f"drop_path is a rate of at least 0 and below 1, got {drop_path}."
        raise SpaceError(msg)


def _architecture(width: int, heads: Sequence[int], mlp_ratios: Sequence[float]) -> Mapping[str, Value]:
    """Return the architecture with these heads and feed-forward ratios, block by block."""
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
"""What the paper's evolution found in each of the three spaces, for images of 224 pixels."""
