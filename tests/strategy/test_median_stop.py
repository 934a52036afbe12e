"""MedianStop: limits by hand, and trials that end at them."""

import math

import numpy as np
import pytest

from retia.errors import SpaceError, StudyError
from retia.space import Integer, SearchSpace
from retia.strategy import ASHA, MedianStop, Random
from retia.trial import History, Limits, Objective, Trial

SPACE = SearchSpace({"x": Integer(0, 999)})
UP, DOWN = (Objective("y", "maximize"),), (Objective("y", "minimize"),)


def ended(number, curve, fidelity=None, parent=None, x=None, first=1, **metrics):
    architecture = SPACE.validate({"x": number if x is None else x})
    progress = tuple({"step": float(step), "y": y} for step, y in enumerate(curve, first))
    return Trial(
        number, architecture, "completed", {"y": curve[-1], **metrics}, fidelity, parent, progress=progress
    )


def limits_of(*trials, objectives=UP, **settings):
    (proposal,) = MedianStop(Random(), **{"min_trials": 1, "warmup_steps": 0, **settings}).propose(
        SPACE, History(objectives, trials=trials), 1, np.random.default_rng(0)
    )
    return proposal.limits


def test_the_limits_are_the_medians_of_the_running_averages():
    # The running averages: 0.2, 0.3, 0.4; 0.4, 0.4; 0.6, 0.5, 0.6.
    trials = ended(0, (0.2, 0.4, 0.6)), ended(1, (0.4, 0.4)), ended(2, (0.6, 0.4, 0.8))
    assert dict(limits_of(*trials).steps) == pytest.approx({1: -0.4, 2: -0.4, 3: -0.5})
    assert dict(limits_of(*trials, objectives=DOWN).steps) == pytest.approx({1: 0.4, 2: 0.4, 3: 0.5})


def test_a_step_needs_enough_trials_and_the_warm_up():
    trials = ended(0, (0.2, 0.4, 0.6)), ended(1, (0.4, 0.4)), ended(2, (0.6, 0.4, 0.8))
    assert [step for step, _ in limits_of(*trials, min_trials=3).steps] == [1, 2]
    assert [step for step, _ in limits_of(*trials, warmup_steps=2).steps] == [2, 3]
    assert limits_of(*trials, min_trials=4).steps == ()


def test_only_trials_that_went_their_way_count():
    running, failed = (
        Trial(1, SPACE.validate({"x": 1})),
        Trial(2, SPACE.validate({"x": 2}), "failed", error="no", progress=({"step": 1.0, "y": 0.9},)),
    )
    stopped, other = (
        ended(3, (0.9, 0.9), stopped_step=2.0),
        Trial(4, SPACE.validate({"x": 4}), "completed", {"y": 0.9}, progress=({"loss": 1.0},)),
    )
    odd = Trial(5, SPACE.validate({"x": 5}), "completed", {"y": 0.9}, progress=({"y": math.nan},))
    assert dict(limits_of(ended(0, (0.2, 0.4)), running, failed, stopped, other, odd).steps) == pytest.approx(
        {1: -0.2, 2: -0.3}
    )


def test_reports_without_a_step_are_counted():
    trial = Trial(0, SPACE.validate({"x": 0}), "completed", {"y": 0.9}, progress=({"y": 0.2}, {"y": 0.4}))
    assert dict(limits_of(trial).steps) == pytest.approx({1: -0.2, 2: -0.3})


def test_a_trial_that_goes_on_counts_from_where_it_began():
    low, high = ended(0, (0.2, 0.4), fidelity=2, x=7), ended(1, (0.6, 0.8), parent=0, x=7, first=3)
    assert dict(limits_of(low, high).steps) == pytest.approx({1: -0.2, 2: -0.3, 3: -0.4, 4: -0.5})
    assert limits_of(low, high, min_trials=2).steps == ()  # each of its steps is one trial's
    # Without its parent's files it has begun anew: its own reports stand for both.
    anew = ended(1, (0.4, 0.4, 0.7), parent=0, x=7)
    assert dict(limits_of(low, anew).steps) == pytest.approx({1: -0.3, 2: -(0.3 + 0.4) / 2, 3: -0.5})


def test_what_a_trial_goes_on_from_counts_as_its_best():
    history = History(
        UP, trials=[ended(0, (0.2, 0.9, 0.6), fidelity=3, x=1), ended(1, (0.1, 0.1, 0.1), fidelity=3, x=2)]
    )
    promoted, new = MedianStop(ASHA(Random(), fidelities=(3, 9), eta=2), min_trials=2).propose(
        SPACE, history, 2, np.random.default_rng(0)
    )
    assert (promoted.parent, promoted.limits.best) == (0, -0.9)
    assert (new.parent, new.limits.best) == (None, math.inf)


def test_with_several_objectives_nothing_is_stopped():
    trial = ended(0, (0.2, 0.4), params=1.0)
    assert limits_of(trial, objectives=(*UP, Objective("params", "minimize"))) is None


def test_limits_are_exceeded_by_what_is_strictly_worse():
    limits = Limits(UP[0], ((2, -0.5), (4, -0.7)))
    assert [
        limits.exceeded(-y, step)
        for y, step in [(0.1, 1), (0.5, 2), (0.49, 2), (0.6, 3.5), (0.6, 4), (0.6, 99)]
    ] == [
        False,
        False,
        True,
        False,
        True,
        True,
    ]
    assert not Limits(UP[0], ((2, -0.5),), best=-0.6).exceeded(-0.1, 2)
    assert not Limits(UP[0], ()).exceeded(math.inf, 9)


def test_a_trial_as_it_goes_changes_nothing_and_the_past_is_read_once():
    strategy, history = MedianStop(Random(), min_trials=1), History(UP)
    for number in range(6):
        (lived,) = strategy.propose(SPACE, history, 1, np.random.default_rng(number))
        (fresh,) = MedianStop(Random(), min_trials=1).propose(
            SPACE, History(UP, trials=list(history)), 1, np.random.default_rng(number)
        )
        assert lived == fresh
        trial = Trial(number, lived.architecture)
        history.record(trial)
        if number % 3:
            history.record(ended(number, (number / 10, 0.5), x=lived.architecture["x"]))
    assert len(lived.limits.steps) == 2


@pytest.mark.parametrize("settings", [{"warmup_steps": -1}, {"warmup_steps": math.nan}, {"min_trials": 0}])
def test_numbers_in_their_range(settings):
    with pytest.raises(SpaceError, match=f"'{next(iter(settings))}' of MedianStop must be"):
        MedianStop(Random(), **settings)


def test_it_wraps_strategies():
    with pytest.raises(StudyError, match="MedianStop must wrap an object with a method propose"):
        MedianStop(Random)
