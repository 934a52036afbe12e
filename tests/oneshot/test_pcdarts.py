import pytest
import torch
from torch import nn

from retia.errors import SupernetError
from retia.nn import ModelSpace, cell, layer_choice
from retia.oneshot.pcdarts import PCDARTS
from retia.oneshot.relaxation.partial_channels import bypass, shuffled
from retia.space import choice

functional = nn.functional


def separable(channels, stride):
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=True),
        nn.BatchNorm2d(channels),
    )


class Convolutional(nn.Module):
    def __init__(self, channels=8, stride=1, make=separable):
        super().__init__()
        self.op = layer_choice(
            "op", {"conv": lambda: make(channels, stride), "pool": lambda: nn.AvgPool2d(3, stride, padding=1)}
        )

    def forward(self, x):
        return self.op(x).mean((2, 3))


def images(channels=8, size=6):
    x = torch.randn(4, channels, size, size, generator=torch.Generator().manual_seed(0))
    return x, torch.zeros(4, dtype=torch.long)


def mixed(setting, session, item):
    with torch.no_grad():
        session.relaxation.weights["op"].copy_(torch.tensor([0.4, -0.4]))
    session.mix(item, "search")
    return setting.supernet.model.op(item.batch[0])


@pytest.mark.parametrize("stride", [1, 2])
def test_a_share_of_the_channels_goes_through_the_candidates_and_the_rest_around_them(
    make_setting, items, stride
):
    setting = make_setting(ModelSpace(Convolutional, stride=stride), *images(), batch_size=4)
    session = PCDARTS(divisor=4).session(setting)
    item = next(items(setting, 1))
    x = item.batch[0]
    conv = setting.supernet.model.op.candidates[0]
    _, depthwise, pointwise, norm = conv
    p = torch.tensor([0.4, -0.4]).softmax(0)
    part = x[:, :2].relu()
    part = functional.conv2d(part, depthwise.weight[:2], stride=stride, padding=1, groups=2)
    part = functional.conv2d(part, pointwise.weight[:2, :2], pointwise.bias[:2])
    mean, variance = part.mean((0, 2, 3)), part.var((0, 2, 3))
    part = functional.batch_norm(part, None, None, training=True)
    part = p[0] * part + p[1] * functional.avg_pool2d(x[:, :2], 3, stride, padding=1)
    rest = x[:, 2:] if stride == 1 else functional.max_pool2d(x[:, 2:], 2)
    whole = torch.cat([part, rest], 1)
    expected = torch.stack([whole[:, 2 * (c % 4) + c // 4] for c in range(8)], 1)
    torch.testing.assert_close(mixed(setting, session, item), expected)
    # Running statistics are those of the first channels; the others are as they were.
    torch.testing.assert_close(norm.running_mean[:2], 0.1 * mean.detach())
    torch.testing.assert_close(norm.running_var[:2], 0.9 + 0.1 * variance.detach())
    assert norm.running_mean[2:].tolist() == [0] * 6


def test_gradients_are_those_of_the_first_channels_and_the_layers_stay_what_they_are(make_setting, items):
    setting = make_setting(ModelSpace(Convolutional), *images(), batch_size=4)
    session = PCDARTS(divisor=4).session(setting)
    _, depthwise, pointwise, _ = setting.supernet.model.op.candidates[0]
    parameters = list(setting.supernet.parameters())
    session.train_batch(next(items(setting, 1)))
    assert all(one is other for one, other in zip(parameters, setting.supernet.parameters(), strict=True))
    assert depthwise.groups == 8
    assert pointwise.weight.grad[:2, :2].abs().min() > 0
    assert pointwise.weight.grad[2:].abs().max() == 0
    assert pointwise.weight.grad[:, 2:].abs().max() == 0


def test_a_divisor_of_one_is_darts(make_setting, items):
    setting = make_setting(ModelSpace(Convolutional), *images(), batch_size=4)
    session = PCDARTS(divisor=1).session(setting)
    item = next(items(setting, 1))
    x = item.batch[0]
    conv, pool = setting.supernet.model.op.candidates
    p = torch.tensor([0.4, -0.4]).softmax(0)
    torch.testing.assert_close(mixed(setting, session, item), p[0] * conv(x) + p[1] * pool(x))


def test_what_bypasses_is_pooled_to_the_extents_of_the_rest():
    rest = torch.arange(7.0).view(1, 1, 7)
    assert bypass(rest, torch.ones(1, 1, 7)) is rest
    assert bypass(rest, torch.ones(1, 1, 4)).flatten().tolist() == [1, 3, 5, 6]


def test_a_shuffle_spreads_the_channels_of_each_group():
    x = torch.arange(8).view(1, 8, 1, 1)
    assert shuffled([x[:, :2], x[:, 2:]], 4).flatten().tolist() == [0, 2, 4, 6, 1, 3, 5, 7]


class Celled(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = cell("cell", {"skip": nn.Identity, "tanh": nn.Tanh}, nodes=2)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.cell(x, x))


def test_edges_are_weighed_by_their_softmax_and_chosen_by_the_product_with_the_operations(
    make_setting, items
):
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    setting = make_setting(ModelSpace(Celled), x, torch.zeros(8, dtype=torch.long))
    session = PCDARTS(divisor=1).session(setting)
    weights = session.relaxation.weights
    assert weights["cell/1/inputs"].shape == (3,)
    edges = torch.tensor([1.0, 0.0, -0.2])
    with torch.no_grad():
        weights["cell/1/inputs"].copy_(edges)
        for label, one in weights.items():
            if "op" in label:
                one.copy_(torch.tensor([50.0, 0.0]))
        weights["cell/1/op/2"].copy_(torch.tensor([0.5, 0.0]))
    session.mix(next(items(setting, 1)), "search")
    beta = edges.softmax(0)
    share = torch.tensor([0.5, 0.0]).softmax(0)
    node_0 = 2 * x
    node_1 = (beta[0] + beta[1]) * x + beta[2] * (share[0] * node_0 + share[1] * node_0.tanh())
    torch.testing.assert_close(
        setting.outputs(x), setting.supernet.model.head(torch.cat([node_0, node_1], 1))
    )
    assert next(session.ranked())["cell/1/inputs"] == (0, 1)
    with torch.no_grad():
        weights["cell/1/inputs"].copy_(torch.tensor([1.0, 0.0, 0.7]))  # e^0.7 * 0.62 is more than e^0 * 1
    assert next(session.ranked())["cell/1/inputs"] == (0, 2)
    assert session.search(next(items(setting, 1)))["search_loss"] > 0


def grouped(channels, stride):
    return nn.Conv2d(channels, channels, 1, stride, groups=2)


def normed(channels, stride):
    return nn.GroupNorm(2, channels)


def nested(channels, stride):
    return nn.Sequential(layer_choice("inner", [nn.ReLU, nn.Tanh]))


def elastic(channels, stride):
    return nn.Sequential(
        nn.Conv2d(channels, choice("hidden", [4, 8]), 1), nn.Conv2d(choice("hidden", [4, 8]), channels, 1)
    )


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            grouped,
            r"'op.candidates.0' \(Conv2d\) is a layer whose channels \[8, 8\] and number of groups 2 are not divisible by 4",
        ),
        (
            normed,
            r"'op.candidates.0' \(GroupNorm\) is neither a convolution nor a batch norm of a fixed size. Use DARTS, GDAS, SNAS",
        ),
        (nested, r"'op.candidates.0.0' \(MixedLayer\) is a choice inside of a candidate"),
        (
            elastic,
            r"'op.candidates.0.0' \(ElasticConv2d\) is neither a convolution nor a batch norm of a fixed size",
        ),
    ],
)
def test_candidates_that_can_not_compute_in_part_are_refused_before_the_training(make_setting, make, match):
    setting = make_setting(ModelSpace(Convolutional, make=make), *images())
    with pytest.raises(SupernetError, match=match):
        PCDARTS().session(setting)


def test_channels_that_are_not_divisible_are_refused_before_the_training(make_setting):
    setting = make_setting(
        ModelSpace(Convolutional, make=lambda channels, stride: nn.Identity()), *images(6), batch_size=4
    )
    with pytest.raises(
        SupernetError,
        match=r"'op' \('op'\) with one of every 4 channels, .* whose C is divisible by 4, got \(2, 6, 6, 6\).*or use DARTS, GDAS",
    ):
        PCDARTS().session(setting)
    assert setting.supernet.training
    assert setting.supernet.model.op.mixture is None


def test_candidates_that_change_the_number_of_channels_are_refused_before_the_training(make_setting):
    def make(channels, stride):
        return nn.Conv2d(channels, 2 * channels, 1)

    def pooled():
        return nn.Conv2d(8, 16, 1)

    class Growing(nn.Module):
        def __init__(self):
            super().__init__()
            self.op = layer_choice("op", {"one": lambda: make(8, 1), "other": pooled})

        def forward(self, x):
            return self.op(x).mean((2, 3))

    setting = make_setting(ModelSpace(Growing), *images(), batch_size=4)
    with pytest.raises(
        SupernetError,
        match=r"'op' \('op'\) must return as many channels as they are given, .* got the shape \(2, 4, 6, 6\) for 2 channels",
    ):
        PCDARTS().session(setting)
    assert setting.supernet.model.op.candidates[0].weight.shape == (16, 8, 1, 1)
