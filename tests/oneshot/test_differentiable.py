import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from retia.errors import EvaluationError, StudyError, SupernetError
from retia.nn import ModelSpace, layer_choice, repeat
from retia.oneshot import Penalty
from retia.oneshot.darts import DARTS
from retia.oneshot.drnas import DrNAS
from retia.oneshot.fbnet import FBNet
from retia.oneshot.gdas import GDAS
from retia.oneshot.pcdarts import PCDARTS
from retia.oneshot.proxylessnas import ProxylessNAS
from retia.oneshot.snas import SNAS
from retia.rng import stream
from retia.space import Categorical, choice, real

METHODS = {
    "darts": DARTS(learning_rate=0.05),
    "darts-second-order": DARTS(learning_rate=0.05, unrolled=True),
    "pcdarts": PCDARTS(learning_rate=0.05),
    "gdas": GDAS(learning_rate=0.05),
    "snas": SNAS(learning_rate=0.05),
    "proxylessnas": ProxylessNAS(learning_rate=0.05),
    "drnas": DrNAS(learning_rate=0.05),
    "fbnet": FBNet(learning_rate=0.05),
}
each_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


class Absolute(nn.Module):
    def forward(self, x):
        return x.abs() - 0.8


class Activated(nn.Module):
    """Which side of the mean the sum of absolute values is on can't be told by odd functions."""

    def __init__(self):
        super().__init__()
        self.op = layer_choice("op", {"identity": nn.Identity, "tanh": nn.Tanh, "abs": Absolute})
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.op(x))


def mse(outputs, y):
    return (outputs - y).square().mean()


def no_loss(outputs, y):
    return outputs.sum() * 0


def data(n=64):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(0))
    return x, (x.abs().sum(1) > 3.2).long()


def train(session, some_lessons, *, lr=0.05, warmup=0):
    optimizer = torch.optim.SGD(session.supernet.parameters(), lr=lr)
    for item in some_lessons:
        if item.step >= warmup:
            session.search(item)
        optimizer.zero_grad()
        session.train_batch(item)
        optimizer.step()
    return session


# --- known answers


class Sized(nn.Module):
    """Searches a width, a kernel and a depth, of which the greatest are needed."""

    def __init__(self):
        super().__init__()
        kernel, width = choice("kernel", [1, 3]), choice("width", [1, 4])
        self.conv = nn.Conv1d(1, width, kernel, padding=kernel // 2)
        self.body = repeat("body", lambda i: Absolute(), (0, 1))
        self.mixed = nn.Conv1d(width, 1, 1)

    def forward(self, x):
        return self.mixed(self.body(self.conv(x)))


@each_method
def test_kernels_and_depths_are_found_by_masks(make_setting, items, method):
    x = torch.randn(64, 1, 8, generator=torch.Generator().manual_seed(0))
    y = nn.functional.conv1d(x, torch.tensor([[[1.0, -2.0, 1.0]]]), padding=1).abs() - 0.8
    setting = make_setting(ModelSpace(Sized), x, y, loss=mse, batch_size=32, epochs=100)
    session = train(method.session(setting), items(setting, 200), lr=0.1)
    best = next(session.ranked())
    assert (best["kernel"], best["body"]) == (3, 1)


@each_method
@pytest.mark.parametrize("cheap", ["identity", "abs"])
def test_under_a_penalty_alone_the_cheapest_is_found(make_setting, items, method, cheap):
    table = {"op": {name: 1.0 if name == cheap else 3.0 for name in ("identity", "tanh", "abs")}}
    setting = make_setting(
        ModelSpace(Activated), *data(), loss=no_loss, epochs=8, penalties=[Penalty("cost", table=table)]
    )
    session = train(method.session(setting), items(setting, 60))
    assert next(session.ranked()) == {"op": cheap}
    assert session.probabilities()["op"].max() > 0.5


@each_method
def test_a_penalty_of_no_scale_moves_nothing(make_setting, items, method):
    table = {"op": {"identity": 1.0, "tanh": 3.0, "abs": 3.0}}
    setting = make_setting(
        ModelSpace(Activated),
        *data(),
        loss=no_loss,
        epochs=8,
        penalties=[Penalty("cost", table=table, scale=0)],
    )
    session = train(method.session(setting), items(setting, 60))
    assert session.probabilities()["op"] == pytest.approx(np.full(3, 1 / 3), abs=0.05)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = layer_choice("op", {"identity": nn.Identity, "abs": Absolute})
        self.second = layer_choice("op", {"identity": nn.Identity, "abs": Absolute})
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.first(x) + self.second(x - 1))


@each_method
def test_two_modules_with_a_label_share_weights_and_samples(make_setting, items, method):
    setting = make_setting(ModelSpace(Twice), *data())
    session = method.session(setting)
    assert list(session.relaxation.weights) == ["op"]
    seen = []
    model = setting.supernet.model
    model.head.register_forward_pre_hook(
        lambda *given: seen.append((model.first.mixture, model.second.mixture))
    )
    session.search(next(items(setting, 1)))
    assert seen
    for one, other in seen:
        assert one is not None
        assert one is other


# --- state


@each_method
def test_probabilities_sum_to_one_and_the_state_goes_on_where_it_was(make_setting, items, method):
    def made():
        return make_setting(ModelSpace(Activated), *data())

    whole = made()
    straight = train(method.session(whole), items(whole, 8))
    first = made()
    before = train(method.session(first), itertools.islice(items(first, 8), 4))
    second = made()
    second.supernet.load_state_dict(first.supernet.state_dict())
    after = method.session(second)
    after.load_state_dict(before.state_dict())
    train(after, itertools.islice(items(second, 8), 4, 8))
    torch.testing.assert_close(after.state_dict(), straight.state_dict(), rtol=0, atol=0)
    for likely in straight.probabilities().values():
        assert likely.sum() == pytest.approx(1)
        assert (likely > 0).all()


@each_method
def test_a_scaled_loss_moves_the_weights_as_a_plain_one(make_setting, items, method):
    def moved(scale):
        setting = make_setting(ModelSpace(Activated), *data())
        session = method.session(setting)
        for item in items(setting, 2):
            session.search(dataclasses.replace(item, scale=scale))
        return session.relaxation.state_dict()

    torch.testing.assert_close(
        moved(lambda loss: 1024 * loss), moved(lambda loss: loss), rtol=1e-4, atol=1e-6
    )


def test_a_gradient_that_is_not_finite_moves_nothing(make_setting, items):
    setting = make_setting(
        ModelSpace(Activated), *data(), loss=lambda outputs, y: no_loss(outputs, y) + outputs.sum() * math.inf
    )
    session = DARTS().session(setting)
    before = session.relaxation.weights["op"].detach().clone()
    session.search(next(items(setting, 1)))
    assert torch.equal(session.relaxation.weights["op"].detach(), before)


def test_architecture_weights_are_no_parameters_of_the_supernet(make_setting):
    setting = make_setting(ModelSpace(Activated), *data())
    parameters = {id(parameter) for parameter in setting.supernet.parameters()}
    session = DARTS().session(setting)
    assert {id(parameter) for parameter in setting.supernet.parameters()} == parameters
    assert id(session.relaxation.weights["op"]) not in parameters


# --- bounds


@each_method
def test_bounds_that_nothing_meets_are_an_error_before_the_training(make_setting, method):
    setting = make_setting(ModelSpace(Activated), *data(), allows=lambda a: False)
    with pytest.raises(StudyError, match="met the bounds"):
        method.session(setting)


@pytest.mark.parametrize("name", ["gdas", "proxylessnas"])
def test_only_allowed_paths_run(make_setting, items, name, monkeypatch):
    setting = make_setting(ModelSpace(Activated), *data(), allows=lambda a: a["op"] != "abs")
    if name == "proxylessnas":  # the candidate of the other gate may be any, in the trial run too
        session = METHODS[name].session(setting)
        session.search = lambda item: {}
    monkeypatch.setattr(Absolute, "forward", lambda self, x: pytest.fail("a path that is not allowed ran"))
    if name == "gdas":
        session = METHODS[name].session(setting)
    train(session, items(setting, 20))


@pytest.mark.parametrize("name", ["gdas", "proxylessnas"])
def test_where_samples_are_never_allowed_an_allowed_path_is_drawn(make_setting, items, name, monkeypatch):
    monkeypatch.setattr("retia.oneshot.paths.sampling.TRIES", 2)
    setting = make_setting(ModelSpace(Activated), *data(), allows=lambda a: a["op"] == "tanh")
    session = METHODS[name].session(setting)
    with torch.no_grad():
        session.relaxation.weights["op"].copy_(torch.tensor([50.0, 0.0, 0.0]))
    item = next(items(setting, 1))
    setting.supernet.activate({"op": "tanh"})
    expected = setting.loss(item.batch).item()
    assert session.train_batch(item) == pytest.approx(expected)
    assert np.isfinite(session.search(item)["search_loss"])


# --- refusals


class Rated(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(4, 4), nn.Dropout(real("rate", 0.1, 0.5)), nn.Linear(4, 1))


@each_method
def test_a_real_interval_is_refused(method):
    reason = method.refuse(ModelSpace(Rated))
    assert reason is not None
    assert reason.startswith("'rate' is a real interval")
    assert f"and {type(method).__name__} needs a finite number of values to weigh. Use SPOS" in reason
    assert method.refuse(ModelSpace(Activated)) is None


def test_what_is_no_choice_of_the_model_is_refused():
    reason = GDAS().refuse(ModelSpace(Activated).extend({"lr": Categorical((0.1, 0.2))}))
    assert reason is not None
    assert reason.startswith(
        "'lr' was added by extend and is not a choice of the model, so a supernet can't have it and GDAS "
        "can't search it."
    )


class Headed(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, choice("heads", [2, 4]), batch_first=True)
        self.head = nn.Linear(8, 1)

    def forward(self, x):
        return self.head(self.attention(x, x, x)[0])


@each_method
def test_what_can_not_be_mixed_is_refused_by_its_label(make_setting, method):
    setting = make_setting(ModelSpace(Headed), torch.ones(8, 2, 8), torch.ones(8, 2, 1), loss=mse)
    with pytest.raises(
        SupernetError,
        match=(
            f"{type(method).__name__} weighs all values of a choice at once, but 'heads' .* Search it by SPOS"
        ),
    ):
        method.session(setting)


class Fixed(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(4, choice("width", [2])), nn.ReLU())


def test_a_space_without_choices_is_refused(make_setting):
    setting = make_setting(ModelSpace(Fixed), torch.ones(8, 4), torch.ones(8, 2), loss=mse)
    with pytest.raises(
        SupernetError, match="DARTS requires a choice with two values, but Fixed has no such choice"
    ):
        DARTS().session(setting)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: DARTS(learning_rate=0), "learning_rate above 0"),
        (lambda: DARTS(weight_decay=-1), "weight_decay of at least 0"),
        (lambda: DARTS(unrolled="twice"), "'unrolled' of DARTS is False, True or 'exact', got 'twice'"),
        (lambda: DARTS(xi=-1), "'xi' of DARTS"),
        (lambda: PCDARTS(divisor=0), "'divisor' of PCDARTS must be at least 1, got 0"),
        (lambda: GDAS(temperature=0.01), "GDAS needs temperature >= final_temperature > 0"),
        (lambda: SNAS(final_temperature=0), "SNAS needs temperature >= final_temperature > 0"),
        (lambda: FBNet(temperature=0), "FBNet needs a temperature above 0"),
        (lambda: DrNAS(regularization=-1), "regularization of DrNAS is at least 0"),
        (lambda: ProxylessNAS(betas=(0.5, 0.999)), r"ProxylessNAS .* betas of \(0, ...\)"),
    ],
)
def test_settings_that_can_not_be_are_refused(make, match):
    with pytest.raises(EvaluationError, match=match):
        make()


def test_the_sampler_of_a_session_is_seeded(make_setting):
    setting = make_setting(ModelSpace(Activated), *data())
    assert DARTS().session(setting).sampler.sample(stream(1, "a")) == DARTS().session(setting).sampler.sample(
        stream(1, "a")
    )


@each_method
def test_architecture_weights_belong_to_their_own_optimizer_alone(make_setting, method):
    setting = make_setting(ModelSpace(Activated), *data())
    if isinstance(method, PCDARTS):
        method = dataclasses.replace(method, divisor=1)
    weights = {id(one) for one in method.session(setting).relaxation.weights.values()}
    taught = {
        id(one)
        for optimizer in setting.optimizers
        for group in optimizer.param_groups
        for one in group["params"]
    }
    assert weights
    assert not weights & (taught | {id(one) for one in setting.supernet.parameters()})
