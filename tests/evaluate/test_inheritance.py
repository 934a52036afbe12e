"""Children that compute what their parents compute."""

import pytest
import torch
from torch import nn

import retia
from retia.errors import EvaluationError
from retia.evaluate import inherit
from retia.nn import ModelSpace, seeded
from retia.space import Architecture


class Chain(nn.Module):
    """Convolutions with a searched width, kernel and depth, a flattened head, and a hidden layer."""

    def __init__(self):
        super().__init__()
        width, hidden = retia.choice("width", [4, 6, 8]), retia.choice("hidden", [5, 12])
        kernel = retia.choice("kernel", [1, 3, 5])
        self.stem = nn.Sequential(
            nn.Conv2d(2, width, kernel, padding=kernel // 2), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.depthwise = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        self.body = retia.repeat(
            "body",
            lambda index: nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
            ),
            (1, 3),
        )
        self.hidden, self.head = nn.Linear(width * 16, hidden), nn.Linear(hidden, 3)

    def forward(self, x):
        return self.head(torch.relu(self.hidden(self.body(self.depthwise(self.stem(x))).flatten(1))))


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)

    def forward(self, x):
        return x + self.norm(self.conv(x))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        width = retia.choice("width", [4, 8])
        self.stem = nn.Conv2d(2, width, 3, padding=1)
        self.body = retia.repeat("body", lambda index: Block(width), (1, 4))
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


class Branch(nn.Module):
    """A sum of paths, of which one may be missing."""

    def __init__(self, second=False):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4) if second else None
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(torch.tanh(self.first(x)) + (0 if self.second is None else self.second(x)))


SMALL = {"width": 4, "hidden": 5, "kernel": 1, "body": 1}
IMAGES = torch.randn(5, 2, 4, 4, generator=torch.Generator().manual_seed(0))


def built(space, seed, **values):
    """Return a model whose batch normalization has seen something."""
    model = space.build(Architecture(values), seed=seed)
    model.train()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 2.0, generator=torch.Generator().manual_seed(seed))
        for _ in range(3):
            model(IMAGES)
    return model


CHAIN, RESIDUAL = ModelSpace(Chain), ModelSpace(Residual)


def outputs(model, x=IMAGES):
    with torch.no_grad():
        return model.eval()(x)


@pytest.mark.parametrize("generator", [None, torch.Generator().manual_seed(7)])
@pytest.mark.parametrize(
    "change",
    [
        {"width": 8},
        {"width": 6},
        {"hidden": 12},
        {"kernel": 3},
        {"kernel": 5},
        {"width": 6, "hidden": 12, "kernel": 5},
    ],
)
def test_a_wider_child_computes_the_same(change, generator):
    parent = built(CHAIN, 1, **SMALL)
    child = CHAIN.build(Architecture({**SMALL, **change}), seed=2)
    told = inherit(child, parent, generator=generator)
    assert torch.allclose(outputs(child), outputs(parent), atol=1e-5)
    assert told.resized
    assert not told.new
    assert told.deviation is None


def test_the_same_architecture_is_a_copy():
    parent, child = built(CHAIN, 1, **SMALL), CHAIN.build(Architecture(SMALL), seed=2)
    told = inherit(child, parent)
    assert set(told.copied) == set(parent.state_dict())
    assert all(torch.equal(value, parent.state_dict()[name]) for name, value in child.state_dict().items())


@pytest.mark.parametrize(
    ("space", "small", "large"),
    [
        (CHAIN, SMALL, {**SMALL, "body": 3}),
        (CHAIN, SMALL, {**SMALL, "body": 2, "width": 6, "kernel": 3}),
        (RESIDUAL, {"width": 4, "body": 1}, {"width": 4, "body": 4}),
        (RESIDUAL, {"width": 4, "body": 2}, {"width": 8, "body": 3}),
    ],
)
def test_a_deeper_child_computes_the_same(space, small, large):
    parent, child = built(space, 1, **small), space.build(Architecture(large), seed=2)
    child.train()
    told = inherit(child, parent, IMAGES)
    assert child.training
    assert told.deviation < 1e-5
    assert told.new
    assert torch.allclose(outputs(child), outputs(parent), atol=1e-5)


def test_a_branch_more_adds_nothing():
    with seeded(0):
        parent, child = Branch(), Branch(second=True)
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    told = inherit(child, parent, x)
    assert told.new == ("second.weight", "second.bias")
    assert torch.equal(outputs(child, x), outputs(parent, x))
    assert told.deviation == 0.0
    child(x).sum().backward()
    assert child.second.weight.grad.abs().sum() > 0  # it can still learn


def test_a_new_module_keeps_its_weights_if_nothing_is_nearer():
    class Other(Branch):
        def forward(self, x):
            return (
                super().forward(x)
                if self.second is None
                else self.head(torch.sigmoid(self.second(x)).roll(1, 1))
            )

    with seeded(0):
        parent, child = Other(), Other(second=True)
    fresh = child.second.weight.detach().clone()
    told = inherit(child, parent)
    assert told.deviation is None
    assert torch.equal(child.second.weight, fresh)
    assert inherit(child, parent, torch.ones(2, 4)).deviation > 1e-3


def test_copies_of_a_channel_learn_apart_if_they_are_split_unevenly():
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))

    def net(hidden):
        return nn.Sequential(nn.Linear(4, hidden), nn.Tanh(), nn.Linear(hidden, 2))

    for generator, alike in ((None, True), (torch.Generator().manual_seed(0), False)):
        with seeded(0):
            parent, child = net(3), net(6)
        inherit(child, parent, generator=generator)
        child(x).square().sum().backward()
        assert torch.allclose(child[0].weight.grad[:3], child[0].weight.grad[3:]) == alike
        assert torch.equal(child[0].weight[:3], child[0].weight[3:])
        assert torch.allclose(child[2].weight[:, :3] + child[2].weight[:, 3:], parent[2].weight, atol=1e-6)


def test_a_smaller_child_has_the_first_channels_and_the_middle_of_the_kernel():
    parent, child = (
        built(CHAIN, 1, **{**SMALL, "width": 8, "kernel": 5}),
        CHAIN.build(Architecture({**SMALL, "kernel": 3}), seed=2),
    )
    inherit(child, parent)
    assert torch.equal(child.stem[0].weight, parent.stem[0].weight[:4, :, 1:4, 1:4])
    assert torch.equal(child.hidden.weight, parent.hidden.weight[:, : 4 * 16])


def test_a_transposed_convolution_reads_its_first_dimension():
    def net(width):
        return nn.Sequential(nn.Conv1d(1, width, 1), nn.ReLU(), nn.ConvTranspose1d(width, 2, 3))

    with seeded(0):
        parent, child = net(2), net(5)
    inherit(child, parent)
    x = torch.randn(2, 1, 6, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(outputs(child, x), outputs(parent, x), atol=1e-6)


def test_models_without_a_weight_in_common():
    with seeded(0):
        child, parent = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(
        EvaluationError,
        match=r"A Linear inherits weights by name, but it shares no name with the Sequential: weight, bias against 0\.weight, 0\.bias",
    ):
        inherit(child, parent)
