"""Models of Hugging Face transformers as supernets, with no line of theirs changed."""

import copy
import os
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from retia.errors import SupernetError
from retia.nn import ModelSpace, layer_choice, repeat
from retia.space import choice, greatest, least
from retia.supernet import Supernet

os.environ.setdefault("HF_HUB_OFFLINE", "1")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")

TOKENS = torch.arange(10).reshape(2, 5)
IMAGES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def llama_config(**changes):
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
    }
    return transformers.LlamaConfig(vocab_size=50, max_position_embeddings=32, **{**sizes, **changes})


def vit_config(**changes):
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 16,
        "patch_size": 8,
    }
    return transformers.ViTConfig(num_labels=5, **{**sizes, **changes})


def bert_config(**changes):
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 50,
        "max_position_embeddings": 32,
    }
    return transformers.BertConfig(**{**sizes, **changes})


def llama(tied):
    config = llama_config(
        hidden_size=choice("width", [16, 32]),
        intermediate_size=choice("feed_forward", [24, 40]),
        num_hidden_layers=choice("layers", [1, 2, 3]),
        num_attention_heads=choice("heads", [2, 4]),
        num_key_value_heads=choice("groups", [1, 2]),
        tie_word_embeddings=tied,
    )
    return transformers.LlamaForCausalLM(config)


def vit():
    heads = choice("heads", [2, 4])
    config = vit_config(
        num_attention_heads=heads,
        hidden_size=heads * choice("head_width", [8, 16]),
        intermediate_size=choice("feed_forward", [24, 40]),
        patch_size=choice("patch", [4, 8]),
    )
    return transformers.ViTForImageClassification(config)


def vit_with_depth():
    """The layers are replaced, after their constructor, with as many as the space says; so are the
    activations, with a choice of ours.
    """
    config = vit_config(hidden_size=choice("width", [16, 32]), num_hidden_layers=1)
    model = transformers.ViTModel(config)
    kind = type(model.layers[0])
    model.layers = repeat("layers", lambda i: kind(config), (1, 3))
    for layer in model.layers:
        layer.mlp.activation_fn = layer_choice("act", [nn.GELU, nn.ReLU])
    return model


def bert():
    heads = choice("heads", [2, 4])
    config = bert_config(
        num_attention_heads=heads,
        hidden_size=heads * 8,
        intermediate_size=choice("feed_forward", [24, 40]),
        max_position_embeddings=16,
    )
    return transformers.BertModel(config)


def mixtral():
    """Its forward reads which experts a token goes to, which `meta` tensors don't say."""
    config = transformers.MixtralConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=choice("feed_forward", [24, 40]),
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        num_local_experts=choice("experts", [2, 4]),
        num_experts_per_tok=choice("used", [1, 2]),
        experts_implementation="eager",
    )
    return transformers.MixtralForCausalLM(config)


MODELS = {
    "llama": (lambda: llama(tied=False), TOKENS),
    "llama-tied": (lambda: llama(tied=True), TOKENS),
    "vit": (vit, IMAGES),
    "vit-depth": (vit_with_depth, IMAGES),
    "bert": (bert, TOKENS),
    "mixtral": (mixtral, TOKENS),
}


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    factory, example = MODELS[request.param]
    return Supernet(ModelSpace(factory), example=example, seed=0), example


def architectures(space):
    domains = {label: parameter.domain for label, parameter in space.parameters.items()}
    rng = np.random.default_rng(0)
    extremes = [
        space.canonical({label: extreme(domain) for label, domain in domains.items()})
        for extreme in (least, greatest)
    ]
    return [*extremes, *(space.sample(rng) for _ in range(4))]


def output(model, example):
    result = model(example)
    return result.logits if "logits" in result else result.last_hidden_state


def backward(model, example):
    """Compute the gradients of a sum of the outputs with fixed random weights."""
    model.zero_grad(set_to_none=True)
    result = output(model, example)
    (result * torch.randn(result.shape, generator=torch.Generator().manual_seed(1))).sum().backward()


def part_of_gradient(use):
    """Return of a full tensor's gradient what `use` is of the tensor."""
    full = use.module._parameters[use.tensor]
    weights, full.data = full.data, full.grad
    part = use.part.detach().clone()
    full.data = weights
    return part


def total_gradient(model):
    return sum(
        float(parameter.grad.abs().sum()) for parameter in model.parameters() if parameter.grad is not None
    )


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_outputs_are_those_of_the_models(case):
    supernet, example = case
    supernet.eval()
    for architecture in architectures(supernet.space):
        supernet.activate(architecture)
        close(output(supernet, example), output(supernet.subnet(), example))


def test_names_and_shapes_are_as_built(case):
    supernet, _ = case
    for architecture in architectures(supernet.space):
        built = supernet.space.build(architecture, device="meta").state_dict()
        assert {name: tensor.shape for name, tensor in supernet.extract(architecture).items()} == {
            name: tensor.shape for name, tensor in built.items()
        }


def test_a_copy_is_the_same_and_independent(case):
    supernet, example = case
    supernet.eval()
    twin = copy.deepcopy(supernet)
    small, large, *_ = architectures(supernet.space)
    twin.activate(small)
    supernet.activate(large)
    close(output(twin, example), output(supernet.subnet(small), example))
    close(output(supernet, example), output(twin.subnet(large), example))


def test_gradients_reach_the_full_tensors(case):
    supernet, example = case
    supernet.eval()
    for architecture in architectures(supernet.space):
        supernet.activate(architecture)
        model = supernet.subnet()
        backward(supernet, example)
        backward(model, example)
        expected = dict(model.named_parameters(remove_duplicate=False))
        uses = [use for use in supernet.parts() if use.name in expected]
        assert len(uses) == len(expected)
        for use in uses:
            gradient = expected[use.name].grad
            if gradient is None:  # a pooler, whose output is not looked at
                assert use.module._parameters[use.tensor].grad is None
            else:
                close(part_of_gradient(use), gradient)
        assert total_gradient(supernet) == pytest.approx(
            total_gradient(model), rel=1e-4
        )  # none beyond the parts


def test_the_tokens_and_positions_of_vit_are_served_in_part():
    supernet = Supernet(ModelSpace(vit), example=IMAGES, seed=0)
    supernet.activate({"heads": 2, "head_width": 8, "feed_forward": 24, "patch": 8})
    embeddings = supernet.model.vit.embeddings
    assert embeddings.cls_token.shape == (1, 1, 16)
    assert embeddings.position_embeddings.shape == (1, 5, 16)
    assert {
        name: tuple(parameter.shape) for name, parameter in embeddings.named_parameters(recurse=False)
    } == {
        "cls_token": (1, 1, 64),
        "position_embeddings": (1, 17, 64),
    }
    output(supernet, IMAGES).sum().backward()
    gradient = embeddings._parameters["cls_token"].grad
    heads = gradient.view(4, 16)  # two heads of 8 are the first entries of two of the four heads of 16
    assert (heads[:2, :8] != 0).any()
    assert heads[2:].abs().sum() + heads[:, 8:].abs().sum() == 0


def test_layers_that_forward_skips_belong_to_no_subnet():
    supernet = Supernet(ModelSpace(lambda: llama(tied=False)), example=TOKENS, seed=0)
    supernet.activate({**supernet.architecture, "layers": 1})
    assert not [name for name in supernet.extract() if name.startswith("model.layers.1.")]
    output(supernet, TOKENS).sum().backward()
    assert supernet.model.model.layers[0].mlp.up_proj._parameters["weight"].grad is not None
    assert supernet.model.model.layers[1].mlp.up_proj._parameters["weight"].grad is None


def test_tied_embeddings_stay_tied():
    supernet = Supernet(ModelSpace(lambda: llama(tied=True)), example=TOKENS, seed=0)
    weights = supernet.extract({**supernet.architecture, "width": 16})
    assert weights["lm_head.weight"].shape == (50, 16)
    assert torch.equal(weights["lm_head.weight"], weights["model.embed_tokens.weight"])
    model = supernet.subnet({**supernet.architecture, "width": 16})
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_a_checkpoint_of_theirs_loads_into_a_subnet(tmp_path):
    supernet = Supernet(ModelSpace(lambda: llama(tied=False)), example=TOKENS, seed=0).eval()
    model = supernet.subnet({**supernet.architecture, "layers": 1, "width": 16})
    model.save_pretrained(tmp_path)
    close(output(transformers.LlamaForCausalLM.from_pretrained(tmp_path), TOKENS), output(model, TOKENS))


def refused(factory, example=None):
    with pytest.raises(SupernetError) as caught:
        Supernet(ModelSpace(factory), example=example, seed=0)
    return str(caught.value)


def test_bert_hides_a_choice_of_heads():
    message = refused(
        lambda: transformers.BertModel(bert_config(num_attention_heads=choice("heads", [2, 4])))
    )
    assert "'encoder.layer.0.attention.self.query' (Linear)" in message
    assert "It does not follow the choice 'heads'" in message
    assert "line " in message
    assert (
        "self.attention_head_size = int(config.hidden_size / config.num_attention_heads) (int())." in message
    )
    assert "self.query = nn.Linear(config.hidden_size, self.all_head_size)." in message
    assert "multi-trial" in message


def test_bert_hides_a_choice_of_width():
    message = refused(
        lambda: transformers.BertModel(bert_config(hidden_size=choice("width", [16, 32]))), TOKENS
    )
    assert "It does not follow the choice 'width'" in message


@pytest.mark.parametrize(
    ("factory", "example", "where"),
    [
        (
            lambda act: transformers.LlamaForCausalLM(llama_config(hidden_act=act)),
            TOKENS,
            "'model.layers.0.mlp.act_fn' is a ReLU in the supernet",
        ),
        (
            lambda act: transformers.BertModel(bert_config(hidden_act=act)),
            TOKENS,
            "'encoder.layer.0.intermediate.intermediate_act_fn' is a ReLU",
        ),
        (
            lambda act: transformers.ViTModel(vit_config(hidden_act=act)),
            None,
            "'layers.0.mlp.activation_fn' is a ReLU in the supernet",
        ),
    ],
)
def test_an_activation_looked_up_by_name_is_refused(factory, example, where):
    message = refused(lambda: factory(choice("act", ["relu", "silu"])), example)
    assert where in message
    assert "It does not follow the choice 'act'" in message
    assert "The choice becomes a plain value here: transformers.models." in message
    assert "ACT2FN[config.hidden_act] (a look-up)" in message


def test_a_stride_that_an_if_decides_is_refused():
    def mobilenet():
        config = transformers.MobileNetV2Config(
            image_size=32, depth_multiplier=0.25, output_stride=choice("stride", [16, 32]), num_labels=5
        )
        return transformers.MobileNetV2ForImageClassification(config)

    message = refused(mobilenet)
    assert (
        "(Conv2d) has stride = (2, 2) in the supernet, but (1, 1) in the model of {'stride': 16}" in message
    )
    assert "It does not follow the choice 'stride'" in message


def test_a_rotary_frequency_computed_from_a_choice_is_refused():
    message = refused(
        lambda: transformers.LlamaForCausalLM(llama_config(head_dim=choice("head_width", [8, 16]))), TOKENS
    )
    assert (
        "The buffer 'model.rotary_emb.inv_freq', which is in no state_dict, "
        "has other values in the model of {'head_width': 8}"
    ) in message
    assert "It is made in transformers.models.llama.modeling_llama, line " in message
    assert "inv_freq, persistent=False)" in message
    assert "multi-trial" in message


def test_layers_of_a_plain_loop_need_an_example():
    message = refused(
        lambda: transformers.LlamaForCausalLM(llama_config(num_hidden_layers=choice("layers", [1, 2])))
    )
    assert "'model.layers.1.self_attn.q_proj' (Linear)" in message
    assert "give Supernet(..., example=...)" in message


@pytest.mark.parametrize("kind", ["vit", "bert"])
def test_layers_of_a_plain_loop_that_forward_runs_are_refused(kind):
    factories = {
        "vit": (
            lambda: transformers.ViTModel(vit_config(num_hidden_layers=choice("layers", [1, 2]))),
            IMAGES,
        ),
        "bert": (
            lambda: transformers.BertModel(bert_config(num_hidden_layers=choice("layers", [1, 2]))),
            TOKENS,
        ),
    }
    message = refused(*factories[kind])
    assert "The supernet runs" in message
    assert f"It is made in transformers.models.{kind}.modeling_{kind}, line " in message
    assert "range(config.num_hidden_layers)" in message
    assert "A plain loop over a choice, or an if, makes it: stack blocks with retia.repeat" in message


def test_layers_of_a_plain_loop_that_forward_stumbles_over():
    def gpt2():
        config = transformers.GPT2Config(
            vocab_size=50, n_positions=32, n_embd=16, n_layer=choice("layers", [1, 2]), n_head=2
        )
        return transformers.GPT2LMHeadModel(config)

    message = refused(gpt2, TOKENS)
    assert "The supernet fails for {'layers': 1} where the model built alone runs: IndexError" in message
    assert (
        "The constructor makes 'transformer.h.1.ln_1' (LayerNorm), which that model does not have" in message
    )
    assert (
        "It does not follow the choice 'layers'. It is made in transformers.models.gpt2.modeling_gpt2, line "
        in message
    )
    assert "int()" not in message


def test_a_layer_derived_from_one_of_torch_is_not_guessed_at():
    def convnext():
        config = transformers.ConvNextConfig(
            hidden_sizes=[choice("width", [8, 12]), 16], depths=[1, 1], num_stages=2, num_labels=5
        )
        return transformers.ConvNextForImageClassification(config)

    message = refused(convnext)
    assert (
        "'convnext.embeddings.layernorm' (ConvNextLayerNorm) has a searchable 'normalized_shape' (label "
        "'width')"
    ) in message
    assert "@retia.supernet.elastic(ConvNextLayerNorm)" in message


def whisper(**searched):
    sizes = {
        "d_model": 16,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 16,
    }
    limits = {
        "vocab_size": 50,
        "num_mel_bins": 8,
        "decoder_ffn_dim": 16,
        "max_source_positions": 10,
        "max_target_positions": 12,
    }
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    return transformers.WhisperModel(transformers.WhisperConfig(**{**sizes, **limits, **tokens, **searched}))


def test_the_width_of_whisper_is_said_how_to_search():
    message = refused(lambda: whisper(d_model=choice("width", [16, 32])))
    assert (
        "'decoder.embed_positions' (WhisperPositionalEmbedding) has a searchable 'embedding_dim' (label "
        "'width')"
    ) in message
    assert (
        "write retia.supernet.elastic(WhisperPositionalEmbedding)(retia.supernet.ElasticEmbedding) before "
        "the search"
    ) in message


def test_an_example_that_the_model_does_not_take():
    message = refused(
        lambda: transformers.ViTModel(vit_config(intermediate_size=choice("feed_forward", [24, 40]))),
        torch.zeros(1, 3, 8, 8),
    )
    assert "built alone fails with the example: ValueError: Input image size (8*8)" in message
