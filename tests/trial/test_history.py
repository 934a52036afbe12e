import itertools

import numpy as np
import pytest

from retia.space import Architecture
from retia.trial import Constraint, History, Objective, Trial, dominates

ACC, PARAMS = Objective("acc", "maximize"), Objective("params", "minimize")


def at(x):
    return Architecture({"x": x})


def completed(number, acc, params=0.0, x=None):
    return Trial(number, at(number if x is None else x), "completed", {"acc": acc, "params": params})


def random_trials(seed, n=40):
    rng = np.random.default_rng(seed)
    trials = []
    for number in range(n):
        state = rng.choice(["completed", "completed", "completed", "infeasible", "failed", "running"])
        metrics = {"acc": float(rng.integers(6)), "params": float(rng.integers(6))}
        architecture, fidelity = at(int(rng.integers(25))), [None, 0.5][int(rng.integers(2))]
        match state:
            case "failed":
                trials.append(Trial(number, architecture, "failed", fidelity=fidelity, error="no"))
            case "running":
                trials.append(Trial(number, architecture, fidelity=fidelity))
            case _:
                trials.append(Trial(number, architecture, str(state), metrics, fidelity=fidelity))
    return trials


def answers(history):
    """Everything that a strategy can ask."""
    return {
        "all": list(history),
        "evaluated": list(history.evaluated),
        "front": list(history.front),
        "best": history.best,
        "ranked": history.ranked(history.evaluated),
        "counts": [history.count(state) for state in ("running", "completed", "failed", "infeasible")],
        "known": {
            (trial.architecture, trial.fidelity): history.find(trial.architecture, trial.fidelity)
            for trial in history
        },
        "architectures": history.architectures,
    }


@pytest.mark.parametrize("objectives", [(ACC,), (ACC, PARAMS)], ids=["one", "two"])
@pytest.mark.parametrize("constraints", [(), (Constraint("params", upper=3),)], ids=["free", "bounded"])
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_arrival_does_not_matter(objectives, constraints, seed):
    trials, rng = random_trials(seed), np.random.default_rng(seed)
    straight = History(objectives, constraints, trials)
    shuffled = History(objectives, constraints, [trials[i] for i in rng.permutation(len(trials))])
    lived = History(objectives, constraints)
    events = [(rng.random(), trial) for trial in trials for _ in range(1)]
    for _, trial in sorted(events, key=lambda event: event[0]):
        lived.record(Trial(trial.number, trial.architecture, fidelity=trial.fidelity))
    for _, trial in sorted(
        ((rng.random(), trial) for trial in trials if trial.finished), key=lambda event: event[0]
    ):
        lived.record(trial)
        lived.record(trial)
    assert answers(straight) == answers(shuffled) == answers(lived)
    assert len(straight) == len(trials)


@pytest.mark.parametrize("constraints", [(), (Constraint("params", upper=3),)], ids=["free", "bounded"])
@pytest.mark.parametrize("seed", range(3))
def test_front_and_best_are_what_brute_force_finds(constraints, seed):
    trials = random_trials(seed)
    history = History((ACC, PARAMS), constraints, trials)
    good = [t for t in trials if t.state == "completed" and all(c.holds(t.metrics) for c in constraints)]
    losses = {t.number: (-t.metrics["acc"], t.metrics["params"]) for t in good}
    full = [t for t in good if t.fidelity is None]
    front = [
        t
        for t in full
        if not any(
            dominates(losses[o.number], losses[t.number])
            or (losses[o.number] == losses[t.number] and o.number < t.number)
            for o in full
        )
    ]
    assert list(history.front) == front
    assert history.best == min(full, key=lambda t: (losses[t.number], t.number))
    assert [t for t in trials if history.feasible(t)] == good


def test_an_empty_history():
    history = History((ACC,))
    assert len(history) == 0
    assert history.best is None
    assert list(history) == list(history.front) == list(history.evaluated) == []
    assert history.find(at(0)) is None
    assert at(0) not in history


def test_find_tells_fidelities_apart_and_prefers_the_first_trial():
    history = History((ACC,), trials=[Trial(4, at(1)), Trial(2, at(1)), Trial(3, at(1), fidelity=0.5)])
    assert history.find(at(1)).number == 2
    assert history.find(at(1), 0.5).number == 3
    assert history.find(at(1), 0.25) is None
    assert at(1) in history
    assert history[3].fidelity == 0.5


def at_fidelity(number, fidelity, acc, x=None, **more):
    return Trial(
        number, at(number if x is None else x), "completed", {"acc": acc, "params": acc, **more}, fidelity
    )


@pytest.mark.parametrize("objectives", [(ACC,), (ACC, PARAMS)], ids=["one", "two"])
def test_a_trial_that_went_farther_ranks_first_whatever_its_score(objectives):
    trials = [
        at_fidelity(0, 1, 0.9),
        at_fidelity(1, 3, 0.8),
        at_fidelity(2, None, 0.2),
        at_fidelity(3, 3, 0.7),
        at_fidelity(4, None, 0.1),
    ]
    history = History(objectives, trials=trials)
    ranked = [trial.number for trial in history.ranked(trials)]
    assert [sorted(part) for part in (ranked[:2], ranked[2:4], ranked[4:])] == [[2, 4], [1, 3], [0]]
    assert history.best.number == 2
    assert [trial.number for trial in history.front] == ([2] if len(objectives) == 1 else [2, 4])
    assert history.best_of(trials[:2]).number == 1
    # Before anything has gone all the way, what went the farthest counts.
    assert History(objectives, trials=trials[:2]).best.number == 1
    assert [trial.number for trial in History(objectives, trials=trials[:2]).front] == [1]


def test_a_stopped_trial_counts_as_far_as_it_went():
    history = History(
        (ACC,),
        trials=[
            at_fidelity(0, None, 0.2),
            at_fidelity(1, None, 0.9, stopped_step=4.0),
            at_fidelity(2, 3, 0.8),
        ],
    )
    assert [trial.reached for trial in history] == [float("inf"), 4.0, 3]
    assert [trial.number for trial in history.ranked(history.evaluated)] == [0, 1, 2]
    assert history.best.number == 0


def test_the_top_has_each_architecture_once_at_its_farthest():
    history = History(
        (ACC,),
        trials=[
            at_fidelity(0, 1, 0.9, x=7),
            at_fidelity(1, None, 0.3, x=7),
            at_fidelity(2, 1, 0.8),
            at_fidelity(3, 1, 0.95),
        ],
    )
    assert [trial.number for trial in history.top(3)] == [1, 3, 2]
    assert [trial.number for trial in history.top(1)] == [1]


def test_a_trial_goes_on_from_a_parent_of_the_same_architecture_and_a_lower_fidelity():
    history = History(
        (ACC,),
        trials=[at_fidelity(0, 1, 0.5, x=7), at_fidelity(1, None, 0.5, x=8), at_fidelity(2, 3, 0.5, x=7)],
    )
    goes_on = [
        history.continued(Trial(9, at(x), fidelity=fidelity, parent=parent))
        for x, fidelity, parent in [
            (7, 3, 0),
            (7, None, 2),
            (8, 3, 0),
            (7, 1, 0),
            (7, 1, 2),
            (8, None, 1),
            (7, 3, None),
        ]
    ]
    assert [None if trial is None else trial.number for trial in goes_on] == [
        0,
        2,
        None,
        None,
        None,
        None,
        None,
    ]


def test_a_noted_architecture_counts_as_proposed():
    history = History((ACC,))
    history.note(at(5))
    assert at(5) in history
    assert at(5) in history.architectures
    assert len(history) == 0


def test_what_has_ended_stays_as_it_ended():
    history = History((ACC,), trials=[Trial(0, at(0)), completed(0, 0.5)])
    history.record(Trial(0, at(0)))
    history.record(Trial(0, at(0), "failed", error="late"))
    assert history[0].state == "completed"
    assert [history.count(state) for state in ("running", "completed", "failed")] == [0, 1, 0]
    assert len(history.evaluated) == 1


def test_ties_go_to_the_earlier_trial():
    history = History(
        (ACC, PARAMS), trials=[completed(2, 0.5, 1), completed(1, 0.5, 1), completed(0, 0.5, 2)]
    )
    assert history.best.number == 1
    assert [t.number for t in history.front] == [1]
    single = History((ACC,), trials=[completed(2, 0.5), completed(1, 0.5)])
    assert single.best.number == 1
    assert [t.number for t in single.ranked(single.evaluated)] == [1, 2]


def test_ranked_by_one_objective_with_the_infeasible_last():
    rejected = Trial(3, at(3), "infeasible", {"params": 20.0})
    history = History(
        (ACC,),
        (Constraint("params", upper=10),),
        [completed(0, 0.5, 5), completed(1, 0.9, 15), completed(2, 0.7, 10), rejected],
    )
    assert [t.number for t in history.ranked(history.evaluated)] == [2, 0, 1, 3]
    assert history.violation(history[1]) == 0.5
    assert history.violation(rejected) == 1.0
    assert history.best.number == 2


def test_violations_add_up_over_what_is_known():
    history = History((ACC,), (Constraint("params", upper=10), Constraint("acc", lower=0.8)))
    assert history.violation(Trial(0, at(0), "infeasible", {"params": 15.0})) == 0.5
    assert history.violation(completed(1, 0.4, 15.0)) == pytest.approx(1.0)


@pytest.mark.parametrize("objectives", [(ACC,), (ACC, PARAMS)], ids=["one", "two"])
def test_what_was_rejected_ranks_below_every_finite_violation(objectives):
    rejected = Trial(0, at(0), "infeasible", error="shapes do not fit")
    far = Trial(1, at(1), "infeasible", {"params": 1e30})
    history = History(objectives, (Constraint("params", upper=3),), [rejected, far, completed(2, 0.1, 1.0)])
    assert history.violation(rejected) == np.inf
    assert [trial.number for trial in history.ranked(list(history))] == [2, 1, 0]
    assert history.best_of([rejected, far]) == far
    assert [trial.number for trial in history.evaluated] == [1, 2]
    assert [trial.number for trial in history.unusable] == [0]
    assert rejected.architecture in history
    assert history.count("infeasible") == 2
    assert not history.feasible(rejected)


def test_ranked_by_front_then_by_loneliness():
    front = [
        completed(0, 0, 0),
        completed(1, 1, 1),
        completed(2, 1.2, 1.2),
        completed(3, 4, 4),
    ]  # better and dearer: none dominates
    dominated = completed(4, 0, 9)
    history = History((ACC, PARAMS), trials=[*front, dominated])
    assert [t.number for t in history.ranked(history.evaluated)] == [0, 3, 2, 1, 4]


@pytest.mark.parametrize("objectives", [(ACC,), (ACC, PARAMS)], ids=["one", "two"])
@pytest.mark.parametrize("seed", range(3))
def test_best_of_is_the_first_of_ranked(objectives, seed):
    trials = [trial for trial in random_trials(seed) if trial.state in ("completed", "infeasible")]
    history = History(objectives, (Constraint("params", upper=3),), trials)
    for some in itertools.islice(itertools.combinations(trials, 4), 0, 400, 7):
        assert history.best_of(some) == history.ranked(some)[0]


def test_losses_are_turned():
    assert History((ACC, PARAMS)).losses(completed(0, 0.5, 7)) == (-0.5, 7)
