"""Known answers: each number is worked out by hand in the line that asserts it."""

import pytest
import torch
from torch import nn

from retia.cost import Example, count, count_parameters
from retia.errors import SpaceError
from retia.nn import seeded


@pytest.fixture(autouse=True)
def fixed_weights():
    with seeded(0):
        yield


class Applied(nn.Module):
    """A module without parameters whose forward is a function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args, **kwargs):
        return self.function(*args, **kwargs)


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (nn.Linear(10, 5), (10,), 10 * 5),
        (nn.Linear(10, 5, bias=False), (7, 10), 7 * 10 * 5),
        (nn.Conv2d(3, 8, 3, padding=1), (3, 6, 6), 6 * 6 * 8 * 3 * 9),
        (
            nn.Conv2d(8, 12, 3, stride=2, groups=4),
            (8, 9, 9),
            4 * 4 * 12 * 2 * 9,
        ),  # 2 of 8 channels a group; (9 - 3) / 2 + 1 = 4
        (nn.Conv2d(6, 6, 5, groups=6, padding=2), (6, 4, 4), 4 * 4 * 6 * 25),
        (nn.Conv1d(2, 3, 3), (2, 10), 8 * 3 * 2 * 3),
        (
            nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2),
            (4, 5, 5),
            5 * 5 * 4 * 3 * 9,
        ),  # each input value meets 3 of 6 outputs a group
        (nn.Bilinear(4, 5, 6), None, 6 * (4 * 5 + 5)),
        (
            nn.LSTM(4, 8, batch_first=True),
            (5, 4),
            5 * 4 * 8 * (4 + 8),
        ),  # four gates, of the input and of the state
        (nn.GRU(4, 8, batch_first=True), (5, 4), 5 * 3 * 8 * (4 + 8)),
        (nn.RNN(4, 8, batch_first=True), (5, 4), 5 * 8 * (4 + 8)),
        (nn.LSTMCell(4, 8), (4,), 4 * 8 * (4 + 8)),
    ],
)
def test_layers(layer, shape, macs):
    example = Example.of((torch.zeros(1, 4), torch.zeros(1, 5))) if shape is None else Example.of(shape)
    counted = count(layer, example)
    assert (counted.macs, counted.flops) == (macs, 2 * macs)
    assert counted.params == sum(p.numel() for p in layer.parameters())


@pytest.mark.parametrize("need_weights", [True, False])
def test_attention(need_weights):
    tokens, width, heads = 5, 8, 2
    attention = nn.MultiheadAttention(width, heads, batch_first=True)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = attention

        def forward(self, x):
            return self.attention(x, x, x, need_weights=need_weights)[0]

    projections = 4 * tokens * width * width
    products = 2 * heads * tokens * tokens * (width // heads)
    assert count(Net(), Example.of((tokens, width))).macs == projections + products


def test_encoder_layer():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    assert count(layer, Example.of((5, 8))).macs == 4 * 5 * 8 * 8 + 2 * 5 * 5 * 8 + 2 * 5 * 8 * 16


@pytest.mark.parametrize(
    ("function", "macs"),
    [
        (lambda x: x[0] @ x[0, 0], 3 * 3),
        (lambda x: torch.dot(x[0, 0], x[0, 1]), 3),
        (lambda x: torch.vdot(x[0, 0], x[0, 1]), 3),
        (lambda x: torch.addmv(x[0, 0], x[0], x[0, 1]), 3 * 3),
        (lambda x: torch.addbmm(x[0], x, x), 3 * 3 * 3),
        (lambda x: torch.einsum("bij,bjk->bik", x, x), 3 * 3 * 3),
    ],
)
def test_products_of_vectors_and_matrices(function, macs):
    counted = count(Applied(function), Example.of((3, 3)))
    assert counted.macs == macs
    assert counted.uncounted == ()


def test_what_has_no_formula_is_listed_and_what_only_moves_is_not():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2), nn.GELU())
    assert count(model, Example.of((1, 3, 3))).uncounted == ("aten.gelu", "aten.relu")
    moves = Applied(
        lambda x: torch.cat([x.clone().transpose(1, 2), torch.zeros_like(x), torch.stack([x, x])[0]]).reshape(
            -1
        )
    )
    assert count(moves, Example.of((2, 2))).uncounted == ()
    assert count(Applied(torch.fft.rfft), Example.of((4,))).uncounted == ("aten._fft_r2c",)


def test_shared_and_frozen_parameters_count_once():
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    model = nn.Sequential(first, second).requires_grad_(False)
    assert count_parameters(model) == 16 + 4 + 4
    counted = count(model, Example.of((4,)))
    assert (counted.params, counted.macs) == (24, 32)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_the_model_stays_as_it_was(device):
    model = nn.Sequential(
        nn.Linear(4, 4, device=device), nn.Sequential(nn.BatchNorm1d(4, device=device), nn.Dropout())
    )
    model[1].eval()
    before = {name: (tensor, tensor.clone()) for name, tensor in model.state_dict(keep_vars=True).items()}
    count(model, Example.of((4,)))
    assert [module.training for module in model.modules()] == [True, True, False, False, False]
    after = model.state_dict(keep_vars=True)
    assert all(after[name] is tensor for name, (tensor, _) in before.items())
    assert device == "meta" or all(torch.equal(after[name], values) for name, (_, values) in before.items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (nn.LSTM(4, 8, batch_first=True), (5, 4), 5 * 4 * 8 * (4 + 8)),
        (
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
            (5, 8),
            4 * 5 * 8 * 8 + 2 * 5 * 5 * 8 + 2 * 5 * 8 * 16,
        ),
    ],
)
def test_a_model_that_reads_values_is_counted_where_it_is(layer, shape, macs):
    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return self.layer(x if x.sum().item() == 0 else x + 1)

    assert count(Reads(), Example.of(shape)).macs == macs


def test_a_model_that_cannot_be_copied_is_counted_where_it_is():
    class Locked(nn.Linear):
        def __deepcopy__(self, memo):
            raise RuntimeError("no copies")

    assert count(Locked(3, 2), Example.of((3,))).macs == 6


def test_a_tensor_that_is_no_buffer_moves_along():
    class Scaled(nn.Linear):
        def __init__(self):
            super().__init__(3, 2)
            self.scale = torch.ones(3)

        def forward(self, x):
            return super().forward(x * self.scale)

    model = Scaled()
    assert count(model, Example.of((3,))).macs == 6
    assert model.scale.device.type == "cpu"


def test_inputs_by_name_and_in_a_row():
    model = Applied(lambda a, b: a @ b)
    tensors = {"a": torch.zeros(4, 2, 3), "b": torch.zeros(4, 3, 5)}
    assert (
        count(model, Example.of(tensors)).macs
        == count(model, Example.of(tuple(tensors.values()))).macs
        == 2 * 3 * 5
    )


def test_inputs_that_do_not_fit():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(5, 2))
    with pytest.raises(
        SpaceError,
        match=r"The model can't run on an input of shape \(4,\).*'1' \(Linear\), on \(1, 4\), fails with RuntimeError.*space.where",
    ):
        count(model, Example.of((4,)))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
