"""Known answers: what each module computes is worked out by hand."""

import pytest
import torch
from torch import nn

from retia.cost import Example, count, flops_by_module, meta_copy
from retia.nn import seeded


@pytest.fixture(autouse=True)
def fixed_weights():
    with seeded(0):
        yield


class Block(nn.Module):
    """A product of its own besides that of its layer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4, bias=False)
        self.norm = nn.LayerNorm(4)

    def forward(self, x):
        return self.norm(self.layer(x)) @ x.mT


def test_each_modules_own_operations():
    block = Block()
    model = meta_copy(nn.Sequential(block, nn.ReLU(), nn.Linear(3, 2)))
    with flops_by_module(model) as run:
        flops = run(torch.zeros(1, 3, 4, device="meta"))
        assert flops == {model[0].layer: 2 * 3 * 4 * 4, model[0]: 2 * 3 * 4 * 3, model[2]: 2 * 3 * 3 * 2}
        assert run(torch.zeros(1, 3, 4, device="meta")) == flops
    assert (
        sum(flops.values())
        == count(nn.Sequential(block, nn.ReLU(), nn.Linear(3, 2)), Example.of((3, 4))).flops
    )
    assert not any("forward" in vars(module) for module in model.modules())


def test_a_module_that_is_called_twice_counts_twice():
    layer = nn.Linear(4, 4)
    model = meta_copy(nn.Sequential(layer, layer, nn.Sequential(layer)))
    with flops_by_module(model, lambda _: 0) as run:
        assert run(torch.zeros(1, 4, device="meta")) == {model[0]: 3 * 2 * 4 * 4}


class Scaled(nn.Module):
    """Runs its layer as often as it is told, and counts its calls."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.times = 1
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        for _ in range(self.times):
            x = self.layer(x)
        return x, [x]


def test_a_module_runs_again_only_for_another_state_or_shape():
    model = meta_copy(Scaled())
    with flops_by_module(model, lambda module: getattr(module, "times", None)) as run:
        for times, batch, calls in [(1, 1, 1), (1, 1, 1), (2, 1, 2), (1, 1, 2), (1, 3, 3), (2, 1, 3)]:
            model.times = times
            assert run(torch.zeros(batch, 4, device="meta")) == {model.layer: times * batch * 2 * 4 * 4}
            assert model.calls == calls


def test_a_module_that_is_given_a_list_runs_each_time():
    class Collects(nn.Module):
        def forward(self, x, states):
            states.append(x)
            return x

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.collect, self.layer = Collects(), nn.Linear(4, 4)

        def forward(self, x):
            states = []
            self.collect(x, states)
            return self.layer(states[0])

    model = meta_copy(Net())
    with flops_by_module(model, lambda module: 0 if module is not model else object()) as run:
        for _ in range(2):
            assert run(torch.zeros(1, 4, device="meta")) == {model.layer: 32}


def test_a_forward_of_an_instances_own_is_put_back_also_after_an_error():
    model = meta_copy(nn.Sequential(nn.Linear(4, 4)))
    own = model[0].forward
    model[0].forward = own
    with flops_by_module(model) as run, pytest.raises(RuntimeError):
        run(torch.zeros(1, 5, device="meta"))
    assert vars(model[0])["forward"] is own and "forward" not in vars(model)


def test_a_copy_on_meta_keeps_what_is_shared_and_shares_nothing_with_the_model():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3).requires_grad_(False))
    model[2].weight = model[0].weight
    model.scale = torch.ones(2)
    copy = meta_copy(model)
    assert all(tensor.device.type == "meta" for tensor in (*copy.parameters(), *copy.buffers(), copy.scale))
    assert copy[2].weight is copy[0].weight and copy[2].weight is not model[0].weight
    assert isinstance(copy[0].weight, nn.Parameter) and not copy[2].bias.requires_grad
    assert {name: tensor.shape for name, tensor in copy.state_dict().items()} == {
        name: tensor.shape for name, tensor in model.state_dict().items()
    }
    assert model[0].weight.device.type == "cpu"
