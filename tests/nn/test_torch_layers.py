"""Layers of torch with inner structure, which take choices as plain numbers."""

import numpy as np
import pytest
import torch
from torch import nn

from retia.nn import ModelSpace
from retia.space import choice


def encoder_layer():
    width = choice("heads", [1, 2, 4]) * choice("head_width", [4, 8])
    return nn.TransformerEncoderLayer(
        width,
        choice("heads", [1, 2, 4]),
        dim_feedforward=choice("feed_forward", [8, 16]),
        dropout=choice("dropout", [0.0, 0.25]),
        activation=choice("activation", ["relu", "gelu"]),
        norm_first=choice("norm_first", [False, True]),
        batch_first=True,
    )


def encoder():
    return nn.TransformerEncoder(encoder_layer(), choice("layers", [1, 3]), enable_nested_tensor=False)


def lstm():
    return nn.LSTM(
        choice("inputs", [3, 5]),
        choice("hidden", [4, 8]),
        num_layers=choice("layers", [1, 2]),
        bidirectional=choice("bidirectional", [False, True]),
    )


def width_of(architecture):
    return architecture["heads"] * architecture["head_width"]


@pytest.mark.parametrize("i", range(4))
def test_a_transformer_encoder_layer(i):
    space = ModelSpace(encoder_layer)
    assert space.size() == 3 * 2 * 2 * 2 * 2 * 2
    architecture = space.sample(np.random.default_rng(i))
    model, width = space.build(architecture, seed=0).eval(), width_of(architecture)
    assert model.linear1.weight.shape == (architecture["feed_forward"], width)
    assert model.self_attn.num_heads == architecture["heads"]
    assert model.dropout1.p == architecture["dropout"]
    assert model.norm_first is architecture["norm_first"]
    assert model(torch.ones(2, 3, width)).shape == (2, 3, width)


@pytest.mark.parametrize("i", range(2))
def test_a_transformer_encoder(i):
    space = ModelSpace(encoder)
    architecture = space.sample(np.random.default_rng(i))
    model, width = space.build(architecture, seed=0).eval(), width_of(architecture)
    assert len(model.layers) == architecture["layers"]
    assert model(torch.ones(2, 3, width)).shape == (2, 3, width)


def test_multi_head_attention():
    space = ModelSpace(
        lambda: nn.MultiheadAttention(choice("width", [8, 16]), choice("heads", [2, 4]), batch_first=True)
    )
    for architecture in space.enumerate():
        model = space.build(architecture, seed=0)
        x = torch.ones(2, 3, architecture["width"])
        out, weights = model(x, x, x, average_attn_weights=False)
        assert out.shape == x.shape
        assert weights.shape == (2, architecture["heads"], 3, 3)
        assert model.head_dim == architecture["width"] // architecture["heads"]


def test_an_lstm():
    space = ModelSpace(lstm)
    assert space.size() == 16
    for architecture in space.enumerate():
        model = space.build(architecture, seed=0)
        out, _ = model(torch.ones(6, 2, architecture["inputs"]))
        directions = 2 if architecture["bidirectional"] else 1
        assert out.shape == (6, 2, architecture["hidden"] * directions)
        assert len(model.all_weights) == architecture["layers"] * directions


def test_what_is_built_is_what_constants_build():
    space = ModelSpace(encoder)
    architecture = {
        "heads": 2,
        "head_width": 8,
        "feed_forward": 16,
        "dropout": 0.25,
        "activation": "gelu",
        "norm_first": True,
        "layers": 3,
    }
    layer = nn.TransformerEncoderLayer(
        16, 2, 16, 0.25, "gelu", norm_first=True, batch_first=True, device="meta"
    )
    plain = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    assert str(space.build(architecture, device="meta")) == str(plain)
