import json
from math import prod

import numpy as np
import pytest
import torch
from torch import nn

from retia.cost import Example, count, count_parameters
from retia.errors import SpaceError
from retia.hub.layers import InvertedResidual, SqueezeExcite, choose, make_divisible
from retia.hub.mobilenetv3 import PUBLISHED, MobileNetV3
from retia.hub.stage import Stage
from retia.nn import ModelSpace, seeded
from retia.testing import SUPERNET_LAWS

MODELS = {model.name: model for model in PUBLISHED}
IMAGE_SIZES = {
    "mobilenetv3-large-100": 224,
    "cream-014": 64,
    "cream-043": 96,
    "cream-114": 160,
    "cream-287": 224,
}


@pytest.fixture(scope="module")
def space():
    return ModelSpace(MobileNetV3)


def small(**arguments):
    stages = [
        Stage(8),
        Stage(16, stride=2, squeeze_excite="optional", depth=(1, 2)),
        Stage(24, activation="hswish", depth=(1, 3)),
    ]
    return ModelSpace(
        MobileNetV3,
        **{
            "classes": 5,
            "stem": Stage(8, activation="hswish"),
            "stages": stages,
            "head_widths": (32, 40),
            "width_multipliers": (1.0, 2.0),
            "expansions": (1.0, 2.0),
            **arguments,
        },
    )


def images(size=16):
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def blocks(model):
    return [block for stage in model.stages for block in stage]


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("mobilenetv3-large-100", 5_483_032, 216_589_760),
        ("cream-014", 2_673_096, 13_188_608),
        ("cream-043", 4_398_600, 40_655_232),
        ("cream-114", 4_410_120, 109_623_680),
        ("cream-287", 6_044_368, 276_262_016),
    ],
)
def test_published_models_have_their_parameters_and_multiply_adds(name, params, macs):
    model = MODELS[name].space().build(MODELS[name].architecture, device="meta")
    counted = count(model, Example.of((3, IMAGE_SIZES[name], IMAGE_SIZES[name])))
    assert (counted.params, counted.macs) == (params, macs)


def test_published_models_are_those_of_the_shared_presets(shared_data):
    presets = {
        preset["name"]: preset
        for preset in json.loads((shared_data / "hub_presets" / "presets.json").read_text())
    }
    for name, model in MODELS.items():
        preset = presets[name]
        assert {
            _ours(label): value for label, value in preset["choices"].items() if label != "s0_depth"
        } == model.architecture
        counted = count(
            model.space().build(model.architecture, device="meta"), Example.of(tuple(preset["input"]))
        )
        assert counted.params == preset["params"]
        assert counted.macs == pytest.approx(preset["macs_conv_linear"], rel=1e-3)


def _ours(label):
    """Return our label for one of the presets: s2_i0_ks, s2_i0_exp, s2_depth, stem_ks."""
    words = {"ks": "kernel", "exp": "expansion"}
    if label == "stem_ks":
        return "stem/kernel"
    stage, *rest = label.split("_")
    return f"stage{stage[1:]}" if rest == ["depth"] else f"stage{stage[1:]}/{rest[0][1:]}/{words[rest[1]]}"


def test_the_default_space_has_the_size_that_its_docstring_states(space):
    widths = [
        4,
        4,
        6,
        7,
        7,
        7,
        7,
        7,
        # stem and stage 0: 8, 16, 24, 32; stage 1: the same; stage 2: 16, 24, 32, 40, 48, 64; then one a
        # multiplier
    ]
    plain = sum((3 * 6) ** depth for depth in range(1, 5))  # kernels, expansions
    gated = sum((3 * 6 * 2) ** depth for depth in range(1, 5))
    size = prod(widths) * 2 * 3 * plain**2 * gated**3
    assert space.size() == size == 616_686_186_202_076_620_425_372_033_300_480_000
    assert f"{size:,}" in MobileNetV3.__doc__


def test_widths_that_round_to_one_are_one_choice(space):
    values = {
        label: parameter.domain.values
        for label, parameter in space.parameters.items()
        if label.endswith(("width", "hidden"))
    }
    assert values["stem/width"] == values["stage1/width"] == (8, 16, 24, 32)
    assert values["stage2/width"] == (16, 24, 32, 40, 48, 64)
    assert values["head/width"] == (256, 320, 384, 512, 640, 768, 1024)
    assert "stage0/width" not in values  # the stem's


def test_stem_and_stage_0_have_a_width_each_where_theirs_differ():
    space = small(stem=Stage(16))
    assert space.parameters["stem/width"].domain.values == (16, 32)
    assert space.parameters["stage0/width"].domain.values == (8, 16)
    model = space.build({**space.default(), "stem/width": 16, "stage0/width": 16}, device="meta")
    assert not model.stages[0][0].residual  # two choices that are equal by chance


def test_fixed_widths_are_no_choices():
    space = small(width_multipliers=(1.5,))
    assert not [label for label in space.parameters if label.endswith(("width", "hidden"))]
    model = space.build(space.default(), device="meta")
    assert [block.project[0].out_channels for block in blocks(model)] == [
        16,
        24,
        40,
    ]  # 8 * 1.5 rounds up; 24 * 1.5 = 36
    assert (model.head[3].in_features, model.head[3].out_features) == (48, 64)


def test_every_choice_reaches_its_layer():
    space = small()
    architecture = {
        "stem/width": 16,
        "stem/kernel": 5,
        "stage0/0/kernel": 7,
        "head/width": 64,
        "head/hidden": 40,
        "stage1": 2,
        "stage1/width": 32,
        "stage2": 1,
        "stage2/width": 24,
        "stage1/0/kernel": 5,
        "stage1/0/expansion": 2.0,
        "stage1/0/squeeze_excite": "se",
        "stage1/1/kernel": 3,
        "stage1/1/expansion": 1.0,
        "stage1/1/squeeze_excite": "none",
        "stage2/0/kernel": 7,
        "stage2/0/expansion": 2.0,
    }
    model = space.build(architecture, seed=0)
    assert (model.stem[0].out_channels, model.stem[0].kernel_size, model.stem[0].padding) == (
        16,
        (5, 5),
        (2, 2),
    )
    depthwise = [block.depthwise[0] for block in blocks(model)]
    assert [layer.kernel_size[0] for layer in depthwise] == [7, 5, 3, 7]
    assert (
        [layer.groups for layer in depthwise]
        == [layer.in_channels for layer in depthwise]
        == [16, 32, 32, 64]
    )
    assert [layer.stride[0] for layer in depthwise] == [1, 2, 1, 1]
    assert [block.project[0].out_channels for block in blocks(model)] == [16, 32, 32, 24]
    assert [type(block.gate) for block in blocks(model)] == [
        nn.Identity,
        SqueezeExcite,
        nn.Identity,
        nn.Identity,
    ]
    assert [type(block.depthwise[2]) for block in blocks(model)] == [nn.ReLU, nn.ReLU, nn.ReLU, nn.Hardswish]
    assert (model.head[0][0].out_channels, model.head[3].out_features, model.head[6].out_features) == (
        64,
        40,
        5,
    )
    assert model.eval()(images()).shape == (2, 5)


def test_neighbours_build_different_models():
    space = small()
    rng = np.random.default_rng(0)
    for _ in range(3):
        architecture = space.sample(rng)
        around = [architecture, *space.neighbours(architecture)]
        assert len({str(space.build(neighbour, device="meta")) for neighbour in around}) == len(around)


def test_blocks_are_residual_but_for_the_first_of_a_stage(space):
    rng = np.random.default_rng(0)
    for architecture in [space.sample(rng) for _ in range(5)]:
        stages = space.build(architecture, device="meta").stages
        assert [[block.residual for block in stage] for stage in stages] == [[True]] + [
            [False] + [True] * (len(stage) - 1) for stage in stages[1:]
        ]


def test_the_first_block_of_mobilenetv3_large_is_residual():
    model = MODELS["mobilenetv3-large-100"]
    stages = model.space().build(model.architecture, device="meta").stages
    assert [[block.residual for block in stage] for stage in stages] == [[True]] + [
        [False] + [True] * (depth - 1) for depth in (2, 3, 4, 2, 3)
    ]


@pytest.mark.parametrize(
    ("width_multipliers", "residual"),
    [((1.0,), [True, True, False, False, True]), ((1.0, 2.0), [True, False, False, False, False])],
)
def test_first_blocks_are_residual_where_the_width_can_not_change(width_multipliers, residual):
    stages = [Stage(16), Stage(16), Stage(16, stride=2), Stage(24), Stage(24)]
    space = small(stem=Stage(16), stages=stages, width_multipliers=width_multipliers)
    assert [block.residual for block in blocks(space.build(space.default(), device="meta"))] == residual


def test_parameters_of_a_small_network_by_hand():
    model = small().build(small().default(), device="meta")
    stem = 3 * 8 * 9 + 2 * 8
    stage0 = 8 * 9 + 2 * 8 + 8 * 8 + 2 * 8
    stage1 = (8 * 8 + 2 * 8) + (8 * 9 + 2 * 8) + (8 * 16 + 2 * 16)  # expand, depthwise, project
    stage2 = (16 * 16 + 2 * 16) + (16 * 9 + 2 * 16) + (16 * 24 + 2 * 24)
    head = (24 * 32 + 2 * 32) + (32 * 40 + 40) + (40 * 5 + 5)
    assert count_parameters(model) == stem + stage0 + stage1 + stage2 + head


def test_outside_a_search_the_first_values_are_taken():
    with seeded(0):
        model = MobileNetV3(classes=10)
    assert [len(stage) for stage in model.stages] == [1] * 6
    assert [stage[0].project[0].out_channels for stage in model.stages] == [8, 8, 16, 32, 64, 128]
    assert model.eval()(images(32)).shape == (2, 10)


def test_training_reaches_every_parameter():
    space = small(dropout=0.0)
    model = space.build(space.sample(np.random.default_rng(3)), seed=0)
    model(images()).square().sum().backward()
    assert all(
        parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters()
    )


@pytest.mark.parametrize("law", SUPERNET_LAWS, ids=lambda law: law.__name__)
def test_supernet(law):
    law(small(), images())


def test_a_residual_block_that_projects_to_nothing_is_the_identity():
    with seeded(0):
        block = InvertedResidual(
            8, 8, kernel=5, expansion=3.0, residual=True, activation="swish", squeeze_excite="force"
        )
    nn.init.zeros_(block.project[1].weight)
    x = torch.arange(2 * 8 * 4 * 4.0).reshape(2, 8, 4, 4)
    assert torch.equal(block(x), x)
    block.residual = False
    assert torch.equal(block(x), torch.zeros_like(x))


def test_squeeze_and_excitation_weighs_channels_by_their_mean():
    with seeded(0):
        layer = SqueezeExcite(16)
    assert layer.reduce.weight.shape == (8, 16, 1, 1)  # a quarter is 4, and 8 the least
    for convolution in (layer.reduce, layer.expand):
        nn.init.zeros_(convolution.weight)
        nn.init.zeros_(convolution.bias)
    layer.reduce.weight.data[0, 0] = 1.0  # the mean of the first channel
    layer.expand.weight.data[1, 0] = (
        6.0  # decides on the second: the hard sigmoid of 6 * 0.25 is 1.5 / 6 + 0.5
    )
    x = torch.full((1, 16, 2, 2), 0.25)
    weights = torch.full((16,), 0.5)
    weights[1] = 0.75
    torch.testing.assert_close(layer(x), x * weights[:, None, None])


@pytest.mark.parametrize(
    ("width", "divisible"),
    [
        (1, 8),
        (11.9, 16),
        (12, 16),
        (16, 16),
        (19, 24),
        (20, 24),
        (36.8, 40),
        (56.4, 56),
        (67, 64),
        (0.5 * 90, 48),
    ],  # 11.9 and 19 would lose more than 10 %
)
def test_make_divisible(width, divisible):
    assert make_divisible(width) == divisible


def test_one_value_is_no_choice():
    space = ModelSpace(lambda: nn.Linear(choose("in", (3,)), choose("out", (1, 2))))
    assert list(space.parameters) == ["out"]


def test_expansions_to_one_hidden_width_are_one():
    space = MODELS["mobilenetv3-large-100"].space()
    domains = {
        label: space.parameters[label].domain.values for label in ("stage1/0/expansion", "stage3/1/expansion")
    }
    assert domains["stage1/0/expansion"] == (1.0, 2.0, 2.3, 3.0, 4.0, 6.0)  # 2.3 and 2.5 times 16 are both 40
    assert domains["stage3/1/expansion"] == (1.0, 2.0, 2.3, 2.5, 3.0, 4.0, 6.0)


def test_expansions_that_are_one_for_some_widths_only_are_an_error():
    with pytest.raises(
        SpaceError, match=r"\[2.3, 2.5\] all give 40 channels for 16, though not for all of \[16, 80\]"
    ):
        small(width_multipliers=(2.0, 10.0), expansions=(2.3, 2.5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 0}, "at least one class and one channel, got classes=0 and channels=3"),
        ({"channels": 0}, "got classes=5 and channels=0"),
        (
            {"stem": Stage(16, squeeze_excite="force")},
            "stem is one convolution without squeeze-and-excitation",
        ),
        ({"stem": Stage(16, depth=(1, 2))}, "stem is one convolution"),
        ({"stages": []}, "stages is one Stage or more, got"),
        ({"stages": [16, 24]}, r"stages is one Stage or more, got \[16, 24\]"),
        ({"head_widths": (512,)}, r"head_widths are two numbers of channels, at least 1, got \(512,\)"),
        ({"head_widths": (512, 0)}, "head_widths are two numbers"),
        ({"width_multipliers": ()}, r"width_multipliers are one or more positive numbers, got \(\)"),
        ({"width_multipliers": (1.0, 0.0)}, "width_multipliers are one or more positive"),
        ({"expansions": (-1.0,)}, r"expansions are one or more positive numbers, got \(-1.0,\)"),
        ({"dropout": 1.0}, "dropout is a rate of at least 0 and below 1, got 1.0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(SpaceError, match=message):
        small(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width of a stage is at least 1, got 0"),
        ({"stride": 3}, "stride of a stage is 1 or 2, got 3"),
        (
            {"activation": "gelu"},
            r"activation of a stage is one of \['relu', 'hswish', 'swish'\], got 'gelu'",
        ),
        (
            {"squeeze_excite": "maybe"},
            r"squeeze-and-excitation of a stage is one of \['none', 'optional', 'force'\], got 'maybe'",
        ),
        ({"depth": (0, 2)}, r"depth of a stage is \(least, most\) with 1 <= least <= most, got \(0, 2\)"),
        ({"depth": (3, 2)}, "depth of a stage is"),
        ({"depth": (1,)}, "depth of a stage is"),
    ],
)
def test_bad_stages(arguments, message):
    with pytest.raises(SpaceError, match=message):
        Stage(**{"width": 16, **arguments})
