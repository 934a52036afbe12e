import torch
from torch import nn

from retia.nn import ModelSpace, seeded, tensor_parameter
from retia.space import choice


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        width = choice("width", [2, 4])
        self.token = tensor_parameter((1, 3, width * 2), init=nn.init.ones_)
        self.gate = tensor_parameter(width)


def test_it_is_a_parameter_of_zeros():
    weight = tensor_parameter(3)
    assert type(weight) is nn.Parameter
    assert weight.requires_grad
    assert weight.tolist() == [0.0, 0.0, 0.0]


def test_it_takes_a_shape():
    assert tensor_parameter([2, 3]).shape == (2, 3)
    assert tensor_parameter(()).shape == ()


def test_it_is_filled_by_a_function():
    def count(tensor):
        tensor.copy_(torch.arange(4.0))

    assert tensor_parameter(4, init=count).tolist() == [0.0, 1.0, 2.0, 3.0]


def test_a_random_filling_follows_the_seed():
    with seeded(3):
        first = tensor_parameter(4, init=lambda tensor: tensor.normal_())
    with seeded(3):
        assert torch.equal(first, tensor_parameter(4, init=nn.init.normal_))


def test_its_shape_follows_the_choices():
    space = ModelSpace(Gate)
    for width in (2, 4):
        state = space.build({"width": width}).state_dict()
        assert {name: tuple(tensor.shape) for name, tensor in state.items()} == {
            "token": (1, 3, 2 * width),
            "gate": (width,),
        }
        assert state["token"].eq(1).all()
        assert state["gate"].eq(0).all()
