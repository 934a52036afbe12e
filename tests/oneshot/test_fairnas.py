from collections import Counter
from itertools import pairwise

import pytest
import torch

from retia.errors import EvaluationError, StudyError
from retia.oneshot.fairnas import FairNAS


def counts(paths, label):
    return Counter(path[label] for path in paths if label in path)


def test_each_candidate_is_used_exactly_once_a_lesson(make_setting, items, classes, taught_paths, layers):
    setting = make_setting(layers, *classes)
    rows = taught_paths(FairNAS().session(setting), items(setting, 12))
    for paths in rows:
        assert len(paths) == 3
        assert counts(paths, "a") == {"relu": 1, "tanh": 1, "linear": 1}
        assert counts(paths, "width") == {4: 1, 6: 1, 8: 1}
    assert (
        len({tuple(path["a"] for path in paths) for paths in rows}) > 3
    )  # in random order, and paired at random
    assert len({(path["a"], path["width"]) for paths in rows for path in paths}) == 9


def test_another_number_of_values_is_balanced_exactly_over_a_cycle(
    make_setting, items, classes, taught_paths, layers
):
    setting = make_setting(layers, *classes)
    rows = taught_paths(FairNAS().session(setting), items(setting, 40))
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        assert counts(first + second, "b") == {"relu": 3, "inner": 3}  # six paths
    flat = [path for paths in rows for path in paths]
    assert len(flat) == 120
    assert counts(flat, "b/inner/c") == {"SiLU": 20, "GELU": 20, "ELU": 20}  # active in 60 of them
    conditional = [path for path in flat if "b/inner/c" in path]
    for i in range(0, 60, 3):
        assert len(counts(conditional[i : i + 3], "b/inner/c")) == 3


def test_the_number_of_paths_may_be_given(make_setting, items, classes, taught_paths, layers):
    setting = make_setting(layers, *classes)
    rows = taught_paths(FairNAS(paths=2).session(setting), items(setting, 3))
    assert [len(paths) for paths in rows] == [2, 2, 2]
    flat = [path for paths in rows for path in paths]
    assert counts(flat, "a") == {"relu": 2, "tanh": 2, "linear": 2}


def test_gradients_are_summed_and_each_candidate_gets_that_of_its_own_path(
    make_setting, items, classes, taught_paths, layers
):
    setting = make_setting(layers, *classes)
    session = FairNAS().session(setting)
    (item,) = items(setting, 1)
    (paths,) = taught_paths(session, [item])
    mine = {name: p.grad.clone() for name, p in setting.supernet.named_parameters()}
    setting.supernet.zero_grad()
    losses = []
    for path in paths:
        setting.supernet.activate(path)
        losses.append(setting.loss(item.batch))
    sum(losses).backward()
    for name, parameter in setting.supernet.named_parameters():
        torch.testing.assert_close(mine[name], parameter.grad)
    assert FairNAS().session(setting).train_batch(item) == pytest.approx(float(sum(losses).detach()))


def test_paths_follow_from_the_number_of_a_lesson(make_setting, items, classes, taught_paths, layers):
    setting = make_setting(layers, *classes)
    all_lessons = list(items(setting, 10))
    alone = taught_paths(FairNAS().session(setting), all_lessons)
    shared = [
        taught_paths(FairNAS().session(setting), all_lessons[rank::2]) for rank in (0, 1)
    ]  # two processes
    assert shared == [alone[0::2], alone[1::2]]
    session = FairNAS().session(setting)
    taught_paths(session, all_lessons[5:])
    assert taught_paths(session, all_lessons[2:4]) == alone[2:4]  # back in time


def test_a_restored_session_goes_on_alike_without_looking_back(
    make_setting, items, classes, taught_paths, layers
):
    setting = make_setting(layers, *classes)
    all_lessons = list(items(setting, 9))
    session = FairNAS().session(setting)
    taught_paths(session, all_lessons[:4])
    restored = FairNAS().session(setting)
    restored.load_state_dict(session.state_dict())
    assert restored.state_dict() == session.state_dict()
    assert restored.state_dict()["drawn"] == 4
    assert taught_paths(restored, all_lessons[4:]) == taught_paths(session, all_lessons[4:])


def test_restrictions_and_bounds_are_never_violated_and_the_rest_is_as_fair_as_can_be(
    make_setting, items, classes, taught_paths, layers
):
    space = layers.where(lambda a: a["a"] != "linear" or a["width"] < 8, "narrow linear layers")
    setting = make_setting(space, *classes, allows=lambda a: a["width"] > 4)
    session = FairNAS().session(setting)
    flat = [path for paths in taught_paths(session, items(setting, 40)) for path in paths]
    assert all(path in space and path["width"] > 4 for path in [*flat, *session.ranked()])
    for label in ("a", "b", "width", "b/inner/c"):
        used = counts(flat, label).values()
        assert max(used) - min(used) <= 0.2 * sum(used), label
    ranked = list(session.ranked())
    assert len(ranked) == len(set(ranked)) == sum(a["width"] > 4 for a in space.enumerate())


def test_a_fair_path_is_found_where_only_some_pairs_are_allowed(
    make_setting, items, classes, taught_paths, layers
):
    space = layers.where(lambda a: (a["a"], a["width"]) != ("relu", 4), "not relu with 4")
    setting = make_setting(space, *classes)
    flat = [path for paths in taught_paths(FairNAS().session(setting), items(setting, 60)) for path in paths]
    for before, after in pairwise(range(0, 180, 30)):
        assert max(counts(flat[before:after], "a").values()) <= 12  # of 10 each


def test_a_real_interval_is_refused_with_the_methods_that_can(layers, slope):
    reason = FairNAS().refuse(slope)
    assert "'slope' is a real interval" in reason
    assert "SPOS, Sandwich or OnceForAll" in reason
    assert FairNAS().refuse(layers) is None


def test_a_bound_that_nothing_meets_is_an_error_before_training(make_setting, classes, layers):
    with pytest.raises(StudyError, match="met the bounds on costs"):
        FairNAS().session(make_setting(layers, *classes, allows=lambda a: False))


def test_no_paths_are_no_lesson():
    with pytest.raises(EvaluationError, match="'paths' of FairNAS must be at least 1, got 0"):
        FairNAS(paths=0)
