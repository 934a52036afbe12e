import pytest
import torch
from torch import nn

from retia.nn import ModelSpace, seeded, tensor_parameter
from retia.space import choice

DEVICE = "meta"


def test_on_meta_a_constructor_that_fills_by_hand_is_skipped():
    filled = []

    def factory():
        layer = nn.Linear(choice("width", [2, 3]), 4)
        with torch.no_grad():
            layer.weight.fill_(1.0)
            layer.bias.zero_()
        filled.append(nn.init.kaiming_normal_(layer.weight) is layer.weight)
        filled.append(nn.init.constant_(tensor=layer.bias, val=2.0) is layer.bias)
        return layer

    layer = ModelSpace(factory).build({"width": 3}, device=DEVICE)
    assert filled == [True, True] * 2
    assert (layer.weight.device.type, tuple(layer.weight.shape)) == (DEVICE, (4, 3))


def test_what_is_made_on_the_cpu_on_purpose_is_filled():
    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.width = choice("width", [2, 3])
            self.register_buffer("table", nn.init.constant_(torch.empty(2, device="cpu"), 5.0))
            self.register_buffer("zeros", torch.empty(2, device="cpu").zero_())

    model = ModelSpace(Table).build({"width": 2}, device=DEVICE)
    assert model.table.tolist() == [5.0, 5.0]
    assert model.zeros.tolist() == [0.0, 0.0]


def test_any_device_may_be_named():
    space = ModelSpace(lambda: nn.Linear(choice("width", [2, 3]), 4))
    for device in ("cpu", torch.device("cpu")):
        built = space.build({"width": 2}, device=device, seed=1)
        assert torch.equal(built.weight, space.build({"width": 2}, seed=1).weight)
    assert space.build({"width": 2}, device=torch.device(DEVICE)).weight.is_meta


def test_without_a_device_the_one_in_force_holds():
    space = ModelSpace(lambda: nn.Linear(choice("width", [2, 3]), 4))
    with torch.device(DEVICE):
        assert space.build({"width": 2}).weight.is_meta


def test_filling_by_a_user_function_works_on_every_device():
    space = ModelSpace(
        lambda: nn.ParameterList(
            [tensor_parameter(choice("width", [2, 3]), init=lambda tensor: tensor.uniform_(1, 2))]
        )
    )
    with seeded(0):
        assert space.build({"width": 3})[0].min() >= 1
    assert space.build({"width": 3}, device=DEVICE)[0].shape == (3,)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_build_on_a_gpu():
    space = ModelSpace(lambda: nn.Linear(choice("width", [2, 3]), 4))
    built = space.build({"width": 3}, device="cuda", seed=0)
    assert built.weight.device.type == "cuda"
    assert built.weight.float().std() > 0
