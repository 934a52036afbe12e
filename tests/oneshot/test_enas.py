import copy
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

import retia
from retia.errors import EvaluationError, StudyError
from retia.nn import ModelSpace
from retia.oneshot import Penalty
from retia.oneshot.enas import ENAS
from retia.oneshot.paths.controller import Controller
from retia.space import Categorical, Clause, Condition, Integer, Parameter, SearchSpace


class Shaped(nn.Sequential):
    def __init__(self):
        super().__init__(
            retia.layer_choice("shape", {"linear": nn.Identity, "tanh": nn.Tanh}), nn.Linear(2, 1)
        )


class Bonus:
    """A penalty that stands for any reward: what an architecture earns by its own table, in place of its
    quality.
    """

    penalty = Penalty("params")

    def __init__(self, earns):
        self.earns = earns

    def cost(self, architecture):
        return self.earns(architecture)

    def reward(self, quality, cost):
        return cost


def with_bonus(setting, earns):
    return type(setting)(
        setting.supernet,
        setting.training,
        setting.steps,
        setting.steps_per_epoch,
        setting.seed,
        setting.allows,
        [Bonus(earns)],
    )


def taught_paths(session, items, step="train_batch"):
    paths = []
    handle = session.supernet.register_forward_pre_hook(
        lambda supernet, _: paths.append(supernet.architecture)
    )
    for item in items:
        getattr(session, step)(item)
    handle.remove()
    return paths


def test_the_controller_alone_finds_a_planted_reward(make_setting, items, classes, layers):
    # One of 3 x 3 x (1 + 3) = 36 architectures is worth 1; each value that it shares is worth something on
    # the way.
    planted = {"width": 6, "a": "linear", "b": "inner", "b/inner/c": "GELU"}
    found = 0
    for seed in range(10):
        setting = with_bonus(
            make_setting(layers, *classes, seed=seed),
            lambda a: sum(a.get(k) == v for k, v in planted.items()) / 4,
        )
        session = ENAS(learning_rate=0.05, samples=2, hidden=8).session(setting)
        for item in items(setting, 50):
            session.search(item)
        found += next(session.ranked()) == planted
    assert found >= 9


def test_probabilities_move_towards_the_reward(make_setting, items, classes, layers):
    setting = with_bonus(make_setting(layers, *classes), lambda a: float(a["width"] == 8))
    session = ENAS(learning_rate=0.02, samples=4, hidden=16).session(setting)
    before = session.probabilities()
    assert {label: len(p) for label, p in before.items()} == {"width": 3, "a": 3, "b": 2, "b/inner/c": 3}
    for probabilities in before.values():
        assert probabilities.sum() == pytest.approx(1, abs=1e-5)
        assert np.ptp(probabilities) < 0.05  # near to uniform at first
    for item in items(setting, 60):
        told = session.search(item)
    assert session.probabilities()["width"][2] > 0.8
    assert told["reward"] > 0.5


def test_the_reward_is_the_accuracy_of_scores_on_the_held_out_batch(make_setting, items, classes, layers):
    setting = make_setting(layers, *classes)
    (item,) = items(setting, 1)
    session = ENAS().session(setting)
    (path,) = taught_paths(session, [item], "search")
    told = ENAS().session(setting).search(item)
    x, y = item.held_out()
    assert told["reward"] == pytest.approx(
        float((setting.supernet.subnet(path)(x).argmax(1) == y).float().mean())
    )


def test_the_reward_of_anything_else_is_a_power_of_the_loss_with_the_penalties(make_setting, items, classes):
    x, _ = classes
    penalty = Penalty("params", target=2, scale=0.5)  # every path has 3
    setting = make_setting(ModelSpace(Shaped), x, x.sum(1, keepdim=True), loss=mse_loss, penalties=[penalty])
    (item,) = items(setting, 1)
    (path,) = taught_paths(ENAS().session(setting), [item], "search")
    told = ENAS().session(setting).search(item)
    features, targets = item.held_out()
    quality = math.exp(-float(mse_loss(setting.supernet.subnet(path)(features), targets).detach()))
    assert told["reward"] == pytest.approx(quality - 0.5 * (3 / 2 - 1))


@pytest.mark.parametrize(
    ("loss", "reward"),
    [(1.0, math.exp(-1)), (0.0, 1.0), (-2.0, 3.0), (-5000.0, 5001.0), (math.inf, 0.0), (math.nan, 0.0)],
)
def test_the_reward_falls_as_the_loss_rises_without_overflow(make_setting, items, loss, reward, inputs):
    x = inputs()
    setting = make_setting(ModelSpace(Shaped), x, x[:, :1], loss=lambda outputs, y: torch.tensor(loss))
    assert ENAS().session(setting).search(next(items(setting, 1)))["reward"] == pytest.approx(reward)


@pytest.mark.parametrize("turned", [False, True])
def test_penalties_that_multiply_come_before_those_that_subtract(make_setting, items, turned, inputs):
    x = inputs()
    penalties = [
        Penalty("params", target=1, scale=2, form="hinge"),
        Penalty("params", target=1.5, scale=1, form="hard"),
    ]  # every path has 3
    setting = make_setting(
        ModelSpace(Shaped),
        x,
        x[:, :1],
        loss=lambda outputs, y: torch.tensor(0.0),
        penalties=penalties[::-1] if turned else penalties,
    )
    # 1 / (3 / 1.5) - 2 (3 / 1 - 1): the other way round there would be a reward below 0 to multiply.
    assert ENAS().session(setting).search(next(items(setting, 1)))["reward"] == pytest.approx(0.5 - 4)


def test_to_be_rewarded_leaves_running_statistics_as_they_are(make_setting, items, classes):
    space = ModelSpace(
        lambda: nn.Sequential(
            nn.Linear(2, 4), nn.BatchNorm1d(4), retia.layer_choice("act", [nn.ReLU, nn.Tanh]), nn.Linear(4, 2)
        )
    )
    setting = make_setting(space, *classes)
    session, norm = ENAS(samples=3).session(setting), setting.supernet.model[1]
    item = next(items(setting, 1))
    before = {name: buffer.clone() for name, buffer in norm.named_buffers()}
    session.search(item)
    assert all(torch.equal(buffer, before[name]) for name, buffer in norm.named_buffers())
    session.train_batch(item)
    assert not torch.equal(norm.running_mean, before["running_mean"])
    assert norm.num_batches_tracked == 1


def test_the_gradient_is_that_of_reinforce_with_a_moving_baseline_and_entropy(
    make_setting, items, classes, layers
):
    setting = with_bonus(make_setting(layers, *classes), lambda a: float(a["width"]))
    session = ENAS(samples=3, baseline_decay=0.5, entropy_weight=0.1, hidden=8).session(setting)
    first, second = items(setting, 2)
    rewards = [float(path["width"]) for path in taught_paths(session, [first], "search")]
    baseline = rewards[0]
    for reward in rewards:
        baseline = 0.5 * baseline + 0.5 * reward
    assert session.state_dict()["baseline"] == pytest.approx(baseline)
    controller = copy.deepcopy(session._controller)
    paths = taught_paths(session, [second], "search")
    total = 0.0
    for path in paths:
        log_probability, entropy = controller.score(path)
        total = total - ((path["width"] - baseline) * log_probability + 0.1 * entropy) / 3
        baseline = 0.5 * baseline + 0.5 * path["width"]
    controller.zero_grad()
    total.backward()
    for expected, mine in zip(controller.parameters(), session._controller.parameters(), strict=True):
        assert (expected.grad is None) == (mine.grad is None)
        if expected.grad is not None:
            torch.testing.assert_close(mine.grad, expected.grad)


def test_a_search_leaves_no_gradient_in_the_weights_and_teaching_none_in_the_controller(
    make_setting, items, classes, layers
):
    setting = make_setting(layers, *classes)
    session = ENAS().session(setting)
    (item,) = items(setting, 1)
    session.search(item)
    assert all(p.grad is None for p in setting.supernet.parameters())
    before = copy.deepcopy(session._controller.state_dict())
    session.train_batch(item)
    assert all(torch.equal(before[name], tensor) for name, tensor in session._controller.state_dict().items())
    assert any(p.grad is not None for p in setting.supernet.parameters())


# --- the controller


@pytest.fixture
def conditional():
    on = Condition(((Clause("kind", frozenset({"deep"})),),))
    return SearchSpace(
        [
            Parameter("kind", Categorical(("flat", "deep"))),
            Parameter("depth", Integer(1, 3), on),
            Parameter("fixed", Categorical(("only",))),
            Parameter("size", Categorical((8, 16))),
        ]
    )


def trained(space, **settings):
    controller = Controller(
        space, **{"hidden": 8, "tanh_constant": 2.5, "temperature": 1.0, "seed": 0} | settings
    )
    with torch.no_grad():
        for parameter in controller.parameters():
            parameter.mul_(20)  # far from uniform
    return controller


def test_probabilities_of_all_architectures_sum_to_one(conditional):
    controller = trained(conditional)
    probabilities = [float(controller.score(path)[0].detach().exp()) for path in conditional.enumerate()]
    assert len(probabilities) == 8
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    assert max(probabilities) > 2 * min(probabilities)


def test_samples_are_valid_and_as_frequent_as_their_probabilities_say(conditional):
    controller = trained(conditional)
    generator = torch.Generator().manual_seed(0)
    drawn = [conditional.validate(controller.sample(generator)[0]) for _ in range(3000)]
    for path in conditional.enumerate():
        assert drawn.count(path) / 3000 == pytest.approx(
            float(controller.score(path)[0].detach().exp()), abs=0.03
        )


def test_entropy_is_the_sum_of_the_decisions_own(conditional):
    controller = Controller(conditional, hidden=8, tanh_constant=1e-6, temperature=5.0, seed=0)  # uniform
    flat, deep = (
        {"kind": "flat", "fixed": "only", "size": 8},
        {"kind": "deep", "depth": 2, "fixed": "only", "size": 8},
    )
    assert float(controller.score(flat)[1].detach()) == pytest.approx(2 * math.log(2), rel=1e-4)
    assert float(controller.score(deep)[1].detach()) == pytest.approx(2 * math.log(2) + math.log(3), rel=1e-4)
    assert float(controller.score(deep)[0].detach()) == pytest.approx(
        -2 * math.log(2) - math.log(3), rel=1e-4
    )


def test_tanh_bounds_the_logits():
    controller = trained(SearchSpace({"a": Categorical((0, 1))}), tanh_constant=0.5)
    probabilities = [float(controller.score({"a": value})[0].detach().exp()) for value in (0, 1)]
    assert max(probabilities) / min(probabilities) <= math.exp(1.0) * 1.0001
    assert max(probabilities) / min(probabilities) > 1.1


def test_the_same_seed_makes_the_same_controller(conditional):
    first, second, other = (
        Controller(conditional, hidden=8, tanh_constant=2.5, temperature=5.0, seed=seed) for seed in (1, 1, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.start, other.start)
    assert max(float(p.detach().abs().max()) for p in first.parameters()) <= 0.1


# --- what is ranked and restored


def test_a_small_space_is_ranked_completely_by_probability(make_setting, items, classes, layers):
    setting = with_bonus(
        make_setting(layers, *classes, allows=lambda a: a["width"] != 6), lambda a: float(a["width"] == 8)
    )
    session = ENAS(learning_rate=0.02, samples=4, hidden=16).session(setting)
    for item in items(setting, 40):
        session.search(item)
    ranked = list(session.ranked())
    assert len(ranked) == len(set(ranked)) == 24
    scores = [float(session._controller.score(path)[0].detach()) for path in ranked]
    assert scores == sorted(scores, reverse=True)
    assert [path["width"] for path in ranked[:6]] == [8] * 6


def test_a_larger_space_is_ranked_by_samples_and_then_at_random(make_setting, items, classes, layers):
    setting = make_setting(layers.where(lambda a: a["width"] != 6, "no 6"), *classes)
    session = ENAS(candidates=10).session(setting)
    ranked = list(session.ranked())
    assert len(ranked) == len(set(ranked)) == 24
    scores = [float(session._controller.score(path)[0].detach()) for path in ranked]
    sampled = next(i for i, (a, b) in enumerate(itertools.pairwise(scores), 1) if b > a)
    assert 3 <= sampled <= 12


def test_a_restored_session_goes_on_alike(make_setting, items, classes, layers):
    setting = make_setting(layers, *classes)
    all_lessons = list(items(setting, 12))
    method = ENAS(learning_rate=0.05, samples=2, hidden=16)
    session = method.session(setting)
    for item in all_lessons[:6]:
        session.search(item)
    restored, fresh = method.session(setting), method.session(setting)
    restored.load_state_dict(session.state_dict())
    for item in all_lessons[6:]:
        assert session.search(item) == restored.search(item)
        fresh.search(item)
    ours, theirs, others = (one._controller.state_dict() for one in (session, restored, fresh))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert not all(torch.equal(ours[name], others[name]) for name in ours)
    assert taught_paths(session, all_lessons) == taught_paths(restored, all_lessons)


def test_restrictions_and_bounds_are_never_violated(make_setting, items, classes, layers):
    space = layers.where(lambda a: a["a"] != "linear" or a["width"] < 8, "narrow linear layers")
    setting = make_setting(space, *classes, allows=lambda a: a["width"] > 4)
    session = ENAS().session(setting)
    paths = [
        *taught_paths(session, items(setting, 60)),
        *taught_paths(session, items(setting, 60), "search"),
        *session.ranked(),
    ]
    assert all(path in space and path["width"] > 4 for path in paths)


def test_what_the_controller_never_samples_is_drawn_at_random(
    make_setting, items, classes, monkeypatch, layers
):
    monkeypatch.setattr("retia.oneshot.paths.sampling.TRIES", 1)
    setting = make_setting(layers, *classes, allows=lambda a: a["width"] == 6 and a["a"] == "tanh")
    session = ENAS().session(setting)
    told = [session.search(item) for item in items(setting, 20)]
    assert len(told) == 20
    assert {(path["width"], path["a"]) for path in taught_paths(session, items(setting, 20))} == {(6, "tanh")}


def test_a_space_with_nothing_to_decide_is_searched_too(make_setting, items, classes):
    def one():
        return nn.Sequential(nn.Linear(2, 2), retia.layer_choice("act", [nn.ReLU]))

    setting = make_setting(ModelSpace(one), *classes)
    session = ENAS().session(setting)
    for item in items(setting, 2):
        assert session.search(item)["controller_entropy"] == 0
    assert list(session.ranked()) == [{"act": "ReLU"}]
    assert session.probabilities() == {}


def test_a_real_interval_is_refused_with_the_methods_that_can(layers, slope):
    reason = ENAS().refuse(slope)
    assert "'slope' is a real interval" in reason
    assert "SPOS, Sandwich or OnceForAll" in reason
    assert ENAS().refuse(layers) is None


def test_a_bound_that_nothing_meets_is_an_error_before_training(make_setting, classes, layers):
    with pytest.raises(StudyError, match="met the bounds on costs"):
        ENAS().session(make_setting(layers, *classes, allows=lambda a: False))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 0}, "'samples' of ENAS must be at least 1, got 0"),
        ({"learning_rate": 0.0}, "'learning_rate' of ENAS must be above 0, got 0.0"),
        ({"baseline_decay": 1.0}, "baseline_decay=1.0"),
        ({"entropy_weight": -1.0}, "entropy_weight=-1.0"),
    ],
)
def test_settings_that_cannot_be_are_errors(settings, message):
    with pytest.raises(EvaluationError, match=message):
        ENAS(**settings)
