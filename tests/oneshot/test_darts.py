import dataclasses

import pytest
import torch
from torch import nn

from retia.nn import ModelSpace, layer_choice
from retia.oneshot import TrainingBatch
from retia.oneshot.darts import DARTS
from retia.oneshot.relaxation.substitution import substituted
from retia.space import choice

functional = nn.functional


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(3, 4)
        self.op = layer_choice(
            "op", {"tanh": nn.Tanh, "linear": lambda: nn.Linear(4, 4), "sigmoid": nn.Sigmoid}
        )
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.op(self.stem(x)))


def batch(seed, n=8, features=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, features, generator=generator), torch.randint(2, (n,), generator=generator)


def training_batch(train, held_out, step=0):
    return TrainingBatch(number=step, step=step, batch=train, held_out=lambda: held_out, seed=0)


def gradient_of(setting, method, item):
    """Return the gradient of the architecture weights, as Adam is given it."""
    session = method.session(setting)
    weights = session.relaxation.weights["op"]
    with torch.no_grad():
        weights.copy_(torch.tensor([0.3, -0.2, 0.5]))
    seen = []
    session.step = seen.extend
    session.search(item)
    return seen[0]


def small_setting(make_setting, *, lr=0.2, weight_decay=0.03, **more):
    x, y = batch(0)
    setting = make_setting(ModelSpace(Small), x, y)
    # The weights of a small network make the second-order term small; larger ones do not.
    with torch.no_grad():
        for parameter in setting.supernet.parameters():
            parameter *= 2

    def sgd(parameters, _):
        return torch.optim.SGD(parameters, lr=lr, weight_decay=weight_decay, **more)

    return dataclasses.replace(setting, training=dataclasses.replace(setting.training, optimizer=sgd))


def plain_gradient(
    setting,
    train,
    held_out,
    *,
    lr=0.2,
    weight_decay=0.03,
    unrolled=True,
    buffers=None,
    momentum=0.9,
    nesterov=False,
):
    """Compute the gradient of the unrolled objective without a supernet, in double precision; `buffers` are
    those of SGD with momentum.
    """
    model = setting.supernet.model
    w = [parameter.detach().double().requires_grad_() for parameter in model.parameters()]
    names = [name for name, _ in model.named_parameters()]
    alpha = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float32).double().requires_grad_()

    def loss(tensors, data):
        by = dict(zip(names, tensors, strict=True))
        x, y = data
        h = functional.linear(x.double(), by["stem.weight"], by["stem.bias"])
        p = alpha.softmax(0)
        linear = functional.linear(h, by["op.candidates.1.weight"], by["op.candidates.1.bias"])
        mixed = p[0] * h.tanh() + p[1] * linear + p[2] * h.sigmoid()
        return functional.cross_entropy(functional.linear(mixed, by["head.weight"], by["head.bias"]), y)

    if unrolled:
        slopes = torch.autograd.grad(loss(w, train), w, create_graph=True)
        moves = [slope + weight_decay * one for one, slope in zip(w, slopes, strict=True)]
        if buffers is not None:
            after = [momentum * buffer.double() + move for buffer, move in zip(buffers, moves, strict=True)]
            moves = (
                [move + momentum * one for move, one in zip(moves, after, strict=True)] if nesterov else after
            )
        w = [one - lr * move for one, move in zip(w, moves, strict=True)]
    return torch.autograd.grad(loss(w, held_out), alpha)[0].float()


def distance(one, other):
    return float((one - other).norm() / other.norm())


def test_the_first_order_gradient_is_that_of_the_held_out_loss(make_setting):
    setting, train, held_out = small_setting(make_setting), batch(1), batch(2)
    expected = plain_gradient(setting, train, held_out, unrolled=False)
    assert distance(gradient_of(setting, DARTS(), training_batch(train, held_out)), expected) < 1e-5


def test_the_exact_second_order_gradient_is_that_of_the_unrolled_objective(make_setting):
    setting, train, held_out = small_setting(make_setting), batch(1), batch(2)
    expected = plain_gradient(setting, train, held_out)
    assert (
        distance(gradient_of(setting, DARTS(unrolled="exact"), training_batch(train, held_out)), expected)
        < 1e-5
    )
    first = plain_gradient(setting, train, held_out, unrolled=False)
    assert distance(first, expected) > 0.1  # else the test could not tell the orders apart


def test_the_finite_difference_is_close_to_the_unrolled_objective(make_setting):
    setting, train, held_out = small_setting(make_setting), batch(1), batch(2)
    expected = plain_gradient(setting, train, held_out)
    assert (
        distance(gradient_of(setting, DARTS(unrolled=True), training_batch(train, held_out)), expected) < 2e-2
    )


@pytest.mark.parametrize("unrolled", [True, "exact"])
def test_xi_stands_for_the_learning_rate(make_setting, unrolled):
    setting, train, held_out = small_setting(make_setting), batch(1), batch(2)
    gradient = gradient_of(setting, DARTS(unrolled=unrolled, xi=0.05), training_batch(train, held_out))
    assert distance(gradient, plain_gradient(setting, train, held_out, lr=0.05)) < 2e-2
    none = gradient_of(setting, DARTS(unrolled=unrolled, xi=0), training_batch(train, held_out))
    assert distance(none, plain_gradient(setting, train, held_out, unrolled=False)) < 1e-5


def test_the_learning_rate_is_what_a_schedule_has_made_of_it(make_setting):
    setting, train, held_out = small_setting(make_setting), batch(1), batch(2)

    setting.optimizers[0].param_groups[0]["lr"] = 0.1
    gradient = gradient_of(setting, DARTS(unrolled="exact"), training_batch(train, held_out, step=3))
    assert distance(gradient, plain_gradient(setting, train, held_out, lr=0.1)) < 1e-5


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize(("unrolled", "tolerance"), [("exact", 1e-5), (True, 2e-2)])
def test_the_unrolled_step_has_the_momentum_of_the_weights_optimizer(
    make_setting, unrolled, tolerance, nesterov
):
    setting, train, held_out = (
        small_setting(make_setting, momentum=0.9, nesterov=nesterov),
        batch(1),
        batch(2),
    )
    setting.supernet.mix({"op": torch.full((3,), 1 / 3)})
    for seed in (3, 4):  # steps that fill the buffers
        setting.optimizers[0].zero_grad()
        setting.loss(batch(seed)).backward()
        setting.optimizers[0].step()
    parameters = list(setting.supernet.parameters())
    buffers = [setting.optimizers[0].state[parameter]["momentum_buffer"].clone() for parameter in parameters]
    expected = plain_gradient(setting, train, held_out, buffers=buffers, nesterov=nesterov)
    assert (
        distance(gradient_of(setting, DARTS(unrolled=unrolled), training_batch(train, held_out)), expected)
        < tolerance
    )
    assert distance(plain_gradient(setting, train, held_out), expected) > 0.05  # else the test could not tell
    for parameter, buffer in zip(parameters, buffers, strict=True):
        assert torch.equal(setting.optimizers[0].state[parameter]["momentum_buffer"], buffer)


@pytest.mark.parametrize("unrolled", [True, "exact"])
def test_an_unrolled_step_leaves_the_weights_as_they_were(make_setting, unrolled):
    setting = small_setting(make_setting)
    before = {name: tensor.clone() for name, tensor in setting.supernet.state_dict().items()}
    parameters = list(setting.supernet.parameters())
    session = DARTS(unrolled=unrolled).session(setting)
    session.search(training_batch(batch(1), batch(2)))
    assert all(one is other for one, other in zip(parameters, setting.supernet.parameters(), strict=True))
    torch.testing.assert_close(setting.supernet.state_dict(), before, rtol=0, atol=0)
    assert not torch.equal(
        session.relaxation.weights["op"], DARTS().session(setting).relaxation.weights["op"]
    )


class Wide(nn.Module):
    """Has elastic layers, and a recurrent one, which keeps a list of its weights."""

    def __init__(self):
        super().__init__()
        width = choice("width", [2, 4])
        self.stem = nn.Linear(3, width)
        self.body = nn.Linear(width, 3)
        self.memory = nn.GRU(3, 3, batch_first=True)
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.memory(self.body(self.stem(x).tanh())[:, None])[0][:, 0])


def test_both_second_orders_agree_on_elastic_and_recurrent_layers(make_setting):
    x, y = batch(0)
    gradients = []
    for unrolled in (True, "exact", False):
        setting = make_setting(ModelSpace(Wide), x, y, lr=0.5)
        with torch.no_grad():
            for parameter in setting.supernet.parameters():
                parameter *= 2
        session = DARTS(unrolled=unrolled).session(setting)
        session.step = gradients.extend
        session.search(training_batch(batch(1), batch(2)))
    approximate, exact, first = gradients
    assert distance(approximate, exact) < 2e-2
    assert distance(first, exact) > 0.1


def test_substituted_parameters_are_read_by_plain_elastic_and_recurrent_layers(make_setting):
    x, y = batch(0)
    setting = make_setting(ModelSpace(Wide), x, y)
    supernet = setting.supernet
    supernet.activate({"width": 2})
    before = supernet(x).detach()
    zeros = [(parameter, torch.zeros_like(parameter).requires_grad_()) for parameter in supernet.parameters()]
    with substituted(supernet, zeros):
        outputs = supernet(x)
        assert torch.equal(outputs, torch.zeros_like(outputs))
        outputs.sum().backward()
    assert zeros[-1][1].grad is not None
    assert torch.equal(supernet(x).detach(), before)
    with pytest.raises(KeyError), substituted(supernet, zeros):
        raise KeyError
    assert torch.equal(supernet(x).detach(), before)


def test_a_step_of_the_architecture_weights_keeps_and_leaves_no_gradients_of_the_weights(make_setting):
    setting = small_setting(make_setting)
    frozen = setting.supernet.model.stem.bias.requires_grad_(False)
    session = DARTS().session(setting)
    session.search(training_batch(batch(1), batch(2)))
    assert all(parameter.grad is None for parameter in setting.supernet.parameters())
    assert [parameter for parameter in setting.supernet.parameters() if not parameter.requires_grad] == [
        frozen
    ]
