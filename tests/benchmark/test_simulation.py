"""The simulated clock."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from retia.benchmark import Benchmark, ColumnRecords, natsbench, simulate
from retia.errors import EvaluationError
from retia.strategy import GridSearch, Listed, LocalSearch, Random, RegularizedEvolution
from retia.study import Study
from retia.trial import Proposal


@pytest.fixture
def whole(tiny):
    """The nine architectures, all trained: the accuracy grows by ten with each, and the seconds by a
    hundred.
    """
    ranks = np.arange(1.0, 10.0)
    trained = {
        3: {"valid_accuracy": ranks, "test_accuracy": -ranks, "train_seconds": np.full(9, 40.0)},
        9: {"valid_accuracy": 10 * ranks, "test_accuracy": 100 - 10 * ranks, "train_seconds": 100 * ranks},
    }
    return Benchmark("whole", tiny.space, tiny.index, ColumnRecords(trained, {"params": 10 - ranks}), 9)


def numbers(run):
    return [trial.number for trial in run.trials]


def test_one_worker_takes_one_after_the_other(whole):
    run = simulate(whole, GridSearch(), evaluations=4)
    assert numbers(run) == [0, 1, 2, 3]
    assert run.ends_s.tolist() == [100, 300, 600, 1000]
    assert [trial.started for trial in run.trials] == [0, 100, 300, 600]
    assert run.curve().tolist() == [10, 20, 30, 40]
    assert run.regret().tolist() == [80, 70, 60, 50]


def test_a_free_worker_does_not_wait_for_the_others(whole):
    """Two workers: 0 (100 s) and 1 (200 s) start; 2 (300 s) starts at 100 and ends at 400; 3 (400 s) at 200,
    to 600; 4 at 400, to 900.
    """
    run = simulate(whole, GridSearch(), evaluations=5, workers=2)
    assert [(trial.number, trial.started, trial.ended) for trial in run.trials] == [
        (0, 0, 100),
        (1, 0, 200),
        (2, 100, 400),
        (3, 200, 600),
        (4, 400, 900),
    ]


def test_trials_end_in_another_order_than_they_start(whole):
    order = [whole[row].architecture for row in (8, 0, 1)]
    run = simulate(whole, Listed(order), evaluations=3, workers=2)
    assert numbers(run) == [1, 2, 0]
    assert run.ends_s.tolist() == [100, 300, 900]
    assert run.curve().tolist() == [10, 20, 90]


def test_the_time_is_up_for_trials_that_have_not_started(whole):
    run = simulate(whole, GridSearch(), evaluations=9, hours=500 / 3600)
    assert run.ends_s.tolist() == [100, 300, 600]


def test_a_curve_against_hours(whole):
    run = simulate(whole, GridSearch(), evaluations=3)
    hours = np.array([50, 100, 299, 300, 10_000]) / 3600
    assert run.at(hours, run.curve()).tolist() == pytest.approx([np.nan, 10, 10, 20, 30], nan_ok=True)


def test_the_test_accuracy_is_that_of_the_incumbent(whole):
    run = simulate(whole, Listed([whole[row].architecture for row in (3, 1, 5)]), evaluations=3)
    assert run.curve().tolist() == [40, 40, 60]
    assert run.curve("test_accuracy").tolist() == [60, 60, 40]


def test_what_is_minimized(whole):
    run = simulate(whole, GridSearch(), evaluations=9, minimize="params")
    assert run.curve().tolist() == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert run.regret().tolist() == [8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert run.evaluations_to() == 9
    assert run.evaluations_to(3) == 6
    assert simulate(whole, GridSearch(), evaluations=3).evaluations_to() is None


def test_the_share_of_the_hypervolume_by_hand(whole):
    """The front is all nine rows, (10 r, 10 - r): stairs of one by ten from the worst corner, (10, 9)."""
    stairs = Benchmark(
        "stairs", whole.space, whole.index, whole.join({"latency_ms": np.arange(1.0, 10.0)}).records, 9
    )
    run = simulate(stairs, GridSearch(), evaluations=9, maximize="valid_accuracy", minimize="latency_ms")
    assert run.hypervolume_share() == 1
    half = simulate(stairs, GridSearch(), evaluations=5, maximize="valid_accuracy", minimize="latency_ms")
    # Row r dominates r tens up to latency 9: the sum over latencies 1 to 8 of ten times the best row that is
    # as quick.
    assert half.hypervolume_share() == (10 + 20 + 30 + 40 * 4) / (10 * (1 + 2 + 3 + 4 + 5 + 6 + 7))
    assert half.hypervolume_share({"valid_accuracy": 10, "latency_ms": 5}) == 1


def test_an_exhausted_space_ends_the_run(whole):
    assert len(simulate(whole, Random(), evaluations=100, workers=4).trials) == 9


@dataclass(frozen=True)
class Promoting:
    """Trains everything for three epochs, and the last of it for nine."""

    def propose(self, space, history, n, rng):
        seen = {trial.architecture: trial.number for trial in history}
        for architecture in list(space.enumerate())[:3]:
            if architecture not in seen:
                return [Proposal(architecture, fidelity=3)]
        best = list(seen)[-1]
        return [] if history.find(best, 9) else [Proposal(best, fidelity=9, parent=seen[best])]


def test_a_promoted_trial_goes_on_where_its_parent_ended(whole):
    run = simulate(whole, Promoting(), evaluations=10)
    assert run.ends_s.tolist() == [40, 80, 120, 120 + 300 - 40]
    # Trials of three epochs are no result yet.
    assert run.curve().tolist() == pytest.approx([np.nan] * 3 + [30], nan_ok=True)


def test_where_every_schedule_is_a_training_of_its_own_a_promoted_trial_starts_again(whole):
    run = simulate(replace(whole, continues=False), Promoting(), evaluations=10)
    assert run.ends_s.tolist() == [40, 80, 120, 120 + 300]


def test_published_schedules_start_again_and_epochs_of_one_go_on(cells, topology, modules):
    assert not cells.continues
    assert not modules.continues
    assert not natsbench(path=topology).continues
    assert natsbench(path=topology, curves=True).continues


@dataclass(frozen=True)
class Repeating:
    def propose(self, space, history, n, rng):
        return [Proposal(space.default())] * 3


def test_nothing_is_evaluated_twice(whole):
    assert numbers(simulate(whole, Repeating(), evaluations=5, workers=3)) == [0]


@pytest.mark.parametrize(
    "strategy", [Random(), RegularizedEvolution(20, 5), LocalSearch()], ids=lambda one: type(one).__name__
)
def test_with_one_worker_it_is_the_study(cells, strategy):
    study = Study(cells.space, cells.evaluator, maximize="valid_accuracy", seed=3)
    study.run(strategy, trials=60)
    run = simulate(cells, strategy, evaluations=60, seed=3, baseline=cells.space.default())
    assert [trial.architecture for trial in run.trials] == [trial.architecture for trial in study.trials]
    assert run.curve()[-1] == study.best.metrics["valid_accuracy"]


def test_the_same_seed_gives_the_same_run(cells):
    once, again, other = (
        simulate(cells, RegularizedEvolution(), evaluations=80, workers=8, seed=seed) for seed in (0, 0, 1)
    )
    assert once.trials == again.trials
    assert once.trials != other.trials
    assert (np.diff(once.ends_s) >= 0).all()


def test_eight_workers_are_nearly_eight_times_as_quick(cells):
    alone, together = (
        simulate(cells, Random(), evaluations=200, workers=workers).ends_s[-1] for workers in (1, 8)
    )
    assert 7 < alone / together < 8.5


def test_what_can_not_be_simulated(whole):
    with pytest.raises(
        EvaluationError, match="at least one evaluation and one worker, got evaluations=0, workers=1"
    ):
        simulate(whole, Random(), evaluations=0)
    with pytest.raises(EvaluationError, match="got evaluations=1, workers=0"):
        simulate(whole, Random(), evaluations=1, workers=0)
    timeless = Benchmark(
        "timeless", whole.space, whole.index, ColumnRecords({9: {"valid_accuracy": np.arange(9.0)}}, {}), 9
    )
    for arguments in ({"workers": 2}, {"hours": 1.0}):
        with pytest.raises(EvaluationError, match="has no 'train_seconds', so trials have no duration"):
            simulate(timeless, Random(), evaluations=2, **arguments)
    assert simulate(timeless, Random(), evaluations=9).regret()[-1] == 0
