import pickle
import warnings

import cloudpickle
import pytest
import torch
from torch import nn

import retia
from retia.cost import Costs, Example
from retia.errors import ArchitectureError, EvaluationError, InfeasibleArchitecture
from retia.nn import ModelSpace
from retia.space import Categorical, SearchSpace
from retia.trial import Run


class Net(nn.Sequential):
    def __init__(self):
        width = retia.choice("width", [4, 8])
        super().__init__(nn.Conv2d(1, width, 3), nn.Flatten(), nn.Linear(width * 4, 2))


class ReadsInConstructor(nn.Module):
    def __init__(self):
        super().__init__()
        width = retia.choice("width", [4, 8])
        self.layer = nn.Linear(int(torch.ones(3).sum().item()), width)

    def forward(self, x):
        return self.layer(x)


class ReadsInForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, retia.choice("width", [4, 8]))

    def forward(self, x):
        return self.layer(x) if x.sum().item() == 0 else x


def quiet(factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return ModelSpace(factory)


def test_known_costs():
    space = ModelSpace(Net)
    for width in (4, 8):
        architecture = space.validate({"width": width})
        params = 9 * width + width + 4 * width * 2 + 2
        macs = 4 * width * 9 + 4 * width * 2  # the convolution gives 2 x 2 positions
        assert Costs((1, 4, 4))(architecture, Run(space)) == {
            "params": params,
            "flops": 2 * macs,
            "macs": macs,
        }
        assert Costs()(architecture, Run(space)) == {"params": params}
        assert Costs(torch.zeros(7, 1, 4, 4))(architecture, Run(space))["macs"] == macs


def test_what_it_supplies():
    assert Costs().metrics == ("params",)
    assert Costs((3,)).metrics == ("params", "flops", "macs")
    assert Costs().example is None
    assert Costs((3,), dtype=torch.long).example == Example.of((3,), dtype=torch.long)


def test_it_is_a_value():
    costs = Costs(torch.zeros(64, 3, 32, 32))
    assert costs == Costs((3, 32, 32))
    for module in (pickle, cloudpickle):
        assert module.loads(module.dumps(costs)) == costs
    assert len(pickle.dumps(costs)) < 500


def test_its_description_is_json():
    assert Costs((3, 4)).capabilities().settings() == {"type": "Costs", "input": "(3, 4)"}
    assert Costs().capabilities().settings() == {"type": "Costs", "input": None}


@pytest.mark.parametrize("factory", [ReadsInConstructor, ReadsInForward])
def test_a_model_that_reads_values_is_counted_on_the_cpu(factory):
    space = quiet(factory)
    assert Costs((3,))(space.default(), Run(space)) == {"params": 16, "flops": 24, "macs": 12}


def test_a_space_without_models():
    space = SearchSpace({"width": Categorical((4, 8))})
    with pytest.raises(
        EvaluationError,
        match=r"the space \(SearchSpace\) does not build models. Search a ModelSpace, or omit costs",
    ):
        Costs()(space.default(), Run(space))


def test_an_input_that_does_not_fit_names_the_module():
    space = ModelSpace(Net)
    with pytest.raises(
        InfeasibleArchitecture,
        match=r"can't run on an input of shape \(1, 5, 5\).*'2' \(Linear\), on \(1, 36\)",
    ):
        Costs((1, 5, 5))(space.default(), Run(space))


def test_an_architecture_of_another_space():
    space = ModelSpace(Net)
    with pytest.raises(ArchitectureError, match="width"):
        Costs()(retia.Architecture({"width": 5}), Run(space))
