"""Multi-fidelity search on the real table of NAS-Bench-201, with 12 epochs as the low fidelity."""

from dataclasses import replace

import numpy as np
import pytest

from retia.benchmark import nasbench201, simulate
from retia.strategy import ASHA, BOHB, Random, SuccessiveHalving
from retia.study import Study

SEEDS = range(20)


@pytest.fixture(scope="module")
def table(shared_data):
    path = shared_data / "nasbench201" / "nb201.npz"
    if not path.exists():
        pytest.skip(f"needs the real table, and there is no {path}")
    return nasbench201(path=path)


@pytest.fixture(scope="module")
def chance(table):
    """The mean regret of random search after 200 evaluations, and how many hours they take."""
    runs = [simulate(table, Random(), evaluations=200, seed=seed) for seed in SEEDS]
    regret, hours = (
        np.mean([run.regret()[-1] for run in runs]),
        np.mean([run.ends_s[-1] for run in runs]) / 3600,
    )
    assert 0.3 < regret < 0.5
    return regret, hours


@pytest.mark.parametrize(
    "make",
    [lambda: ASHA(Random(), fidelities=(12, 200)), lambda: BOHB(fidelities=(12, 200))],
    ids=["ASHA", "BOHB"],
)
def test_a_third_of_the_time_is_enough(make, table, chance):
    regret, hours = chance
    runs = [simulate(table, make(), evaluations=10_000, seed=seed, hours=hours / 3) for seed in SEEDS]
    reached = np.array([run.at([hours / 6, hours / 3], run.regret()) for run in runs]).mean(0)
    assert reached[1] < reached[0] < regret
    assert reached[1] < 0.8 * regret


def test_workers_share_the_time(table, chance):
    _, hours = chance
    alone, together = (
        simulate(
            table,
            ASHA(Random(), fidelities=(12, 200)),
            evaluations=10_000,
            seed=0,
            hours=share * hours / 10,
            workers=workers,
        )
        for workers, share in ((1, 1.0), (4, 0.25))
    )
    assert len(together.trials) == pytest.approx(len(alone.trials), rel=0.2)


@pytest.mark.parametrize("continues", [False, True])
def test_seconds_are_paid_once_where_trainings_go_on(table, continues):
    run = simulate(
        replace(table, continues=continues), SuccessiveHalving(Random(), fidelities=(12, 200)), evaluations=36
    )
    full = [trial for trial in run.trials if trial.fidelity is None]
    low = {trial.architecture for trial in run.trials if trial.fidelity == 12}
    assert len(low) == 34
    assert {trial.architecture for trial in full} <= low
    paid = sum(trial.metrics["train_seconds"] for trial in run.trials)
    if continues:
        paid -= sum(table.query(trial.architecture, 12)["train_seconds"] for trial in full)
    assert run.ends_s[-1] == pytest.approx(paid)


def test_a_study_of_a_table_reads_the_fidelity(table):
    study = Study(table.space, table.evaluator, maximize="valid_accuracy")
    study.run(ASHA(Random(), fidelities=(12, 200)), trials=60)
    for trial in study.trials:
        assert (
            trial.metrics["valid_accuracy"]
            == table.query(trial.architecture, trial.fidelity)["valid_accuracy"]
        )
    assert study.best.fidelity is None
