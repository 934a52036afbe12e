"""Children whose layers read channels in another order than they were made in."""

import pytest
import torch
from torch import nn

from retia.evaluate import inherit
from retia.evaluate.channel_matching import _in_runs
from retia.nn import seeded


def conv(before, after, **more):
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1, **more), nn.BatchNorm2d(after), nn.ReLU())


class Concatenated(nn.Module):
    """Two branches beside each other, then a normalization, a depthwise convolution and a linear layer of the
    flattened map.
    """

    def __init__(self, one, other, kernel=3):
        super().__init__()
        both = one + other
        self.one, self.other = conv(3, one), conv(3, other)
        self.norm, self.depthwise = nn.BatchNorm2d(both), nn.Conv2d(both, both, 3, padding=1, groups=both)
        self.mix, self.head = nn.Conv2d(both, 5, kernel, padding=kernel // 2), nn.Linear(5 * 36 + both, 3)

    def forward(self, x):
        x = self.depthwise(self.norm(torch.cat([self.one(x), self.other(x)], 1)))
        return self.head(torch.cat([torch.relu(self.mix(x)).flatten(1), x.mean((2, 3))], 1))


class Dense(nn.Module):
    """Each layer reads all before it (Huang et al., DenseNet)."""

    def __init__(self, growth):
        super().__init__()
        self.layers = nn.ModuleList([conv(3 + i * growth, growth) for i in range(3)])
        self.head = nn.Linear(3 + 3 * growth, 4)

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return self.head(x.mean((2, 3)))


class Shuffled(nn.Module):
    """The channels of two halves alternate (Zhang et al., ShuffleNet)."""

    def __init__(self, width):
        super().__init__()
        self.stem, self.next, self.head = conv(3, width), conv(width, 4), nn.Linear(4, 2)

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.next(x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)).mean((2, 3)))


class Joined(nn.Module):
    """A concatenation of features without spatial places, as in a tabular network."""

    def __init__(self, width):
        super().__init__()
        self.a, self.b = nn.Linear(6, width), nn.Linear(6, width)
        self.head = nn.Linear(2 * width, 2)

    def forward(self, x):
        x = x.mean(2).flatten(1)[:, :6]
        return self.head(torch.cat([torch.tanh(self.a(x)), torch.relu(self.b(x))], 1))


def made(make, seed):
    with seeded(seed):
        model = make()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 2.0)
                nn.init.normal_(module.bias)
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2.0)
    return model.eval()


@pytest.mark.parametrize("generator", [None, torch.Generator().manual_seed(3)])
@pytest.mark.parametrize(
    ("small", "large"),
    [
        (lambda: Concatenated(4, 4), lambda: Concatenated(8, 8)),
        (lambda: Concatenated(4, 4), lambda: Concatenated(7, 4)),
        (lambda: Concatenated(4, 6), lambda: Concatenated(9, 11, kernel=5)),
        (lambda: Dense(4), lambda: Dense(7)),
        (lambda: Shuffled(4), lambda: Shuffled(8)),
        (lambda: Joined(5), lambda: Joined(8)),
    ],
)
def test_a_child_computes_what_its_parent_does_on_whatever_input(small, large, generator):
    parent, child = made(small, 1), made(large, 2)
    example = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    if isinstance(parent, Joined):
        example = torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(1))
    told = inherit(child, parent, example, generator=generator)
    assert told.deviation < 1e-5
    other = 2 * torch.randn(50, *example.shape[1:], generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        assert torch.allclose(child(other), parent(other), atol=1e-5, rtol=1e-5)


def test_what_can_not_be_matched_stays_as_near_as_it_was():
    class Normalized(nn.Sequential):
        def __init__(self, width):
            super().__init__(nn.Linear(6, width), nn.LayerNorm(width), nn.Linear(width, 2))

    parent, child = made(lambda: Normalized(4), 1), made(lambda: Normalized(6), 2)
    told = inherit(child, parent, torch.randn(3, 6, generator=torch.Generator().manual_seed(0)))
    assert told.deviation > 1e-3
    alone = made(lambda: Normalized(6), 2)
    inherit(alone, parent)
    assert all(torch.equal(value, alone.state_dict()[name]) for name, value in child.state_dict().items())


@pytest.mark.parametrize(
    ("candidates", "sources"),
    [
        ([[0], [1], [0], [1], [2], [3], [2], [3]], [0, 1, 0, 1, 2, 3, 2, 3]),
        (
            [[0], [1, 3], [0], [1, 3], [2], [1, 3], [2], [1, 3]],
            [0, 1, 0, 1, 2, 3, 2, 3],
        ),  # 1 and 3 are dead: by what is before
        ([[0, 2], [1], [0], [1], [2], [3]], [0, 1, 0, 1, 2, 3]),  # 0 and 2 are: by what is after
        ([[0, 1], [0, 1], [0, 1], [0, 1]], [0, 1, 0, 1]),  # all are: in turn
        ([[0], [], [1]], [0, -1, 1]),
        ([[0], [0]], None),  # one is lost
    ],
)
def test_where_channels_are_alike_those_beside_them_tell(candidates, sources):
    chosen = _in_runs(
        candidates, max(2, 1 + max((one for several in candidates for one in several), default=0))
    )
    assert (None if chosen is None else chosen.tolist()) == sources
