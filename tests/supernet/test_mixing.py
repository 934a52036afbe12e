"""A mixture by one-hot weights is the architecture; by others it is what the literature says."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import retia
from retia.errors import SupernetError
from retia.nn import ModelSpace
from retia.supernet import Supernet


def one_hot(space, architecture, labels):
    """Return the weights that give all weight to an architecture's values."""
    weights = {}
    for label in labels:
        values = list(space.parameters[label].domain.enumerate())
        weights[label] = torch.tensor([float(value == architecture[label]) for value in values])
    return weights


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


class Widths(nn.Module):
    """Without normalization a masked channel is as good as an absent one."""

    def __init__(self):
        super().__init__()
        width, kernel = retia.choice("width", [4, 2, 6]), retia.choice("kernel", [3, 5, 1])
        self.stem = nn.Conv2d(3, width, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(width)
        self.depthwise = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width, bias=False)
        self.token = nn.Parameter(torch.ones(1, width, 1, 1))
        self.up = nn.ConvTranspose2d(width, 2 * width, kernel, padding=kernel // 2)
        self.head = nn.Linear(2 * width, 2)

    def forward(self, x):
        return self.head(self.up(self.depthwise(self.norm(self.stem(x))) * self.token).mean((2, 3)))


class Structure(nn.Module):
    """A layer choice, a depth, two input choices and a cell."""

    def __init__(self):
        super().__init__()
        self.body = retia.repeat("body", lambda i: nn.Linear(4, 4), (1, 3))
        self.act = retia.layer_choice(
            "act", {"relu": nn.ReLU, "linear": lambda: nn.Linear(4, 4), "tanh": nn.Tanh}
        )
        self.inputs = retia.input_choice("inputs", 3, choose=(1, 2), reduction="mean")
        self.cell = retia.cell(
            "cell", {"skip": nn.Identity, "linear": lambda: nn.Linear(4, 4)}, nodes=2, dim=1
        )

    def forward(self, x):
        first = self.body(x)
        second = self.act(first)
        third = self.inputs([x, first, second])
        return self.cell(second, third)


@pytest.mark.parametrize("factory", [Widths, Structure])
def test_one_hot_weights_compute_what_the_architecture_does(factory):
    space = ModelSpace(factory)
    supernet = Supernet(space, seed=0).eval()
    x = draw(2, 3, 6, 6) if factory is Widths else draw(2, 4)
    labels = [label for label, parameter in space.parameters.items() if parameter.condition.always]
    rng = np.random.default_rng(0)
    for _ in range(12):
        architecture = space.sample(rng)
        supernet.activate(architecture)
        expected = supernet(x)
        supernet.mix(one_hot(space, architecture, labels))
        assert torch.allclose(supernet(x), expected, atol=1e-6), dict(architecture)


def test_half_and_half_is_the_mean_of_two_widths():
    """In a linear network the mean of the masks gives the mean of the outputs, but for the bias of the last
    layer, which both have.
    """

    def net():
        width = retia.choice("width", [2, 6])
        return nn.Sequential(nn.Linear(3, width), nn.Linear(width, 1))

    supernet, x = Supernet(ModelSpace(net), seed=0), draw(4, 3)
    outputs = []
    for width in (2, 6):
        supernet.activate({"width": width})
        outputs.append(supernet(x))
    supernet.mix({"width": torch.tensor([0.25, 0.75])})
    assert torch.allclose(supernet(x), 0.25 * outputs[0] + 0.75 * outputs[1], atol=1e-6)


def test_depths_are_weighed_by_their_outputs():
    def net():
        return retia.repeat("body", lambda i: nn.Linear(3, 3), (0, 2))

    supernet, x = Supernet(ModelSpace(net), seed=0), draw(4, 3)
    first, second = supernet.model._modules["0"], supernet.model._modules["1"]
    supernet.mix({"body": torch.tensor([0.5, 0.3, 0.2])})
    assert torch.allclose(supernet(x), 0.5 * x + 0.3 * first(x) + 0.2 * second(first(x)), atol=1e-6)


def test_inputs_are_weighed_by_the_share_of_each():
    def net():
        return retia.input_choice("inputs", 3, choose=2)

    supernet = Supernet(ModelSpace(net))
    supernet.mix({"inputs": torch.tensor([0.5, 0.3, 0.2])})  # {0, 1}, {0, 2}, {1, 2}
    a, b, c = draw(3, 4).unbind(0)
    assert torch.allclose(supernet([a, b, c]), 0.8 * a + 0.7 * b + 0.5 * c)


def test_a_size_of_two_choices_has_the_joint_expectation():
    def net():
        return nn.Linear(1, retia.choice("a", [1, 2]) * retia.choice("b", [1, 3]), bias=False)

    supernet = Supernet(ModelSpace(net), seed=0)
    supernet.mix({"a": torch.tensor([0.4, 0.6]), "b": torch.tensor([0.9, 0.1])})
    full = supernet.model.full("weight")
    # Blocks of b entries, of which a are used: the second block with 0.6, all but the first entry of each
    # with 0.1.
    expected = full[:, 0] * torch.tensor([1.0, 0.1, 0.1, 0.6, 0.06, 0.06])
    assert torch.allclose(supernet(torch.ones(1, 1))[0], expected, atol=1e-6)


def test_what_is_not_mixed_keeps_its_value():
    def net():
        return nn.Linear(1, retia.choice("a", [1, 2]) * retia.choice("b", [1, 3]), bias=False)

    supernet = Supernet(ModelSpace(net), seed=0)
    supernet.activate({"a": 2, "b": 1})
    supernet.mix({"b": torch.tensor([0.5, 0.5])})
    full = supernet.model.full("weight")
    assert torch.allclose(
        supernet(torch.ones(1, 1))[0], full[:, 0] * torch.tensor([1.0, 0.5, 0.5, 1.0, 0.5, 0.5])
    )
    supernet.activate({"a": 1, "b": 1})
    assert supernet(torch.ones(1, 1)).shape == (1, 1)


def test_gradients_reach_the_weights_of_every_choice_and_the_full_tensors():
    space = ModelSpace(Widths)
    supernet = Supernet(space, seed=0)
    weights = {label: torch.full((3,), 1 / 3, requires_grad=True) for label in space.parameters}
    supernet.mix(weights)
    supernet(draw(2, 3, 6, 6)).square().sum().backward()
    for weight in weights.values():
        assert torch.isfinite(weight.grad).all()
        assert weight.grad.abs().min() > 0
    assert all(parameter.grad is not None for parameter in supernet.parameters())


def test_the_same_mixture_again_uses_new_weights():
    supernet, x = Supernet(ModelSpace(Widths), seed=0).eval(), draw(2, 3, 6, 6)
    for values in ([0.2, 0.3, 0.5], [1.0, 0.0, 0.0]):
        supernet.mix({"width": torch.tensor(values)})
        mixed = supernet(x)
    supernet.activate({"width": 4, "kernel": 3})
    assert torch.allclose(supernet(x), mixed, atol=1e-6)


def test_a_copy_mixes_by_itself():
    supernet, x = Supernet(ModelSpace(Widths), seed=0).eval(), draw(2, 3, 6, 6)
    supernet.mix({"width": torch.tensor([0.2, 0.3, 0.5])})
    supernet.activate(supernet.architecture)
    before = supernet(x)
    twin = copy.deepcopy(supernet)
    twin.mix({"width": torch.tensor([0.0, 1.0, 0.0])})
    assert torch.equal(supernet(x), before)
    assert not torch.allclose(twin(x), before)


def pickled(supernet):
    return pickle.loads(pickle.dumps(supernet))


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
@pytest.mark.parametrize("factory", [Widths, Structure])
def test_a_copy_of_a_mixed_supernet_is_mixed_until_an_activation(factory, copied):
    space = ModelSpace(factory)
    supernet = Supernet(space, seed=0).eval()
    x = draw(2, 3, 6, 6) if factory is Widths else draw(2, 4)
    labels = [label for label, parameter in space.parameters.items() if parameter.condition.always]
    weights = {label: torch.arange(1.0, 1 + space.parameters[label].domain.size) for label in labels}
    rng = np.random.default_rng(0)
    architectures = [space.sample(rng) for _ in range(6)]
    expected = []
    for architecture in architectures:
        supernet.activate(architecture)
        expected.append(supernet(x))
    supernet.mix({label: one / one.sum() for label, one in weights.items()})
    mixed = supernet(x)
    for architecture, output in zip(architectures, expected, strict=True):
        twin = copied(supernet)
        assert torch.equal(twin(x), mixed)
        twin.activate(architecture)
        assert torch.equal(twin(x), output), dict(architecture)
    assert torch.equal(supernet(x), mixed)


def unmixable():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout(retia.choice("drop", [0.0, 0.5]))
            self.rate = retia.real("rate", 0.0, 1.0)
            self.conv = nn.Conv2d(3, 4, 3, stride=retia.choice("stride", [1, 2]))
            self.joined = retia.input_choice("joined", 3, choose=2, reduction="concat")
            heads = retia.choice("heads", [1, 2])
            self.attention = nn.MultiheadAttention(8 * heads, heads)
            self.scale = retia.choice("scale", [0.5, 1.5])
            self.pool = nn.MaxPool2d(retia.choice("pool", [2, 3]))
            self.grouped = nn.Conv2d(8, 8, 1, groups=retia.choice("groups", [1, 2]))

    return Odd()


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("drop", r"is 'p' of 'drop' \(Dropout\), which has no weighted mean"),
        ("rate", "is a real interval"),
        ("stride", r"is 'stride' of 'conv' \(Conv2d\), which has no weighted mean"),
        ("joined", "chooses inputs that are joined by 'concat', not by a sum"),
        ("heads", r"sizes 'attention' \(MultiheadAttention\), whose tensors are stacks of blocks"),
        ("scale", r"is 'scale' of '' \(Odd\), which is not a size"),
        ("pool", r"is '\w+' of 'pool' \(MaxPool2d\), which has no weighted mean"),
        ("groups", r"is 'groups' of 'grouped' \(Conv2d\), which has no weighted mean"),
        ("other", "is not a parameter of the space"),
    ],
)
def test_what_can_not_be_weighed_is_refused(label, reason):
    supernet = Supernet(ModelSpace(unmixable), seed=0)
    with pytest.raises(SupernetError, match=f"'{label}' {reason}.*method that samples paths"):
        supernet.mix({label: torch.ones(2)})


def test_weights_have_the_shape_of_the_domain():
    supernet = Supernet(ModelSpace(Structure), seed=0)
    with pytest.raises(
        SupernetError, match=r"'act' has 3 values and needs weights of the shape \(3,\), got \(2,\)"
    ):
        supernet.mix({"act": torch.ones(2)})


def test_a_loop_over_blocks_can_not_be_mixed():
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = retia.repeat("body", lambda i: nn.Linear(3, 3), (1, 2))

        def forward(self, x):
            for block in self.body:
                x = block(x) + x
            return x

    supernet = Supernet(ModelSpace(Loop), seed=0)
    supernet.mix({"body": torch.tensor([0.5, 0.5])})
    with pytest.raises(SupernetError, match="loop over the blocks of a repeat can't be mixed"):
        supernet(torch.ones(1, 3))


def test_a_size_that_shrinks_with_its_choice_can_not_be_mixed():
    supernet = Supernet(ModelSpace(lambda: nn.Linear(3, 12 // retia.choice("ratio", [1, 2]))), seed=0)
    with pytest.raises(
        SupernetError, match=r"A size of Linear is 12 for some value and 6 for the greatest ones"
    ):
        supernet.mix({"ratio": torch.tensor([0.5, 0.5])})
