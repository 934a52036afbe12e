import copy
import pickle

import pytest
import torch
from torch import nn

from retia import choice
from retia.errors import SupernetError
from retia.nn import ModelSpace
from retia.supernet import Supernet, load_pretrained


def supernet(make, **kwargs):
    return Supernet(ModelSpace(make), seed=0, **kwargs)


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def same(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def numbered(net, name="weight"):
    """Number the entries of a full tensor."""
    full = net.model.full(name)
    with torch.no_grad():
        full.copy_(torch.arange(full.numel()).view(full.shape))
    return full


def test_a_smaller_kernel_is_the_centre_of_the_largest():
    net = supernet(lambda: nn.Conv2d(1, 1, choice("k", [1, 3, 5])))
    full = numbered(net)
    assert torch.equal(net.extract({"k": 3})["weight"], full[:, :, 1:4, 1:4])
    assert net.extract({"k": 1})["weight"].tolist() == [[[[12.0]]]]


def test_an_even_kernel_in_an_odd_one_lies_before_the_middle():
    net = supernet(lambda: nn.Conv1d(1, 1, choice("k", [2, 3, 4, 5])))
    numbered(net)
    kernels = {k: net.extract({"k": k})["weight"].flatten().tolist() for k in (2, 3, 4, 5)}
    assert kernels == {2: [1, 2], 3: [1, 2, 3], 4: [0, 1, 2, 3], 5: [0, 1, 2, 3, 4]}


def test_the_weight_is_as_large_as_the_fewest_groups_need():
    net = supernet(lambda: nn.Conv2d(4, 4, 1, groups=choice("g", [1, 2, 4])))
    assert net.model.full("weight").shape == (4, 4, 1, 1)
    numbered(net)
    assert net.extract({"g": 2})["weight"].flatten(1).tolist() == [[0, 1], [4, 5], [8, 9], [12, 13]]
    assert net.extract({"g": 4})["weight"].flatten(1).tolist() == [[0], [4], [8], [12]]


def test_a_transposed_convolution_has_its_inputs_first():
    net = supernet(lambda: nn.ConvTranspose1d(choice("in", [1, 2]), choice("out", [2, 3]), 1))
    numbered(net)
    assert net.extract({"in": 1, "out": 2})["weight"].flatten(1).tolist() == [[0, 1]]
    assert net.extract({"in": 2, "out": 2})["weight"].flatten(1).tolist() == [[0, 1], [3, 4]]


def test_groups_that_do_not_divide_the_channels_are_refused_until_they_are_excluded():
    space = ModelSpace(lambda: nn.Conv2d(choice("in", [6, 8]), 8, 1, groups=choice("g", [1, 4])))
    with pytest.raises(
        SupernetError,
        match=r"needs its groups to divide its in_channels, but they are 4 and 6 for .*a\['in'\] % a\['g'\] == 0",
    ):
        Supernet(space, seed=0)
    net = Supernet(space.where(lambda a: a["in"] % a["g"] == 0), seed=0)
    assert net.space.size() == 3
    net.activate({"in": 6, "g": 1})
    same(net(randn(2, 6, 3, 3)), net.subnet()(randn(2, 6, 3, 3)))


def depthwise(kind=nn.Conv2d, sizes=(3, 5, 7)):
    w, k = choice("w", [2, 4]), choice("k", list(sizes))
    return kind(w, w, k, padding=k // 2, groups=w)


def transformed(make=depthwise):
    """Return a supernet of transformed kernels whose matrices are no identities."""
    net = supernet(make, kernel_transform=True)
    with torch.no_grad():
        for i, matrix in enumerate(matrices(net).values()):
            matrix.add_(randn(*matrix.shape, seed=i), alpha=0.3)
    return net


def matrices(net):
    return {name: parameter for name, parameter in net.named_parameters() if "kernel_" in name}


def test_there_is_a_matrix_for_each_step_down_and_the_identity_at_first():
    net, plain = supernet(depthwise, kernel_transform=True), supernet(depthwise)
    assert {name: tuple(matrix.shape) for name, matrix in matrices(net).items()} == {
        "model.kernel_7x7_to_5x5": (25, 25),
        "model.kernel_5x5_to_3x3": (9, 9),
    }
    for architecture in net.space.enumerate():
        found, expected = net.extract(architecture), plain.extract(architecture)
        assert found.keys() == expected.keys() == {"weight", "bias"}
        same(found, expected)


def test_a_kernel_is_the_product_of_all_steps_from_the_largest():
    net = transformed()
    full, (first, second) = net.model.full("weight"), matrices(net).values()
    weights = {k: net.extract({"w": 4, "k": k})["weight"] for k in (3, 5, 7)}
    assert torch.equal(weights[7], full)
    for channel in range(4):
        middle = (first @ full[channel, 0, 1:6, 1:6].reshape(25)).view(5, 5)
        same(weights[5][channel, 0], middle.detach())
        same(weights[3][channel, 0], (second @ middle[1:4, 1:4].reshape(9)).view(3, 3).detach())


@pytest.mark.parametrize(
    ("make", "dims"),
    [
        (depthwise, 2),
        (lambda: nn.Conv2d(2, choice("w", [2, 4]), choice("k", [1, 3]), bias=False), 2),
        (lambda: nn.Conv2d(2, 3, (1, choice("k", [3, 5]))), 2),
        (lambda: nn.Conv2d(4, 4, choice("k", [(1, 3), (3, 3), (5, 7)]), groups=choice("g", [1, 2])), 2),
        (lambda: nn.ConvTranspose2d(2, choice("w", [2, 4]), choice("k", [3, 5])), 2),
        (lambda: nn.Conv1d(2, 3, choice("k", [2, 3, 4, 5])), 1),
        (lambda: nn.Conv3d(2, 3, choice("k", [1, 3])), 3),
    ],
)
def test_a_subnet_has_the_transformed_kernel_itself(make, dims):
    net = transformed(make)
    for architecture in net.space.enumerate():
        net.activate(architecture)
        subnet = net.subnet()
        assert not [name for name, _ in subnet.named_parameters() if "kernel" in name]
        x = randn(2, subnet.in_channels, *(9, 8, 7)[:dims])
        same(net(x), subnet(x))


def test_gradients_reach_the_full_weight_and_the_matrices_of_the_steps_taken():
    net = transformed()
    net.activate({"w": 2, "k": 5})
    net(randn(2, 2, 9, 9)).square().sum().backward()
    subnet = net.subnet()
    subnet(randn(2, 2, 9, 9)).square().sum().backward()
    first, second = matrices(net).values()
    kernel = subnet.weight.grad.flatten(2)  # (2, 1, 25)
    centre = net.model.full("weight")[:2, :, 1:6, 1:6].flatten(2)
    expected = torch.zeros(4, 1, 7, 7)
    expected[:2, :, 1:6, 1:6] = (kernel @ first).view(2, 1, 5, 5)
    torch.testing.assert_close(net.model.full("weight").grad, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(first.grad, torch.einsum("oci,ocj->ij", kernel, centre), rtol=1e-4, atol=1e-4)
    assert second.grad is None


def test_even_and_odd_kernels_begin_where_the_plain_centre_does():
    make = lambda: nn.Conv1d(1, 1, choice("k", [1, 2, 3, 4, 5, 6]))
    net, plain = supernet(make, kernel_transform=True), supernet(make)
    for k in range(1, 7):
        same(net.extract({"k": k}), plain.extract({"k": k}))


def test_matrices_are_saved_copied_and_moved_with_the_supernet():
    net = transformed()
    net.activate({"w": 4, "k": 3})
    x = randn(2, 4, 9, 9)
    expected = net(x)
    same(copy.deepcopy(net)(x), expected)
    same(pickle.loads(pickle.dumps(net.model))(x), expected)
    other = supernet(depthwise, kernel_transform=True)
    other.load_state_dict(net.state_dict())
    other.activate({"w": 4, "k": 3})
    same(other(x), expected)
    assert {matrix.dtype for matrix in matrices(other.double()).values()} == {torch.float64}


def test_pretrained_weights_are_those_of_a_kernel_as_long_as_it_is_the_centre():
    net = supernet(depthwise, kernel_transform=True)
    for k in (7, 5, 3):
        model = net.space.build({"w": 4, "k": k}, seed=k)
        load_pretrained(net, model, {"w": 4, "k": k})
        same(net.extract({"w": 4, "k": k}), model.state_dict())
    with torch.no_grad():
        matrices(net)["model.kernel_5x5_to_3x3"].mul_(2)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(
        SupernetError,
        match=r"'weight' is computed from a larger kernel by matrices that have been trained.*before training",
    ):
        load_pretrained(net, model, {"w": 4, "k": 3})
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    for k in (7, 5):
        model = net.space.build({"w": 4, "k": k}, seed=k)
        load_pretrained(net, model, {"w": 4, "k": k})
        same(net.extract({"w": 4, "k": k}), model.state_dict())


def test_a_kernel_that_is_not_searched_has_no_matrices():
    net = supernet(
        lambda: nn.Sequential(nn.Conv2d(1, choice("w", [2, 4]), 3), nn.Conv2d(4, 2, choice("k", [1, 3]))),
        kernel_transform=True,
    )
    assert list(matrices(net)) == ["model.1.kernel_3x3_to_1x1"]


def test_kernels_that_do_not_hold_each_other_are_refused():
    with pytest.raises(
        SupernetError,
        match=r"the choice of \['k'\] gives \(5, 1\) and \(3, 3\), neither of which contains the other",
    ):
        supernet(lambda: nn.Conv2d(1, 1, choice("k", [(3, 3), (5, 1)])), kernel_transform=True)
