"""Sizes that are products: a smaller architecture uses the first entries of each block, in the order in which
the model lays them out.
"""

import os
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

from retia.nn import ModelSpace
from retia.space import choice
from retia.supernet import Elastic, Supernet, elastic, load_pretrained
from retia.testing import SUPERNET_LAWS

os.environ.setdefault("HF_HUB_OFFLINE", "1")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")

X = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(0))  # (B, T, D)
IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def divide(x, how, width):
    """Return q, k and v, each (B, T, width), as models divide a fused projection."""
    match how:
        case "chunk":
            return x.chunk(3, -1)
        case "split":
            return x.split(width, dim=2)
        case "slices":
            return x[..., :width], x[..., width : 2 * width], x[..., 2 * width :]
        case "view":
            return (part.flatten(2) for part in x.view(*x.shape[:2], 3, 2, width // 2).unbind(2))
        case "permute":
            return (
                part.transpose(1, 2).flatten(2)
                for part in x.reshape(*x.shape[:2], 3, 2, -1).permute(2, 0, 3, 1, 4)
            )
        case "interleaved":
            return x.unflatten(-1, (width, 3)).unbind(-1)


class Fused(nn.Module):
    def __init__(self, how, width_first):
        super().__init__()
        self.how, self.width = how, choice("width", [8, 16])
        self.qkv = nn.Linear(6, self.width * 3 if width_first else 3 * self.width)
        self.out = nn.Linear(self.width, 6)

    def forward(self, x):
        q, k, v = divide(self.qkv(x), self.how, self.width)
        return self.out(torch.softmax(q @ k.mT, -1) @ v)


def loaded(space, example):
    """Return a supernet that has been given the weights of its largest model, and that model."""
    supernet = Supernet(space, example=example, seed=0)
    largest = {label: max(parameter.domain.enumerate()) for label, parameter in space.parameters.items()}
    model = space.build(largest, seed=1)
    load_pretrained(supernet, model, largest)
    return supernet, model


@pytest.mark.parametrize("width_first", [False, True])
@pytest.mark.parametrize("how", ["chunk", "split", "slices", "view", "permute", "interleaved"])
def test_smaller_queries_keys_and_values_are_prefixes_of_the_larger_ones(how, width_first):
    supernet, large = loaded(ModelSpace(Fused, how, width_first), X)
    small = supernet.subnet({"width": 8})
    for name in ("weight", "bias"):
        mine, its = getattr(small.qkv, name), getattr(large.qkv, name)
        whole = its.unflatten(0, (16, 3) if how == "interleaved" else (3, 16))
        expected = whole[:8] if how == "interleaved" else whole[:, :8]
        assert torch.equal(mine, expected.flatten(0, 1))


@pytest.mark.parametrize("law", SUPERNET_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("how", ["split", "interleaved"])
def test_laws(law, how):
    law(ModelSpace(Fused, how, True), X)


def gpt2(**searched):
    sizes = {"n_embd": 16, "n_head": 2, "n_layer": 1, **searched}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=20, n_positions=8, **sizes))


def gpt2_of_width():
    return gpt2(n_embd=choice("width", [8, 16]))


def gpt2_of_heads():
    heads = choice("heads", [2, 4])
    return gpt2(n_head=heads, n_embd=heads * 4)


@pytest.mark.parametrize(("make", "smaller"), [(gpt2_of_width, {"width": 8}), (gpt2_of_heads, {"heads": 2})])
def test_gpt2(make, smaller):
    tokens = torch.arange(8).reshape(2, 4)
    supernet, large = loaded(ModelSpace(make), tokens)
    small = supernet.eval().subnet(smaller)
    mine, its = (model.transformer.h[0].attn.c_attn for model in (small, large))
    for q, whole in zip(mine.weight.chunk(3, 1), its.weight.chunk(3, 1), strict=True):
        assert torch.equal(q, whole[:8, :8])
    for q, whole in zip(mine.bias.chunk(3), its.bias.chunk(3), strict=True):
        assert torch.equal(q, whole[:8])
    supernet.activate(smaller)
    torch.testing.assert_close(supernet(tokens).logits, small(tokens).logits)


class Interleaved(nn.Module):
    """Queries, keys and values head by head, as in GPT-NeoX."""

    def __init__(self):
        super().__init__()
        self.heads = choice("heads", [2, 4])
        self.qkv = nn.Linear(6, 3 * (self.heads * choice("head_width", [5, 7])))

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (self.heads, -1)).chunk(3, -1)
        return q.sum((2, 3)) + (k * v).sum((2, 3))


def test_heads_outside_of_queries_keys_and_values():
    supernet, large = loaded(ModelSpace(Interleaved), X)
    small = supernet.subnet({"heads": 2, "head_width": 5})
    assert torch.equal(small.qkv.weight, large.qkv.weight.view(4, 3, 7, 6)[:2, :, :5].reshape(30, 6))


class Concatenated(nn.Module):
    """What a layer takes in is laid out as what is put together for it: images flattened, or layers' outputs
    one after the other.
    """

    def __init__(self, how):
        super().__init__()
        width = choice("width", [2, 4])
        self.how = how
        self.first, self.second = nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(3, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(2 * width)
        self.head = nn.Linear(64 * width, 5) if how == "flatten" else nn.Conv2d(width * 2, 5, 1)

    def forward(self, x):
        if self.how == "flatten":
            return self.head(self.first(x).flatten(1))
        return self.head(self.norm(torch.cat([self.first(x), self.second(x)], 1)))


@pytest.mark.parametrize("how", ["flatten", "cat"])
def test_inputs_are_laid_out_as_they_are_put_together(how):
    supernet, large = loaded(ModelSpace(Concatenated, how), IMAGES)
    small = supernet.subnet({"width": 2})
    outer = (4, 64) if how == "flatten" else (2, 4)
    whole = large.head.weight.unflatten(1, outer)
    expected = whole[:, :2] if how == "flatten" else whole[:, :, :2]
    assert torch.equal(small.head.weight, expected.flatten(1, 2))


def test_running_statistics_of_blocks_are_kept():
    supernet, _ = loaded(ModelSpace(Concatenated, "cat"), IMAGES)
    supernet.activate({"width": 2})
    alone = supernet.subnet()
    for model in (supernet, alone):
        model.train()(IMAGES)
    assert torch.equal(supernet.extract()["norm.running_mean"], alone.norm.running_mean)
    full = supernet.model.norm.full("running_mean").view(2, 4)
    assert torch.equal(full[:, :2].flatten(), alone.norm.running_mean)
    assert full[:, 2:].abs().sum() == 0


class Shuffled(nn.Module):
    def __init__(self):
        super().__init__()
        width = choice("width", [2, 4])
        self.up, self.shuffle = nn.Conv2d(3, 4 * width, 1), nn.PixelShuffle(2)
        self.depthwise = nn.Conv2d(width, 3 * width, 3, groups=width)
        self.head = nn.Conv2d(3 * width, 5, 1)

    def forward(self, x):
        return self.head(self.depthwise(self.shuffle(self.up(x))))


def test_channels_of_shuffles_and_of_depthwise_convolutions_stay_together():
    supernet, large = loaded(ModelSpace(Shuffled), IMAGES)
    small = supernet.subnet({"width": 2})
    assert torch.equal(small.up.weight, large.up.weight[:8])
    assert torch.equal(small.depthwise.weight, large.depthwise.weight[:6])
    assert torch.equal(small.head.weight, large.head.weight[:, :6])


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU])
def test_layers_above_bidirectional_ones_take_the_first_outputs_of_both_directions(layer):
    space = ModelSpace(lambda: layer(3, choice("hidden", [2, 4]), 2, bidirectional=True, batch_first=True))
    supernet, large = loaded(space, X[..., :3])
    small = supernet.subnet({"hidden": 2})
    gates = len(large.weight_ih_l1) // 4
    assert torch.equal(
        small.weight_ih_l1, large.weight_ih_l1.view(gates, 4, 2, 4)[:, :2, :, :2].reshape(gates * 2, 4)
    )


def test_a_width_that_heads_divide_again_is_the_width():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            width = choice("width", [8, 16])
            self.layer = nn.Linear(3, 4 * (width // 4))

        def forward(self, x):
            return self.layer(x).unflatten(-1, (4, -1))

    supernet, large = loaded(ModelSpace(Net), X[0, :, :3])
    assert torch.equal(supernet.subnet({"width": 8}).layer.weight, large.layer.weight[:8])


class Last(nn.Linear):
    """A fused projection that says itself how it is laid out."""


class Blocks(Elastic):
    stacked = True


elastic(Last)(Blocks)


def test_without_a_run_the_layout_is_said_to_be_unknown():
    with pytest.warns(
        UserWarning,
        match=r"The layout of .* is not known in 'qkv.weight' \(Linear, 3 \* width\), .* Give Supernet\(\.\.\., example=\.\.\.\)",
    ) as caught:
        supernet = Supernet(ModelSpace(Fused, "chunk", False), seed=0)
    assert len(caught) == 1
    weights = [supernet.extract({"width": width})["qkv.weight"].unflatten(0, (3, width)) for width in (8, 16)]
    assert torch.equal(weights[0], weights[1][:, :8])


def test_a_layer_says_itself_how_it_is_laid_out():
    supernet = Supernet(ModelSpace(lambda: nn.Sequential(Last(3, choice("width", [2, 4]) * 3))), seed=0)
    assert torch.equal(
        supernet.extract({"width": 2})["0.weight"],
        supernet.extract({"width": 4})["0.weight"].view(3, 4, 3)[:, :2].flatten(0, 1),
    )


def test_hidden_layers_need_no_run():
    def mlp():
        width = choice("width", [8, 16])
        return nn.Sequential(
            nn.Linear(3, width), nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(width * 4, 2)
        )

    supernet = Supernet(ModelSpace(mlp), seed=0)
    small, large = (supernet.extract({"width": width}) for width in (8, 16))
    assert torch.equal(small["1.bias"], large["1.bias"][:32])
    assert torch.equal(small["3.weight"], large["3.weight"][:, :32])


def test_a_run_that_no_order_explains_is_said_to_be_so():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            width = choice("width", [8, 16])
            self.qkv = nn.Linear(6, 3 * width)

        def forward(self, x):
            q, k, v = self.qkv(x).unflatten(-1, (4, -1)).chunk(3, -1)  # four heads of any width
            return functional.scaled_dot_product_attention(q, k, v)

    with pytest.warns(
        UserWarning,
        match=r"The layout of .* 'qkv.weight' \(Linear, 3 \* width\).*To declare it, derive a class",
    ):
        Supernet(ModelSpace(Net), example=X, seed=0)


def test_an_operation_that_is_not_known_is_said_to_hide_the_layout():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 3 * choice("width", [8, 16]))

        def forward(self, x):
            return self.layer(x).cumsum(-1).as_strided((2, 5), (1, 1))

    with pytest.warns(UserWarning, match=r"'layer.weight' \(Linear, 3 \* width\)"):
        Supernet(ModelSpace(Net), example=X, seed=0)
