import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from retia import choice
from retia.errors import SupernetError
from retia.nn import ModelSpace
from retia.supernet import Supernet


def supernet(make, **kwargs):
    return Supernet(ModelSpace(make), seed=0, **kwargs)


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def same(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def lstm():
    return nn.LSTM(2, choice("h", [2, 4]), choice("n", [1, 3]), bidirectional=choice("both", [False, True]))


@pytest.mark.parametrize(
    ("layer", "gates"),
    [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1), (nn.LSTMCell, 4), (nn.GRUCell, 3), (nn.RNNCell, 1)],
)
def test_each_gate_gives_its_first_rows(layer, gates):
    net = supernet(lambda: layer(1, choice("h", [2, 3])))
    suffix = "" if issubclass(layer, nn.RNNCellBase) else "_l0"
    with torch.no_grad():
        net.model.full(f"bias_ih{suffix}").copy_(torch.arange(3.0 * gates))
        net.model.full(f"weight_hh{suffix}").copy_(torch.arange(9.0 * gates).view(-1, 3))
    weights = net.extract({"h": 2})
    rows = [row for gate in range(gates) for row in (3 * gate, 3 * gate + 1)]
    assert weights[f"bias_ih{suffix}"].tolist() == rows
    assert weights[f"weight_hh{suffix}"].tolist() == [[3 * row, 3 * row + 1] for row in rows]


def test_layers_and_directions_have_the_names_of_torch():
    net = supernet(lstm)
    one = net.extract({"h": 2, "n": 1, "both": False})
    assert {name: tuple(tensor.shape) for name, tensor in one.items()} == {
        "weight_ih_l0": (8, 2),
        "weight_hh_l0": (8, 2),
        "bias_ih_l0": (8,),
        "bias_hh_l0": (8,),
    }
    many = net.extract({"h": 4, "n": 3, "both": True})
    assert len(many) == 3 * 2 * 4
    assert many["weight_ih_l2_reverse"].shape == (16, 8)
    assert net.extract({"h": 2, "n": 3, "both": True})["weight_ih_l1"].shape == (8, 4)
    assert net.extract({"h": 2, "n": 3, "both": False})["weight_ih_l1"].shape == (8, 2)


def test_what_an_architecture_has_not_is_no_attribute():
    net = supernet(lstm)
    net.activate({"h": 2, "n": 1, "both": True})
    assert net.model.weight_ih_l0_reverse.shape == (8, 2)
    with pytest.raises(AttributeError, match="no attribute 'weight_ih_l1' in this architecture"):
        _ = net.model.weight_ih_l1
    assert not hasattr(net.model, "weight_ih_l2_reverse")
    assert [[tuple(weight.shape) for weight in weights] for weights in net.model.all_weights] == 2 * [
        [(8, 2), (8, 2), (8,), (8,)]
    ]


def test_packed_sequences_and_given_states():
    net = supernet(lstm)
    packed = pack_sequence([randn(4, 2), randn(2, 2, seed=1), randn(3, 2, seed=2)], enforce_sorted=False)
    for architecture in net.space.enumerate():
        net.activate(architecture)
        subnet = net.subnet()
        found, (hidden, cell) = net(packed)
        expected, state = subnet(packed)
        same(found.data, expected.data)
        same((hidden, cell), state)
        x = randn(4, 3, 2)
        same(net(x, (hidden, cell)), subnet(x, state))
    with pytest.raises(RuntimeError, match="Expected hidden"):
        net(x, (hidden[:1], cell))
    assert "_taken" not in vars(net.model)


def test_a_copy_shares_nothing_and_an_optimizers_step_is_seen():
    net = supernet(lstm)
    twin = copy.deepcopy(net).double()
    twin.activate({"h": 2, "n": 3, "both": True})
    net.activate({"h": 4, "n": 1, "both": False})
    x = randn(5, 3, 2).double()
    before, _ = twin(x)
    before.sum().backward()
    assert all(parameter.grad is None for parameter in net.parameters())
    torch.optim.SGD(twin.parameters(), lr=0.1).step()
    after, _ = twin(x)
    assert not torch.allclose(before, after)
    same(after, twin.subnet().double()(x)[0])
    same(pickle.loads(pickle.dumps(twin.model))(x)[0], after)


def test_torchs_own_upkeep_of_the_weights_does_nothing():
    net = supernet(lstm)
    net.activate({"h": 2, "n": 1, "both": False})
    before = net.extract()
    net.model.flatten_parameters()
    net.model._flat_weights = []
    net.model._flat_weights_names = []
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.extract().items())
    assert [weight.shape for weight in net.model._flat_weights] == [
        tensor.shape for tensor in before.values()
    ]


def test_a_state_dict_holds_the_weights_of_all_architectures_and_loads_again():
    net, other = supernet(lstm), Supernet(ModelSpace(lstm), seed=1)
    assert net.state_dict()["model.weight_ih_l2_reverse"].shape == (16, 8)
    other.load_state_dict(net.state_dict())
    for architecture in net.space.enumerate():
        extracted = other.extract(architecture)
        assert all(torch.equal(tensor, extracted[name]) for name, tensor in net.extract(architecture).items())


def test_dropout_is_followed_once_it_is_an_attribute():
    # The constructor makes a plain float of it, float(dropout), which forgets the choice.
    with pytest.raises(SupernetError, match="'p' is in no attribute"):
        supernet(lambda: nn.LSTM(2, choice("h", [2, 4]), 2, dropout=choice("p", [0.1, 0.9])))

    def make():
        layer = nn.LSTM(2, choice("h", [2, 4]), 2)
        layer.dropout = choice("p", [0.0, 1.0])
        return layer

    net = supernet(make)
    x = randn(5, 3, 2)
    outputs = {}
    for p in (0.0, 1.0):
        net.activate({"h": 2, "p": p})
        outputs[p], _ = net(x)
        same(outputs[p], net.subnet()(x)[0])
    assert not torch.allclose(outputs[0.0], outputs[1.0])


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_a_projection_gives_its_first_rows_and_columns():
    net = supernet(lambda: nn.LSTM(2, choice("h", [4, 5]), proj_size=choice("p", [2, 3])))
    with torch.no_grad():
        net.model.full("weight_hr_l0").copy_(torch.arange(15.0).view(3, 5))
    assert net.extract({"h": 4, "p": 2})["weight_hr_l0"].tolist() == [[0, 1, 2, 3], [5, 6, 7, 8]]


def test_a_projection_that_may_be_none_is_refused():
    with pytest.raises(
        SupernetError,
        match=r"'0.weight_hh_l0' of '0' \(LSTM\) has the shape \(32, 3\) in the supernet, but \(32, 8\).* the choice 'p'",
    ):
        supernet(lambda: nn.Sequential(nn.LSTM(2, 8, proj_size=choice("p", [0, 3]))))


def test_more_layers_than_the_greatest_values_make_are_refused():
    with pytest.raises(
        SupernetError,
        match=(
            "has a tensor 'weight_ih_l1' in the model itself .GRU., which the supernet lacks.*the choice "
            "'part'"
        ),
    ):
        supernet(lambda: nn.GRU(2, 4, 4 // choice("part", [1, 4])))
