"""The MobileNetV3 space: inverted residuals with searched width, depth, kernels and expansions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from retia.errors import SpaceError
from retia.hub.layers import ACTIVATIONS, InvertedResidual, choose, convolution, make_divisible, require_rate
from retia.hub.published import Published
from retia.hub.stage import Stage
from retia.nn import repeat
from retia.space import Value, scope

__all__ = ["PUBLISHED", "MobileNetV3"]

KERNELS = (3, 5, 7)
"""Kernel sizes of depthwise convolutions."""

STEM_KERNELS = (3, 5)
"""Kernel sizes of the stem."""

STEM = Stage(16, stride=2, activation="hswish")
"""Stem of the largest space of TuNAS."""

STAGES = (
    Stage(16, activation="relu"),
    Stage(16, stride=2, activation="relu", depth=(1, 4)),
    Stage(32, stride=2, activation="relu", depth=(1, 4), squeeze_excite="optional"),
    Stage(64, stride=2, activation="hswish", depth=(1, 4)),
    Stage(128, activation="hswish", depth=(1, 4), squeeze_excite="optional"),
    Stage(256, stride=2, activation="hswish", depth=(1, 4), squeeze_excite="optional"),
)
"""Stages of the largest space of TuNAS."""


class MobileNetV3(nn.Module):
    """Networks of TuNAS's largest space: a stem, stages of blocks and a head with the classifier.

    Parameters of the stem are `stem/width` and `stem/kernel`, those of the head `head/width` and
    `head/hidden`. A stage has a width (`stage2/width`) and a number of blocks (`stage2`). A block has a
    kernel size (`stage2/0/kernel`), an expansion except in stage 0 (`stage2/0/expansion`), and
    squeeze-and-excitation where it is optional (`stage2/0/squeeze_excite`).

    The candidates of a width are its default times `width_multipliers`, rounded by `make_divisible`, without
    duplicates. The stem and stage 0 share a width if their defaults are equal. If two expansions give the
    same hidden width, the later one is removed. A size with a single candidate is not a parameter.

    All blocks except the first of a stage are residual. The first block is residual if its stride is 1 and
    its input and output widths are the same choice or constant, as in stage 0.

    The space has 616,686,186,202,076,620,425,372,033,300,480,000 (6.2e35) architectures with the defaults.

    Args:
        classes: Number of classes. Default 1000.
        stem: Width, stride and activation of the first convolution.
        stages: Stages; stage 0 consists of depthwise separable convolutions. The head has the activation of
            the last stage.
        head_widths: Width of the last convolution, and of the layer after pooling. Default (512, 1024).
        width_multipliers: Candidate multipliers of widths, positive; (1.0,) for constant widths.
        expansions: Candidate ratios of the hidden width of a block to its input width, positive.
        dropout: Dropout rate before the classifier, in [0, 1). Default 0.2.
        channels: Number of channels of the image. Default 3.

    Raises:
        SpaceError: If an argument is out of range, or two expansions give the same hidden width for some
            candidate widths only.

    Reference:
        Bender et al., Can Weight Sharing Outperform Random Architecture Search? An Investigation with TuNAS,
        CVPR 2020, the space `mobilenet_v3_like_search` of the authors' code. Deviations: blocks are removed
        from the end of a stage instead of anywhere after the first, so that each network has one
        architecture; stage 0 always has its block; squeeze-and-excitation is optional only in the stages
        where MobileNetV3-Large (Howard et al., Searching for MobileNetV3, ICCV 2019, table 1) has it; batch
        norm has torch's epsilon, 1e-5.

    >>> stages = [Stage(16), Stage(24, stride=2, depth=(2, 3))]
    >>> MobileNetV3(classes=10, stages=stages, width_multipliers=(1.0,)).head[3]
    Linear(in_features=512, out_features=1024, bias=True)
    """

    def __init__(
        self,
        classes: int = 1000,
        *,
        stem: Stage = STEM,
        stages: Sequence[Stage] = STAGES,
        head_widths: tuple[int, int] = (512, 1024),
        width_multipliers: Sequence[float] = (0.5, 0.625, 0.75, 1.0, 1.25, 1.5, 2.0),
        expansions: Sequence[float] = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
        dropout: float = 0.2,
        channels: int = 3,
    ) -> None:
        super().__init__()
        _validate(classes, stem, stages, head_widths, width_multipliers, expansions, dropout, channels)
        widths = _widths(stem, stages, head_widths, width_multipliers)
        ratios = {width.possible: _expansions(width.possible, expansions) for width in widths[1:-2]}

        with scope("stem"):
            kernel = choose("kernel", STEM_KERNELS)
        self.stem = convolution(
            channels, widths[0].value, kernel, stride=stem.stride, activation=stem.activation
        )
        self.stages = nn.Sequential(
            *(_stage(i, stage, widths[i], widths[i + 1], ratios) for i, stage in enumerate(stages))
        )
        last, wide, hidden = (width.value for width in widths[-3:])
        self.head = nn.Sequential(
            convolution(last, wide, 1, activation=stages[-1].activation),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(wide, hidden),
            ACTIVATIONS[stages[-1].activation](),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )
        self.apply(_initialize)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, classes) of images (B, channels, H, W)."""
        x = self.stages(self.stem(x))  # (B, C, H/32, W/32) with the strides of the defaults
        return self.head(x)


@dataclass(frozen=True)
class _Width:
    """A number of channels: the value, which may be symbolic, and its candidates."""

    value: int
    possible: tuple[int, ...]

    def same_as(self, other: "_Width") -> bool:
        """Whether both are the same choice, or the same constant."""
        return self is other or (len(self.possible) == 1 and self.possible == other.possible)


def _widths(
    stem: Stage, stages: Sequence[Stage], head_widths: tuple[int, int], multipliers: Sequence[float]
) -> list[_Width]:
    """Choose the widths of the stem, of each stage, and of the two layers of the head."""

    def searched(part: str, name: str, own: int) -> _Width:
        possible = tuple(dict.fromkeys(make_divisible(own * multiplier) for multiplier in multipliers))
        with scope(part):
            return _Width(choose(name, possible), possible)

    widths = [searched("stem", "width", stem.width)]
    for i, stage in enumerate(stages):
        shared = i == 0 and stage.width == stem.width
        widths.append(widths[0] if shared else searched(f"stage{i}", "width", stage.width))
    return [*widths, searched("head", "width", head_widths[0]), searched("head", "hidden", head_widths[1])]


def _expansions(widths: Sequence[int], expansions: Sequence[float]) -> tuple[float, ...]:
    """Return the expansions that give distinct hidden widths for all candidate `widths` of the input.

    Raises:
        SpaceError: If two expansions are distinct for some of the widths only.
    """
    distinct: dict[tuple[int, ...], float] = {}
    for expansion in expansions:
        distinct.setdefault(tuple(make_divisible(width * expansion) for width in widths), expansion)
    for width, *hidden in zip(widths, *distinct, strict=True):
        if len(set(hidden)) < len(hidden):
            twice = next(value for i, value in enumerate(hidden) if value in hidden[:i])
            alike = [
                expansion
                for expansion, value in zip(distinct.values(), hidden, strict=True)
                if value == twice
            ]
            msg = (
                f"Expansions must give distinct hidden widths, but {alike} all give {twice} channels for "
                f"{width}, though not for all of {list(widths)}, "
                "so two architectures would build the same model. "
                "Remove one, or fix the widths with width_multipliers=(1.0,)."
            )
            raise SpaceError(msg)
    return tuple(distinct.values())


def _stage(
    number: int,
    stage: Stage,
    before: _Width,
    after: _Width,
    expansions: Mapping[tuple[int, ...], Sequence[float]],
) -> nn.Sequential:
    """Stack the blocks of a stage; `expansions` maps the candidates of an input width to expansions."""

    def block(i: int) -> nn.Module:
        width = before if i == 0 else after
        stride = stage.stride if i == 0 else 1
        return InvertedResidual(
            width.value,
            after.value,
            kernel=choose("kernel", KERNELS),
            expansion=None if number == 0 else choose("expansion", expansions[width.possible]),
            stride=stride,
            residual=stride == 1 and width.same_as(after),
            activation=stage.activation,
            squeeze_excite=stage.squeeze_excite,
        )

    return repeat(f"stage{number}", block, stage.depth)


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)


def _validate(
    classes: int,
    stem: Stage,
    stages: Sequence[Stage],
    head_widths: tuple[int, int],
    width_multipliers: Sequence[float],
    expansions: Sequence[float],
    dropout: float,
    channels: int,
) -> None:
    if classes < 1 or channels < 1:
        msg = f"There is at least one class and one channel, got classes={classes} and channels={channels}."
        raise SpaceError(msg)
    if stem.depth != (1, 1) or stem.squeeze_excite != "none":
        msg = (
            f"The stem is one convolution without squeeze-and-excitation, got {stem}. "
            "Give only its width, stride and activation."
        )
        raise SpaceError(msg)
    if not stages or not all(isinstance(stage, Stage) for stage in stages):
        msg = (
            f"stages is one Stage or more, got {stages}. Give [Stage(16), ...], "
            "or omit it for the stages of TuNAS."
        )
        raise SpaceError(msg)
    if len(head_widths) != 2 or min(head_widths) < 1:
        msg = f"head_widths are two numbers of channels, at least 1, got {head_widths}."
        raise SpaceError(msg)
    for name, factors in (("width_multipliers", width_multipliers), ("expansions", expansions)):
        if not factors or min(factors) <= 0:
            msg = f"{name} are one or more positive numbers, got {factors}."
            raise SpaceError(msg)
    require_rate("dropout", dropout)


def _architecture(stem: int, separable: int, *stages: Sequence[tuple[int, float]]) -> Mapping[str, Value]:
    """Return an architecture of constant widths.

    `stem` and `separable` are the kernels of the stem and of stage 0; a block is (kernel, expansion).
    """
    labels: dict[str, Value] = {"stem/kernel": stem, "stage0/0/kernel": separable}
    for number, blocks in enumerate(stages, start=1):
        labels[f"stage{number}"] = len(blocks)
        for i, (kernel, expansion) in enumerate(blocks):
            labels[f"stage{number}/{i}/kernel"] = kernel
            labels[f"stage{number}/{i}/expansion"] = expansion
    return labels


_LARGE: Mapping[str, Any] = {
    "stages": (
        Stage(16, activation="relu"),
        Stage(24, stride=2, activation="relu", depth=(1, 4)),
        Stage(40, stride=2, activation="relu", depth=(1, 4), squeeze_excite="force"),
        Stage(80, stride=2, activation="hswish", depth=(1, 4)),
        Stage(112, activation="hswish", depth=(1, 4), squeeze_excite="force"),
        Stage(160, stride=2, activation="hswish", depth=(1, 4), squeeze_excite="force"),
    ),
    "head_widths": (960, 1280),
    "width_multipliers": (1.0,),
    "expansions": (1.0, 2.0, 2.3, 2.5, 3.0, 4.0, 6.0),
}

_CREAM: Mapping[str, Any] = {
    "stem": Stage(16, stride=2, activation="swish"),
    "stages": (
        Stage(16, activation="swish", squeeze_excite="force"),
        Stage(24, stride=2, activation="swish", depth=(1, 4), squeeze_excite="force"),
        Stage(40, stride=2, activation="swish", depth=(1, 4), squeeze_excite="force"),
        Stage(80, stride=2, activation="swish", depth=(1, 4), squeeze_excite="force"),
        Stage(96, activation="swish", depth=(1, 4), squeeze_excite="force"),
        Stage(192, stride=2, activation="swish", depth=(1, 4), squeeze_excite="force"),
    ),
    "head_widths": (320, 1280),
    "width_multipliers": (1.0,),
    "expansions": (4.0, 6.0),
}

_LARGE_100 = _architecture(
    3,
    3,
    [(3, 4.0), (3, 3.0)],
    [(5, 3.0), (5, 3.0), (5, 3.0)],
    [(3, 6.0), (3, 2.5), (3, 2.3), (3, 2.3)],
    [(3, 6.0), (3, 6.0)],
    [(5, 6.0), (5, 6.0), (5, 6.0)],
)
_CREAM_014 = _architecture(3, 3, [(3, 4.0)], [(5, 6.0)] * 2, [(5, 6.0)] * 2, [(3, 6.0)], [(5, 6.0)])
_CREAM_043 = _architecture(
    3, 3, [(3, 4.0)], [(5, 6.0), (3, 6.0)], [(5, 6.0), (3, 6.0)], [(5, 6.0)] * 3, [(5, 6.0)] * 2
)
_CREAM_114 = _architecture(3, 3, [(3, 4.0)], [(5, 6.0)] * 2, [(5, 6.0)] * 2, [(5, 6.0)] * 3, [(5, 6.0)] * 2)
_CREAM_287 = _architecture(
    3, 3, [(3, 4.0)], [(5, 6.0)] * 2, [(5, 6.0), (3, 6.0), (5, 6.0)], [(5, 6.0)] * 4, [(5, 6.0)] * 3
)

PUBLISHED = (
    Published("mobilenetv3-large-100", MobileNetV3, _LARGE, _LARGE_100),
    Published("cream-014", MobileNetV3, _CREAM, _CREAM_014),
    Published("cream-043", MobileNetV3, _CREAM, _CREAM_043),
    Published("cream-114", MobileNetV3, _CREAM, _CREAM_114),
    Published("cream-287", MobileNetV3, _CREAM, _CREAM_287),
)
"""MobileNetV3-Large (Howard et al., ICCV 2019, table 1), for images of 224 pixels; and four networks of
Cream of the Crop (Peng et al., NeurIPS 2020), named by their millions of multiply-adds, for images of 64, 96,
160 and 224 pixels.
"""
