import json

import numpy as np
import pytest
import torch
from torch import nn

from retia.cost import Example, count, count_parameters
from retia.errors import SpaceError
from retia.hub.autoformer import BASE, PUBLISHED, SMALL, TINY, AutoFormer, TransformerSizes
from retia.hub.layers import RelativeAttention, RelativePosition, TransformerBlock
from retia.nn import ModelSpace, seeded
from retia.testing import SUPERNET_LAWS

MODELS = {model.name: model for model in PUBLISHED}
SIZES = TransformerSizes(widths=(16, 24), depth=(1, 3), heads=(1, 2), mlp_ratios=(1.5, 2.0))


def small(**arguments):
    return ModelSpace(
        AutoFormer,
        **{"classes": 5, "sizes": SIZES, "image_size": 12, "patch_size": 4, "head_width": 8, **arguments},
    )


@pytest.fixture
def fixed_weights():
    with seeded(0):
        yield


def images():
    return torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("autoformer-tiny", 5_867_944, 1_084_534_272),
        ("autoformer-small", 22_891_432, 4_386_462_720),
        ("autoformer-base", 53_691_688, 10_399_615_488),
    ],
)
def test_published_models_have_their_parameters_and_multiply_adds(name, params, macs):
    model = MODELS[name].space().build(MODELS[name].architecture, device="meta")
    counted = count(model, Example.of((3, 224, 224)))
    assert counted.params == params
    assert counted.macs == macs + attention_macs(
        MODELS[name].architecture
    )  # those published are of the layers alone


def attention_macs(architecture):
    """Return the multiply-adds beside layers: queries with keys and their positions, weights with values and
    theirs.
    """
    heads = sum(value for label, value in architecture.items() if label.endswith("heads"))
    return 4 * 197**2 * 64 * heads


def test_published_models_are_those_of_the_shared_presets(shared_data):
    presets = {
        preset["name"]: preset
        for preset in json.loads((shared_data / "hub_presets" / "presets.json").read_text())
    }
    for name, model in MODELS.items():
        preset = presets[name]
        depth = preset["choices"]["depth"]
        ours = {"width": preset["choices"]["embed_dim"], "blocks": depth}
        for i in range(depth):  # the presets have values for absent blocks, too
            ours |= {
                f"blocks/{i}/heads": preset["choices"][f"num_head_{i}"],
                f"blocks/{i}/mlp_ratio": preset["choices"][f"mlp_ratio_{i}"],
            }
        assert ours == model.architecture
        counted = count(
            model.space().build(model.architecture, device="meta"), Example.of(tuple(preset["input"]))
        )
        assert counted.params == preset["params"]
        assert counted.macs - attention_macs(ours) == pytest.approx(preset["macs_conv_linear"], rel=1e-3)


@pytest.mark.parametrize(
    ("sizes", "per_block", "depths", "size"),
    [
        (TINY, 2 * 3, (12, 13, 14), 280_804_921_344),
        (SMALL, 3 * 3, (12, 13, 14), 77_103_263_459_313),
        (BASE, 3 * 3, (14, 15, 16), 6_245_364_340_204_353),
    ],
)
def test_the_spaces_have_the_sizes_that_the_docstring_states(sizes, per_block, depths, size):
    assert ModelSpace(AutoFormer, sizes=sizes).size() == 3 * sum(per_block**depth for depth in depths) == size
    assert f"{size:,}" in AutoFormer.__doc__


def test_every_choice_reaches_its_layer():
    space = small()
    architecture = {
        "width": 24,
        "blocks": 2,
        "blocks/0/heads": 2,
        "blocks/0/mlp_ratio": 1.5,
        "blocks/1/heads": 1,
        "blocks/1/mlp_ratio": 2.0,
    }
    model = space.build(architecture, seed=0)
    assert model.class_token.shape == (1, 1, 24)
    assert model.position.shape == (1, 10, 24)
    assert [block.attention.query.out_features for block in model.blocks] == [16, 8]
    assert [block.mlp[0].out_features for block in model.blocks] == [36, 48]
    assert model.patches.out_channels == model.norm.normalized_shape[0] == model.head.in_features == 24
    assert model.eval()(images()).shape == (2, 5)


def test_neighbours_build_different_models():
    space = small()
    for architecture in space.enumerate():
        around = [architecture, *space.neighbours(architecture)]
        assert len({str(space.build(neighbour, device="meta")) for neighbour in around}) == len(around)
        if architecture["blocks"] == 2:
            break


def test_parameters_of_a_small_network_by_hand():
    space = small()
    model = space.build(space.default(), device="meta")
    assert dict(space.default()) == {"width": 16, "blocks": 1, "blocks/0/heads": 1, "blocks/0/mlp_ratio": 1.5}
    tokens = (3 * 4 * 4 * 16 + 16) + 16 + (1 + 9) * 16  # patches, class token, positions
    attention = (
        3 * (16 * 8 + 8) + (8 * 16 + 16) + 2 * 2 * (2 * 3 + 2) * 8
    )  # queries, keys, values; projection; two pairs of tables
    block = attention + (16 * 24 + 24) + (24 * 16 + 16) + 2 * 2 * 16
    assert count_parameters(model) == tokens + block + 2 * 16 + (16 * 5 + 5)


def test_outside_a_search_the_first_values_are_taken():
    with seeded(0):
        model = AutoFormer(classes=10, sizes=SIZES, image_size=8, patch_size=4, channels=1)
    assert len(model.blocks) == 1
    assert model.head.in_features == 16
    assert model.eval()(images()[:, :1, :8, :8]).shape == (2, 10)


def test_training_reaches_every_parameter():
    space = small(drop_path=0.0)
    model = space.build(space.sample(np.random.default_rng(3)), seed=0)
    model(images()).square().sum().backward()
    assert all(
        parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters()
    )


@pytest.mark.parametrize("law", SUPERNET_LAWS, ids=lambda law: law.__name__)
def test_supernet(law):
    law(small(drop_path=0.4), images())


def test_drop_path_rises_with_depth():
    deepest = {**small().default(), "blocks": 3} | {
        f"blocks/{i}/{size}": value for i in range(3) for size, value in (("heads", 1), ("mlp_ratio", 2.0))
    }
    model = small(drop_path=0.4).build(deepest, device="meta")
    assert [block.drop_path.rate for block in model.blocks] == [0.0, 0.2, 0.4]
    shallow = small(drop_path=0.4).build(small().default(), device="meta")
    assert [block.drop_path.rate for block in shallow.blocks] == [
        0.0
    ]  # of the first of three that there may be


def test_what_can_take_one_value_only_is_no_choice():
    space = small(sizes=TransformerSizes(widths=(16,), depth=(2, 2), heads=(1,), mlp_ratios=(1.0, 2.0)))
    assert list(space.parameters) == ["blocks/0/mlp_ratio", "blocks/1/mlp_ratio"]


def test_patches_are_classified_by_their_mean():
    model = small().build(small().default(), seed=0).eval()
    model.blocks = nn.Sequential()
    tokens = model.patches(images()).flatten(2).mT + model.position[:, 1:]
    torch.testing.assert_close(model(images()), model.head(model.norm(tokens).mean(1)))


@pytest.mark.usefixtures("fixed_weights")
def test_relative_positions_are_looked_up_by_distance():
    side, rows = 3, 8
    position = RelativePosition(side, 2)
    assert position.vertical.shape == (rows, 2)
    position.vertical.data = torch.stack((torch.arange(rows), torch.zeros(rows)), 1)
    position.horizontal.data = torch.stack((torch.zeros(rows), torch.arange(rows)), 1)
    vectors = position()
    assert vectors.shape == (10, 10, 2)
    assert not vectors[0].any()  # the class token's own row 0 of the tables
    assert not vectors[:, 0].any()
    for query in range(9):
        for key in range(9):
            down, right = key // 3 - query // 3, key % 3 - query % 3
            assert vectors[1 + query, 1 + key].tolist() == [down + side + 1, right + side + 1]


@pytest.mark.usefixtures("fixed_weights")
def test_attention_is_that_of_its_equations():
    attention = RelativeAttention(6, 2, head_width=4, side=2).double()
    for position in (attention.key_position, attention.value_position):
        nn.init.normal_(position.vertical)
        nn.init.normal_(position.horizontal)
    x = torch.randn(5, 6, dtype=torch.float64)
    query, key, value = (
        layer(x).reshape(5, 2, 4) for layer in (attention.query, attention.key, attention.value)
    )
    of_keys, of_values = attention.key_position(), attention.value_position()
    gathered = torch.zeros(5, 2, 4, dtype=torch.float64)
    for head in range(2):
        for i in range(5):
            scores = torch.stack(
                [query[i, head] @ (key[j, head] + of_keys[i, j]) / 2 for j in range(5)]
            )  # sqrt(4) = 2
            weights = scores.softmax(0)
            gathered[i, head] = sum(weights[j] * (value[j, head] + of_values[i, j]) for j in range(5))
    torch.testing.assert_close(attention(x[None])[0], attention.project(gathered.flatten(1)))


@pytest.mark.usefixtures("fixed_weights")
def test_attention_without_relative_positions_is_that_of_torch():
    attention = RelativeAttention(8, 2, head_width=4, side=2)
    reference = nn.MultiheadAttention(8, 2, batch_first=True)
    for position in (attention.key_position, attention.value_position):
        nn.init.zeros_(position.vertical)
        nn.init.zeros_(position.horizontal)
    layers = (attention.query, attention.key, attention.value)
    reference.load_state_dict(
        {
            "in_proj_weight": torch.cat([layer.weight for layer in layers]),
            "in_proj_bias": torch.cat([layer.bias for layer in layers]),
            "out_proj.weight": attention.project.weight,
            "out_proj.bias": attention.project.bias,
        }
    )
    x = torch.randn(3, 5, 8)
    torch.testing.assert_close(attention(x), reference(x, x, x)[0])


@pytest.mark.usefixtures("fixed_weights")
def test_a_block_adds_both_branches_to_its_input():
    block = TransformerBlock(8, 1, 2.0, head_width=4, side=2)
    x = torch.randn(2, 5, 8)
    middle = x + block.attention(block.attention_norm(x))
    torch.testing.assert_close(block(x), middle + block.mlp(block.mlp_norm(middle)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 0}, "Sizes are at least 1, got classes=0, channels=3, head_width=8 and patch_size=4"),
        ({"channels": 0}, "Sizes are at least 1"),
        ({"head_width": 0}, "Sizes are at least 1"),
        ({"patch_size": 0}, "Sizes are at least 1"),
        ({"image_size": 13}, "image_size is a multiple of patch_size, got 13 and 4"),
        ({"image_size": 0}, "image_size is a multiple of patch_size, got 0 and 4"),
        ({"drop_path": 1.0}, "drop_path is a rate of at least 0 and below 1, got 1.0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(SpaceError, match=message):
        small(**arguments)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"widths": ()}, r"widths are one or more positive numbers, got \(\)"),
        ({"heads": (0, 1)}, r"heads are one or more positive numbers, got \(0, 1\)"),
        ({"mlp_ratios": (-1.0,)}, "mlp_ratios are one or more positive numbers"),
        ({"depth": (0, 2)}, r"depth is \(least, most\) with 1 <= least <= most, got \(0, 2\)"),
        ({"depth": (3, 2)}, "depth is"),
        ({"depth": (1,)}, "depth is"),
        (
            {"mlp_ratios": (2.0, 2.01)},
            r"\[2.0, 2.01\] times the width 16 are \[32, 32\], so two architectures would build the same model",
        ),
        ({"mlp_ratios": (0.01,)}, r"at least 1, but \[0.01\] times the width 16 are \[0\]"),
        ({"widths": (16, 16)}, r"widths are distinct, got \(16, 16\)"),
    ],
)
def test_bad_sizes(sizes, message):
    with pytest.raises(SpaceError, match=message):
        TransformerSizes(
            **{"widths": (16, 24), "depth": (1, 3), "heads": (1, 2), "mlp_ratios": (1.5, 2.0), **sizes}
        )
