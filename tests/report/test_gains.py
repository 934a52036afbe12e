import pytest

from retia.report import against_baseline, against_random
from retia.report.gains import spent


def gains(comparison):
    return {gain.objective.metric: (gain.value, gain.reference, gain.trial) for gain in comparison.gains}


def test_the_baseline_is_beaten_only_without_losing_another_objective(searched):
    study = (
        searched()
    )  # the baseline is (0.5, 100); of those with no more params than 100 the best is (0.6, 90)
    comparison = against_baseline(study)
    assert gains(comparison) == {"accuracy": (0.6, 0.5, 3), "params": (90, 100, 3)}
    assert comparison.gains[0].gained == pytest.approx(0.1)
    assert comparison.gains[1].gained == 10
    assert comparison.lines() == [
        "accuracy: 0.6, 0.1 higher than the baseline (0.5), no worse in params (trial 3)",
        "accuracy: 0.9 at best, worse in params (trial 4)",
        "params: 90, 10 lower than the baseline (100), no worse in accuracy (trial 3)",
    ]


def test_nothing_gained_over_the_baseline_is_said(searched):
    comparison = against_baseline(
        searched([(0.9, 100.0), (0.8, 100.0), (0.9, 120.0), (0.95, 130.0), (0.5, 50.0)])
    )
    assert all(gain.gained == 0 for gain in comparison.gains)
    assert comparison.lines() == [
        "accuracy: nothing gained over the baseline (0.9) without losing params",
        "accuracy: 0.95 at best, worse in params (trial 3)",
        "params: nothing gained over the baseline (100) without losing accuracy",
        "params: 50 at best, worse in accuracy (trial 4)",
    ]
    single = against_baseline(
        searched([(0.9, 1.0), (0.8, 1.0), (0.7, 1.0), (0.6, 1.0), (0.5, 1.0)], minimize=None)
    )
    assert single.lines() == ["accuracy: nothing gained over the baseline (0.9)"]


def test_a_much_smaller_value_is_told_as_a_factor(searched):
    lines = against_baseline(searched([(0.5, 100.0), (0.5, 40.0)], trials=2)).lines()
    assert lines[-1] == "params: 40, 2.5 times less than the baseline (100), no worse in accuracy (trial 1)"


def test_a_baseline_beyond_the_constraint_may_be_better_and_that_is_said(searched):
    study = searched(
        [(0.9, 500.0), (0.7, 50.0), (0.8, 80.0), (0.6, 20.0), (0.5, 10.0)],
        minimize=None,
        constraints=["params <= 100"],
    )
    assert against_baseline(study).gains[0].gained == pytest.approx(-0.1)
    assert against_baseline(study).lines() == ["accuracy: nothing gained over the baseline (0.9)"]


def test_without_a_completed_baseline_there_is_nothing_to_compare(searched):
    assert against_baseline(searched([None, (0.5, 1.0)], trials=2)) is None


def test_random_search_is_compared_objective_by_objective_and_by_hypervolume(searched):
    ours = [(0.0, 10.0), (1.0, 10.0), (0.5, 4.0), (0.0, 10.0), (0.0, 10.0)]  # the front: (1, 10), (0.5, 4)
    theirs = [(0.0, 10.0), (0.5, 10.0), (0.5, 0.0), (0.0, 10.0), (0.0, 10.0)]  # the front: (0.5, 0)
    comparison = against_random(searched(ours, against=theirs))
    assert gains(comparison) == {"accuracy": (1.0, 0.5, 1), "params": (4, 0, 2)}
    assert comparison.budget == 5
    # In the unit box of shares lost: ours (0, 1) adds nothing, being at the corner, and (0.5, 0.4) holds 0.5
    # * 0.6; theirs (0.5, 0) holds 0.5.
    assert comparison.volumes == pytest.approx((0.3, 0.5))
    assert dict(comparison.corner) == {"accuracy": 0.0, "params": 10.0}
    assert comparison.lines() == [
        "accuracy: 1, 0.5 higher than random search (0.5) (trial 1)",
        "params: nothing gained, random search did better (0, here 4)",
        (
            "front: hypervolume smaller than random search's, 30.0% against 50.0% (reference point accuracy "
            "0, "
            "params 10; 100% is the ideal)"
        ),
    ]


def test_an_objective_over_decades_is_measured_by_its_logarithm(searched):
    ours = [(0.0, 10_000.0), (1.0, 100.0)]
    theirs = [(0.0, 10_000.0), (1.0, 10_000.0), (0.0, 1.0)]
    comparison = against_random(searched(ours, against=theirs, trials=2))
    assert comparison.budget == 2  # so that the third of theirs does not count
    assert comparison.volumes == pytest.approx((1.0, 0.0))
    comparison = against_random(searched([*ours, (0.0, 10_000.0)], against=theirs))
    assert comparison.volumes == pytest.approx((0.5, 0.0))  # 100 is half-way between 1 and 10,000
    assert comparison.logarithms == ("params",)
    assert "params 10,000 (by logarithm)" in comparison.lines()[-1]


def test_equal_results_are_no_gain(searched):
    lines = against_random(searched([(0.5, 1.0)] * 5, against=[(0.5, 1.0)] * 5)).lines()
    assert lines == [
        "accuracy: nothing gained, random search reached 0.5 too",
        "params: nothing gained, random search reached 1 too",
        (
            "front: hypervolume the same as random search's, 100.0% against 100.0% (reference point accuracy "
            "0.5, params 1; 100% is the ideal)"
        ),
    ]


def test_one_objective_has_no_hypervolume(searched):
    comparison = against_random(searched(against=[(0.1, 1.0)] * 5, minimize=None))
    assert comparison.volumes is None
    assert comparison.lines() == ["accuracy: 0.9, 0.8 higher than random search (0.1) (trial 4)"]


def test_there_is_nothing_to_say_without_a_control_or_a_feasible_trial(searched):
    assert against_random(searched()) is None
    assert against_random(searched(against=[None] * 5)) is None


def test_what_was_rejected_before_training_used_up_no_budget(searched):
    study = searched([(0.5, 1.0), None, (0.6, 1.0), (0.7, 1.0), (0.8, 1.0)])
    assert [trial.number for trial in spent(study)] == [0, 1, 2, 3, 4]


def test_a_comparison_is_json(searched):
    data = against_random(searched(against=[(0.1, 1000.0)] * 5)).to_json()
    assert data["gains"][0] == {
        "metric": "accuracy",
        "direction": "maximize",
        "value": 0.9,
        "trial": 4,
        "reference": 0.1,
        "reference_trial": 0,
        "gained": 0.8,
    }
    assert set(data["hypervolume"]) == {"search", "reference", "corner", "logarithms"}
    assert against_baseline(searched()).to_json()["hypervolume"] is None


@pytest.mark.parametrize("against", [[(0.9, 50.0)] * 5, [(0.1, 900.0)] * 5])
def test_every_trial_that_is_named_is_on_the_front_that_the_report_shows(searched, against):
    points = [
        (0.5, 100.0),
        (0.9, 400.0),
        (0.9, 300.0),
        (0.6, 90.0),
        (0.5, 90.0),
    ]  # ties: trial 1 is dominated by 2, and 4 by 3
    study = searched(points, against=against)
    assert [trial.number for trial in study.pareto] == [2, 3]
    for comparison in (against_baseline(study), against_random(study)):
        assert {gain.trial for gain in (*comparison.gains, *comparison.at_a_price)} == {2, 3}
    assert [gain.reference_trial for gain in against_random(study).gains] == [0, 0]
