import pytest
import torch
from torch import nn

from retia import choice
from retia.errors import SupernetError
from retia.nn import ModelSpace
from retia.supernet import Elastic, Supernet, elastic


def supernet(make, **kwargs):
    return Supernet(ModelSpace(make), seed=0, **kwargs)


class Scaled(nn.Linear):
    """A subclass that computes something else."""

    def forward(self, x):
        return 2 * super().forward(x)


def test_a_layer_of_torch_without_an_elastic_version():
    def make():
        width = choice("classes", [2, 4])
        return nn.ModuleDict({"loss": nn.CrossEntropyLoss(weight=torch.ones(width))})

    with pytest.raises(
        SupernetError,
        match=r"'loss' \(CrossEntropyLoss\) has a searchable 'weight' \(label 'classes'\), but CrossEntropyLoss has no elastic version\..*"
        r"register one with @retia.elastic\(nn.CrossEntropyLoss\)",
    ):
        supernet(make)


def test_a_subclass_of_a_layer_is_not_replaced_unasked():
    with pytest.raises(
        SupernetError,
        match=r"'0' \(Scaled\) has a searchable 'out_features' \(label 'w'\)\. Scaled derives from Linear and may compute something else.*@retia.elastic\(Scaled\)",
    ):
        supernet(lambda: nn.Sequential(Scaled(3, choice("w", [2, 4]))))


def test_a_subclass_is_elastic_once_it_is_registered():
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    @elastic(Doubled)
    class LastFeatures(Elastic):
        def pieces(self, name, shape):
            return [self.full(name)[-shape[0] :]]

    net = supernet(lambda: Doubled(3, choice("w", [2, 4])))
    x = torch.ones(1, 3)
    net.activate({"w": 4})
    everything = net(x)
    net.activate({"w": 2})
    assert torch.equal(net(x), everything[:, 2:])
    assert torch.equal(net(x), net.subnet()(x))


def test_what_is_registered_derives_from_elastic():
    with pytest.raises(TypeError, match=r"stands above a subclass of retia.supernet.Elastic, got <class 'int'>"):
        elastic(nn.Linear)(int)
    with pytest.raises(TypeError, match=r"takes classes of torch.nn.Module, got 'Linear'"):
        elastic("Linear")
    with pytest.raises(TypeError, match=r"takes classes of torch.nn.Module, got Linear\("):
        elastic(nn.Linear(1, 1, device="meta"))


def test_groups_of_a_normalization_that_do_not_divide_its_channels():
    space = ModelSpace(lambda: nn.GroupNorm(choice("g", [2, 4]), choice("w", [6, 8])))
    with pytest.raises(SupernetError, match=r"GroupNorm\) needs its num_groups to divide its num_channels, but they are 4 and 6 for \{'g': 4, 'w': 6\}"):
        Supernet(space, seed=0)
    assert Supernet(space.where(lambda a: a["w"] % a["g"] == 0), seed=0).space.size() == 3


def test_lazy_layers_have_no_size():
    with pytest.raises(SupernetError, match=r"The model itself \(LazyLinear\) takes the size of its 'weight' from the first call"):
        Supernet(ModelSpace(lambda: nn.LazyLinear(choice("width", [8, 16]))))


def test_a_parametrization_is_refused():
    def net():
        return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, choice("width", [8, 16]))))

    with pytest.raises(SupernetError, match=r"'0' \(Linear\) has a searchable 'out_features' \(label 'width'\) and a parametrization, such as weight_norm"):
        Supernet(ModelSpace(net))


def test_a_transformation_of_no_kernel_is_refused():
    with pytest.raises(SupernetError, match="nothing to transform: no convolution of <lambda> has a searchable kernel"):
        Supernet(ModelSpace(lambda: nn.Conv2d(3, choice("width", [8, 16]), 3)), kernel_transform=True)
