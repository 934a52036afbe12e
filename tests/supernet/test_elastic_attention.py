import copy

import pytest
import torch
from torch import nn

from retia import choice
from retia.errors import SupernetError
from retia.nn import ModelSpace
from retia.space import apply
from retia.supernet import Supernet


def supernet(make, **kwargs):
    return Supernet(ModelSpace(make), seed=0, **kwargs)


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def same(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def count(monkeypatch, name):
    """Count the calls of a function of torch's."""
    calls = []
    function = getattr(torch, name)
    monkeypatch.setattr(torch, name, lambda *args: calls.append(args) or function(*args))
    return calls


def test_each_projection_gives_its_first_rows_and_columns():
    net = supernet(lambda: nn.MultiheadAttention(choice("w", [2, 4]), 2))
    rows, columns = torch.arange(12.0), torch.arange(4.0)
    with torch.no_grad():
        net.model.full("in_proj_weight").copy_(10 * rows[:, None] + columns)
        net.model.full("in_proj_bias").copy_(rows)
    weights = net.extract({"w": 2})
    assert weights["in_proj_weight"].tolist() == [[0, 1], [10, 11], [40, 41], [50, 51], [80, 81], [90, 91]]
    assert weights["in_proj_bias"].tolist() == [0, 1, 4, 5, 8, 9]


def test_the_projections_are_in_one_tensor_or_three_as_the_widths_say():
    net = supernet(
        lambda: nn.MultiheadAttention(
            choice("w", [4, 8]), 2, kdim=choice("k", [4, 8]), vdim=choice("v", [4, 8]), bias=False
        )
    )
    for w in (4, 8):
        for k in (4, 8):
            for v in (4, 8):
                shapes = {
                    name: tuple(tensor.shape)
                    for name, tensor in net.extract({"w": w, "k": k, "v": v}).items()
                }
                output = {"out_proj.weight": (w, w)}
                if w == k == v:
                    assert shapes == {"in_proj_weight": (3 * w, w), **output}
                else:
                    assert shapes == {
                        "q_proj_weight": (w, w),
                        "k_proj_weight": (w, k),
                        "v_proj_weight": (w, v),
                        **output,
                    }


def test_what_an_architecture_has_not_reads_as_none_as_in_torch():
    net = supernet(lambda: nn.MultiheadAttention(8, 2, kdim=choice("k", [4, 8])))
    net.activate({"k": 8})
    assert net.model.q_proj_weight is None
    assert net.model.in_proj_weight.shape == (24, 8)
    net.activate({"k": 4})
    assert net.model.in_proj_weight is None
    assert net.model.k_proj_weight.shape == (8, 4)


def test_projections_in_one_tensor_share_weights_with_those_in_three():
    net = supernet(lambda: nn.MultiheadAttention(8, 2, kdim=choice("k", [4, 8])))
    one, three = net.extract({"k": 8}), net.extract({"k": 4})
    queries, keys, values = one["in_proj_weight"].chunk(3)
    assert torch.equal(three["q_proj_weight"], queries)
    assert torch.equal(three["k_proj_weight"], keys[:, :4])
    assert torch.equal(three["v_proj_weight"], values)


def test_frozen_projections_stay_frozen_when_they_are_kept_apart():
    def make():
        return nn.MultiheadAttention(8, 2, kdim=choice("k", [4, 8])).requires_grad_(False)

    assert not supernet(make).model.full("v_proj_weight").requires_grad


def test_widths_that_are_equal_for_every_architecture_keep_one_tensor():
    net = supernet(
        lambda: nn.MultiheadAttention(w := choice("w", [4, 8]), 2, kdim=w, vdim=choice("w", [4, 8]))
    )
    assert net.model.full("in_proj_weight").shape == (24, 8)


def test_keys_wider_than_the_greatest_values_make_them_are_refused():
    # At the greatest values of both choices, 16 and 4, keys are as wide as queries; at the others wider than
    # any weight.
    with pytest.raises(
        SupernetError,
        match=r"'k_proj_weight' of the model itself \(MultiheadAttention\) has the shape .* but \(16, 32\)",
    ):
        supernet(lambda: nn.MultiheadAttention(16, 2, kdim=64 // choice("part", [2, 4])))


class Attention(nn.Module):
    def __init__(self, **kwargs):
        super().__init__()
        self.attention = nn.MultiheadAttention(
            choice("w", [4, 8]), choice("h", [1, 2, 4]), batch_first=True, **kwargs
        )

    def forward(self, x, **kwargs):
        return self.attention(x, x, x, **kwargs)


def masks(heads):
    causal = torch.ones(3, 3, dtype=torch.bool).triu(1)
    padding = torch.tensor([[False, False, True], [False, False, False]])
    each = randn(2 * heads, 3, 3)
    yield {}
    yield {"need_weights": False}
    yield {"average_attn_weights": False}
    yield {"attn_mask": causal, "is_causal": True, "need_weights": False}
    yield {"attn_mask": causal, "key_padding_mask": padding}
    yield {"attn_mask": each, "average_attn_weights": False}


@pytest.mark.parametrize("evaluating", [False, True])
def test_masks_and_weights_of_heads(evaluating):
    net = supernet(Attention).train(not evaluating)
    for w in (4, 8):
        for h in (1, 2, 4):
            net.activate({"w": w, "h": h})
            subnet = net.subnet()
            for kwargs in masks(h):
                with torch.set_grad_enabled(not evaluating):
                    same(net(randn(2, 3, w), **kwargs), subnet(randn(2, 3, w), **kwargs))


def test_torchs_fast_path_is_taken_in_evaluation(monkeypatch):
    net = supernet(Attention).eval()
    calls = count(monkeypatch, "_native_multi_head_attention")
    net.activate({"w": 4, "h": 2})
    with torch.no_grad():
        found = net(randn(2, 3, 4))
    assert len(calls) == 1
    same(found, net.subnet()(randn(2, 3, 4)))  # which computes gradients, and so does without


@pytest.mark.parametrize("padding", [None, torch.tensor([[False, False, True], [False, False, False]])])
def test_an_encoders_fast_path_is_taken_in_evaluation(monkeypatch, padding):
    def make():
        layer = nn.TransformerEncoderLayer(
            choice("w", [4, 8]), choice("h", [2, 4]), choice("ff", [6, 10]), batch_first=True
        )
        return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    net = supernet(make).eval()
    calls = count(monkeypatch, "_transformer_encoder_layer_fwd")
    for architecture in net.space.enumerate():
        net.activate(architecture)
        x = randn(2, 3, architecture["w"])
        before = len(calls)
        with torch.no_grad():
            found = net(x, src_key_padding_mask=padding)
        assert len(calls) == before + 2
        kept = slice(None) if padding is None else ~padding
        same(found[kept], net.subnet()(x, src_key_padding_mask=padding)[kept])


def test_unbatched_input():
    net = supernet(Attention)
    net.activate({"w": 4, "h": 2})
    same(net(randn(3, 4)), net.subnet()(randn(3, 4)))


def test_a_forward_takes_the_part_of_a_weight_once(monkeypatch):
    net = supernet(Attention)
    net.activate({"w": 4, "h": 2})
    taken = []
    attention = net.model.attention
    pieces = type(attention).pieces
    monkeypatch.setattr(
        type(attention), "pieces", lambda self, name, shape: taken.append(name) or pieces(self, name, shape)
    )
    net(randn(2, 3, 4))
    assert sorted(taken) == ["in_proj_bias", "in_proj_weight"]
    with pytest.raises(AssertionError, match="embedding dimension"):
        net(randn(2, 3, 5))
    assert "_taken" not in vars(attention)


def test_a_step_of_an_optimizer_is_seen_by_the_next_forward():
    net = supernet(Attention)
    net.activate({"w": 4, "h": 2})
    x = randn(2, 3, 4)
    before, _ = net(x)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    before.sum().backward()
    optimizer.step()
    after, _ = net(x)
    assert not torch.allclose(after, before)
    same(after, net.subnet()(x)[0])


def test_a_copy_in_double_precision():
    net = copy.deepcopy(supernet(Attention)).double()
    net.activate({"w": 4, "h": 2})
    same(net(randn(2, 3, 4).double()), net.subnet().double()(randn(2, 3, 4).double()))


def test_heads_that_do_not_divide_the_width_are_refused_until_they_are_excluded():
    space = ModelSpace(lambda: nn.MultiheadAttention(choice("w", [6, 8, 12]), choice("h", [2, 3, 4])))
    with pytest.raises(
        SupernetError,
        match=r"needs its num_heads to divide its embed_dim, but they are .* for \{'w': .*, 'h': .*\}",
    ) as caught:
        Supernet(space, seed=0)
    constraint = str(caught.value).split("space.where(")[1].split(")")[0] + ")"
    assert constraint == "lambda a: a['w'] % a['h'] == 0)"
    restricted = space.where(lambda a: a["w"] % a["h"] == 0)
    assert restricted.size() == 7
    net = Supernet(restricted, seed=0)
    for architecture in restricted.enumerate():
        net.activate(architecture)
        x = randn(3, 2, architecture["w"])
        same(net(x, x, x), net.subnet()(x, x, x))


def test_heads_from_a_function_of_the_width():
    net = supernet(
        lambda: nn.MultiheadAttention(w := choice("w", [4, 12]), apply(lambda width: width // 4, w))
    )
    for w, h in ((4, 1), (12, 3)):
        net.activate({"w": w})
        assert net.model.num_heads == h
        assert net.model.head_dim == 4
        x = randn(3, 2, w)
        same(net(x, x, x), net.subnet()(x, x, x))
