import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss, softmax

import retia
from retia.errors import EvaluationError, StudyError
from retia.nn import ModelSpace
from retia.oneshot.once_for_all import OnceForAll
from retia.oneshot.paths.shrinking import Shrinking, phases_of
from retia.space import Categorical, Integer, Real, Subset
from retia.supernet import Supernet


class Widened(nn.Sequential):
    def __init__(self):
        width = retia.choice("width", [2, 4])
        shape = retia.layer_choice("shape", {"linear": nn.Identity, "tanh": nn.Tanh, "relu": nn.ReLU})
        super().__init__(shape, nn.Linear(2, width), nn.Linear(width, 1))


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        kernel = retia.choice("kernel", [3, 5, 7])
        middle = retia.choice("expand", [1, 2, 3]) * channels
        self.inside = nn.Conv1d(channels, middle, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm1d(middle)
        self.act = retia.layer_choice("act", [nn.ReLU, nn.Tanh])
        self.out = nn.Conv1d(middle, channels, 1)

    def forward(self, x):
        return x + self.out(self.act(self.norm(self.inside(x))))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = retia.repeat("body", lambda i: Block(2), (1, 3))
        self.head = nn.Linear(2, 3)

    def forward(self, x):
        return self.head(self.body(x).mean(2))


KERNELS, EXPANDS = [f"body/{i}/kernel" for i in range(3)], [f"body/{i}/expand" for i in range(3)]
LARGEST = {"body": 3} | dict.fromkeys(KERNELS, 7) | dict.fromkeys(EXPANDS, 3)


@pytest.fixture
def signals(inputs):
    x = inputs(64, 2, 9)
    return x, (x.mean(2)[:, 0] > 0).long()


def test_kernels_depths_and_widths_are_found_in_the_supernet():
    kernels, depths, widths = phases_of(Supernet(ModelSpace(Net), seed=0))
    assert kernels == set(KERNELS)
    assert depths == {"body"}
    assert widths == set(EXPANDS)
    assert phases_of(Supernet(ModelSpace(Widened), seed=0)) == [{"width"}]


def test_values_open_from_the_largest_down_phase_after_phase():
    domains = {
        "kernel": Categorical((3, 5, 7)),
        "depth": Integer(2, 4),
        "width": Categorical((8, 64, 16, 32)),
    }
    schedule = Shrinking(
        domains, [frozenset({label}) for label in domains], largest=40, steps=100
    )  # 20 steps a phase
    opened = {label: [len(schedule.open_values(label, step)) for step in range(100)] for label in domains}
    assert opened["kernel"] == [1] * 40 + [2] * 10 + [3] * 50
    assert opened["depth"] == [1] * 60 + [2] * 10 + [3] * 30
    assert opened["width"] == [1] * 80 + [2] * 7 + [3] * 7 + [4] * 6
    assert schedule.open_values("kernel", 45) == [7, 5]
    assert schedule.open_values("depth", 99) == [4, 3, 2]
    assert schedule.open_values("width", 90) == [64, 32, 16]
    assert [schedule.phase(step) for step in (0, 39, 40, 59, 60, 79, 80, 99)] == [-1, -1, 0, 0, 1, 1, 2, 2]


def test_subsets_open_from_the_whole_down_and_intervals_continuously():
    domains = {"inputs": Subset((0, 1, 2), least=2), "rate": Real(0.0, 1.0), "kind": Categorical(("a", "b"))}
    schedule = Shrinking(domains, [frozenset(domains)], largest=10, steps=110)
    assert schedule.open_values("inputs", 5) == [(0, 1, 2)]
    assert schedule.open_values("inputs", 109) == [(0, 1, 2), (1, 2), (0, 2), (0, 1)]
    assert schedule.open_values("kind", 5) == ["a"]
    rng = np.random.default_rng(0)
    assert {schedule.sample("rate", 9, rng) for _ in range(9)} == {1.0}
    drawn = [schedule.sample("rate", 60, rng) for _ in range(300)]
    assert 0.5 <= min(drawn) < 0.52
    assert max(drawn) > 0.98


def test_lessons_train_open_values_and_as_many_subnets_as_their_phase_has(
    make_setting, items, signals, taught_paths
):
    setting = make_setting(ModelSpace(Net), *signals, epochs=20)  # 160 steps: 48, and 37.3 a phase
    session = OnceForAll().session(setting)
    rows = taught_paths(session, items(setting, 160))
    assert [len(paths) for paths in rows] == [1] * 48 + [1] * 38 + [2] * 37 + [4] * 37
    sized = [
        {label: value for label, value in path.items() if not label.endswith("act")}
        for paths in rows
        for path in paths
    ]
    assert all(path == LARGEST for path in sized[:48])
    acts = {path["body/0/act"] for paths in rows[:48] for path in paths}
    assert acts == {"ReLU", "Tanh"}  # of no phase
    kernels, depths, widths = rows[48:86], rows[86:123], rows[123:]
    flat = [path for paths in kernels for path in paths]
    assert {path["body"] for path in flat} == {3}
    assert {path[label] for path in flat for label in EXPANDS} == {3}
    assert {path[label] for path in flat[:18] for label in KERNELS} == {7, 5}
    assert {path[label] for path in flat[19:] for label in KERNELS} == {7, 5, 3}
    assert {path["body"] for paths in depths[:18] for path in paths} == {3, 2}
    assert {path["body"] for paths in depths[19:] for path in paths} == {3, 2, 1}
    assert {path["body/0/expand"] for paths in depths for path in paths} == {3}
    assert {path["body/0/expand"] for paths in widths[19:] for path in paths} == {3, 2, 1}
    assert {path["body"] for paths in widths for path in paths} == {3, 2, 1}


def test_what_is_open_follows_from_the_step_alone(make_setting, items, signals, taught_paths):
    setting = make_setting(ModelSpace(Net), *signals, epochs=4)
    forwards, backwards = OnceForAll().session(setting), OnceForAll().session(setting)
    all_lessons = list(items(setting, 32))
    assert taught_paths(forwards, all_lessons) == taught_paths(backwards, all_lessons[::-1])[::-1]


def test_phases_may_be_given_as_predicates_of_labels(make_setting, items, signals, taught_paths):
    setting = make_setting(ModelSpace(Net), *signals, epochs=4)  # 32 steps: 16 and 8 a phase
    method = OnceForAll(
        largest=0.5,
        phases=[lambda label: label == "body", lambda label: label.startswith("body/0")],
        subnets_per_step=2,
    )
    rows = taught_paths(method.session(setting), items(setting, 32))
    assert [len(paths) for paths in rows] == [1] * 16 + [2] * 16
    first, second, third = (
        [path for paths in part for path in paths] for part in (rows[:16], rows[16:24], rows[24:])
    )
    assert {(path["body"], path["body/0/kernel"], path["body/0/act"]) for path in first} == {(3, 7, "ReLU")}
    assert {path["body/1/kernel"] for path in first} == {3, 5, 7}  # of no phase
    assert {path["body/0/kernel"] for path in second} == {7}
    assert {path["body"] for path in second} > {3}
    assert {path["body/0/act"] for path in third} == {"ReLU", "Tanh"}


def test_a_phase_without_a_parameter_is_an_error(make_setting, signals):
    method = OnceForAll(phases=[lambda label: label == "body", lambda label: label == "depth"])
    with pytest.raises(
        EvaluationError, match="number 2 of 'phases' holds for no label that an earlier phase has left of"
    ):
        method.session(make_setting(ModelSpace(Net), *signals))


def test_the_loss_is_that_on_the_targets_plus_that_on_the_frozen_largest(
    make_setting, items, signals, taught_paths
):
    setting = make_setting(ModelSpace(Net), *signals, epochs=4)  # 32 steps, 10 of the largest
    session = OnceForAll(distillation=0.5, subnets_per_step=3).session(setting)
    all_lessons = list(items(setting, 32))
    optimizer = setting.optimizers[0]
    teacher = None
    for item in all_lessons:
        if item.step == 10:
            teacher = setting.supernet.subnet(LARGEST | {f"body/{i}/act": "ReLU" for i in range(3)}).train()
        before = copy.deepcopy(setting.supernet)
        optimizer.zero_grad()
        loss = session.train_batch(item)
        (paths,) = taught_paths(session, [item])
        x, y = item.batch
        expected = 0.0
        for path in paths:
            outputs = before.subnet(path)(x)
            expected += float(cross_entropy(outputs, y).detach())
            if item.step >= 10:
                with torch.no_grad():
                    expected += 0.5 * float(
                        cross_entropy(outputs, softmax(teacher(x), 1))
                    )  # it normalizes by the batch
        assert loss == pytest.approx(expected, rel=1e-5)
        optimizer.step()


def test_a_restored_session_has_the_same_teacher(make_setting, items, signals):
    setting = make_setting(ModelSpace(Net), *signals, epochs=4)
    all_lessons = list(items(setting, 32))
    session = OnceForAll().session(setting)
    assert session.state_dict() == {"teacher": None}
    session.train_batch(all_lessons[10])
    restored, forgetful = OnceForAll().session(setting), OnceForAll().session(setting)
    restored.load_state_dict(copy.deepcopy(session.state_dict()))
    forgetful.load_state_dict({"teacher": None})
    with torch.no_grad():
        for parameter in setting.supernet.parameters():
            parameter.mul_(1.5)
    losses = [one.train_batch(all_lessons[20]) for one in (session, restored, forgetful)]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_without_sizes_everything_is_open(make_setting, items, taught_paths, inputs):
    x = inputs()
    space = ModelSpace(
        lambda: nn.Sequential(
            retia.layer_choice("shape", {"linear": nn.Identity, "tanh": nn.Tanh}), nn.Linear(2, 1)
        )
    )
    setting = make_setting(space, x, x[:, :1], loss=mse_loss)
    session = OnceForAll().session(setting)
    rows = taught_paths(session, items(setting, setting.steps))
    assert all(len(paths) == 1 for paths in rows)
    assert {path["shape"] for (path,) in rows} == {"linear", "tanh"}
    assert session.state_dict() == {"teacher": None}


def test_restrictions_and_bounds_are_never_violated(make_setting, items, signals, taught_paths):
    space = ModelSpace(Net).where(lambda a: a["body"] < 3, "at most two blocks")
    setting = make_setting(space, *signals, epochs=4, allows=lambda a: a["body/0/kernel"] < 7)
    session = OnceForAll().session(setting)
    rows = taught_paths(session, items(setting, 32))
    paths = [path for part in rows for path in part]
    assert all(path in space and path["body/0/kernel"] < 7 for path in paths)
    first = rows[0][0]  # the nearest to the largest
    assert (
        first["body"],
        first["body/0/kernel"],
        first["body/1/kernel"],
        first["body/0/expand"],
        first["body/1/expand"],
    ) == (2, 5, 7, 3, 3)


def test_ranking_ends_after_each_allowed_architecture(make_setting, inputs):
    x = inputs()
    setting = make_setting(
        ModelSpace(Widened), x, x[:, :1], loss=mse_loss, allows=lambda a: a["shape"] != "tanh"
    )
    ranked = list(OnceForAll().session(setting).ranked())
    assert len(ranked) == len(set(ranked)) == 4
    assert all(path["shape"] != "tanh" for path in ranked)


def test_real_parameters_of_no_phase_are_sampled(make_setting, items, taught_paths, slope, inputs):
    x = inputs()
    setting = make_setting(slope, x, (x[:, 0] > 0).long())
    slopes = {
        path["slope"]
        for paths in taught_paths(OnceForAll().session(setting), items(setting, setting.steps))
        for path in paths
    }
    assert len(slopes) >= setting.steps
    assert OnceForAll().refuse(setting.supernet.space) is None


def test_a_bound_that_nothing_meets_is_an_error_before_training(make_setting, signals):
    space = ModelSpace(Net).where(lambda a: a["body"] == 1, "one block")
    with pytest.raises(StudyError, match="met the bounds on costs"):
        OnceForAll().session(make_setting(space, *signals, allows=lambda a: False))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"largest": 0.0}, "'largest' of OnceForAll must be a share of the steps between 0 and 1, got 0.0"),
        (
            {"subnets_per_step": (1, 0)},
            r"'subnets_per_step' of OnceForAll must be at least 1 in each phase, got \(1, 0\)",
        ),
        ({"subnets_per_step": ()}, "'subnets_per_step'"),
        ({"distillation": -1.0}, "'distillation' of OnceForAll must be a weight of at least 0, got -1.0"),
    ],
)
def test_settings_that_cannot_be_are_errors(settings, message):
    with pytest.raises(EvaluationError, match=message):
        OnceForAll(**settings)
