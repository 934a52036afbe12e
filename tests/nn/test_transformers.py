"""Models of Hugging Face transformers, whose configurations take choices with no line of theirs changed."""

import os
import warnings

import cloudpickle
import numpy as np
import pytest
import torch

from retia.nn import ModelSpace
from retia.space import choice

os.environ.setdefault("HF_HUB_OFFLINE", "1")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")


def sizes():
    heads = choice("heads", [2, 4])
    return {
        "num_attention_heads": heads,
        "hidden_size": heads * choice("head_width", [8, 16]),
        "intermediate_size": choice("feed_forward", [24, 40]),
        "num_hidden_layers": choice("layers", [1, 2, 3]),
    }


def llama():
    config = transformers.LlamaConfig(
        vocab_size=50, max_position_embeddings=32, num_key_value_heads=choice("groups", [1, 2]), **sizes()
    )
    return transformers.LlamaForCausalLM(config)


def vit():
    return transformers.ViTModel(
        transformers.ViTConfig(image_size=16, patch_size=choice("patch", [4, 8]), **sizes())
    )


def bert():
    config = transformers.BertConfig(
        vocab_size=50, max_position_embeddings=32, hidden_act=choice("act", ["gelu", "relu"]), **sizes()
    )
    return transformers.BertModel(config)


def tokens():
    return torch.arange(10).reshape(2, 5)


FACTORIES = {"llama": llama, "vit": vit, "bert": bert}


@pytest.fixture(scope="module")
def spaces():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return {name: ModelSpace(factory) for name, factory in FACTORIES.items()}


@pytest.mark.parametrize("name", FACTORIES)
def test_all_choices_are_found(spaces, name):
    assert spaces[name].size() == 2 * 2 * 2 * 3 * 2
    assert all(parameter.condition.always for parameter in spaces[name].parameters.values())


@pytest.mark.parametrize("i", range(3))
def test_llama(spaces, i):
    architecture = spaces["llama"].sample(np.random.default_rng(i))
    model = spaces["llama"].build(architecture, seed=0).eval()
    layers = model.model.layers
    width = architecture["heads"] * architecture["head_width"]
    assert len(layers) == architecture["layers"]
    assert layers[0].mlp.gate_proj.weight.shape == (architecture["feed_forward"], width)
    assert layers[0].self_attn.k_proj.weight.shape == (
        architecture["groups"] * architecture["head_width"],
        width,
    )
    with torch.no_grad():
        assert model(tokens()).logits.shape == (2, 5, 50)


@pytest.mark.parametrize("i", range(3))
def test_vit(spaces, i):
    architecture = spaces["vit"].sample(np.random.default_rng(i))
    model = spaces["vit"].build(architecture, seed=0).eval()
    width, patches = architecture["heads"] * architecture["head_width"], (16 // architecture["patch"]) ** 2
    with torch.no_grad():
        assert model(torch.zeros(2, 3, 16, 16)).last_hidden_state.shape == (2, patches + 1, width)


@pytest.mark.parametrize("i", range(3))
def test_bert(spaces, i):
    architecture = spaces["bert"].sample(np.random.default_rng(i))
    model = spaces["bert"].build(architecture, seed=0).eval()
    assert model.encoder.layer[0].intermediate.dense.out_features == architecture["feed_forward"]
    assert len(model.encoder.layer) == architecture["layers"]
    with torch.no_grad():
        assert model(tokens()).last_hidden_state.shape == (
            2,
            5,
            architecture["heads"] * architecture["head_width"],
        )


@pytest.mark.parametrize("name", FACTORIES)
def test_a_build_on_meta_has_the_shapes_of_one_on_the_cpu(spaces, name):
    architecture = spaces[name].sample(np.random.default_rng(7))
    real, meta = spaces[name].build(architecture, seed=0), spaces[name].build(architecture, device="meta")
    assert {key: tensor.shape for key, tensor in real.state_dict().items()} == {
        key: tensor.shape for key, tensor in meta.state_dict().items()
    }
    assert {parameter.device.type for parameter in meta.parameters()} == {"meta"}


@pytest.mark.parametrize("name", FACTORIES)
def test_the_configuration_of_a_built_model_is_plain(spaces, name):
    config = spaces[name].build(spaces[name].default(), device="meta").config
    assert {type(config.hidden_size), type(config.num_attention_heads), type(config.num_hidden_layers)} == {
        int
    }
    assert type(config).from_dict(config.to_dict()).hidden_size == 16


def test_a_restriction_instead_of_a_product():
    def factory():
        config = transformers.ViTConfig(
            image_size=16,
            patch_size=8,
            hidden_size=choice("width", [16, 24, 48]),
            num_attention_heads=choice("heads", [2, 3, 4, 6]),
            num_hidden_layers=1,
            intermediate_size=8,
        )
        return transformers.ViTModel(config)

    space = ModelSpace(factory).where(lambda x: x["width"] % x["heads"] == 0, "the heads divide the width")
    assert space.size() == 2 + 4 + 4
    for architecture in space.enumerate():
        assert space.build(architecture, device="meta").config.hidden_size == architecture["width"]


def test_the_space_pickles(spaces):
    again = cloudpickle.loads(cloudpickle.dumps(spaces["bert"]))
    assert again.to_json() == spaces["bert"].to_json()
