"""A study runs on, whichever rows of its storage were deleted."""

import io
import sqlite3
from contextlib import closing

import pytest
from rich.console import Console

from retia.errors import StudyError
from retia.report import summary
from retia.space import Categorical, Integer, SearchSpace
from retia.strategy import (
    ASHA,
    CMAES,
    NSGA2,
    TPE,
    GridSearch,
    Hyperband,
    LocalSearch,
    MedianStop,
    Random,
    RegularizedEvolution,
    SuccessiveHalving,
    WarmStarted,
)
from retia.study import Study, architecture_evaluator

SPACE = SearchSpace({"a": Integer(1, 9), "b": Integer(1, 5), "c": Categorical(tuple("uvwx"))})
STRATEGIES = {
    "Random": Random,
    "GridSearch": GridSearch,
    "LocalSearch": LocalSearch,
    "RegularizedEvolution": lambda: RegularizedEvolution(4, 2),
    "NSGA2": lambda: NSGA2(population=4),
    "TPE": TPE,
    "CMAES": CMAES,
    "ASHA": lambda: ASHA(Random(), fidelities=(1, 3, 9)),
    "SuccessiveHalving": lambda: SuccessiveHalving(Random(), fidelities=(1, 3, 9)),
    "Hyperband": lambda: Hyperband(Random(), fidelities=(1, 3, 9)),
    "MedianStop": lambda: MedianStop(RegularizedEvolution(4, 2), min_trials=2),
    "WarmStarted": lambda: WarmStarted(LocalSearch(), []),
}


@architecture_evaluator
def score(architecture, run):
    for step in range(1, 4):
        run.report({"score": architecture["a"] * step}, step)
    return {"score": architecture["a"] * 3 + architecture["b"] + "uvwx".index(architecture["c"])}


def made(path):
    return Study(SPACE, score, maximize="score", storage=path)


def delete(path, numbers):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("DELETE FROM trials WHERE number = ?", [(number,) for number in numbers])


@pytest.mark.parametrize("make_strategy", STRATEGIES.values(), ids=STRATEGIES)
@pytest.mark.parametrize(
    "deleted", [(0,), (3,), (11,), (1, 2, 3, 8), tuple(range(11)), tuple(range(12))], ids=str
)
def test_a_study_runs_on(deleted, make_strategy, tmp_path):
    path = tmp_path / "study.db"
    made(path).run(make_strategy(), trials=12)
    delete(path, deleted)
    study = made(path)
    left = [number for number in range(12) if number not in deleted]
    assert [trial.number for trial in study.trials] == left
    assert study.run(make_strategy(), trials=12) == "trials done"
    first = max(left, default=-1) + 1
    assert [trial.number for trial in study.trials] == [*left, *range(first, first + len(deleted))]
    assert story(made(path)) == story(study)
    console = Console(record=True, file=io.StringIO(), width=200)
    console.print(summary(study))
    assert "12 trials" in console.export_text()


def story(study):
    return [(trial.number, trial.architecture, trial.state, trial.parent) for trial in study.trials]


def test_the_numbers_of_a_study_with_gaps(tmp_path):
    path = tmp_path / "study.db"
    made(path).run(RegularizedEvolution(4, 2), trials=12)
    parent = next(trial.parent for trial in made(path).trials if trial.parent)
    delete(path, [0, parent])
    history = made(path).history
    assert (len(history), history.next_number) == (10, 12)
    assert history.numbers_from(0) == [number for number in range(12) if number not in (0, parent)]
    assert made(path).baseline_trial is None
    assert history.get(parent) is history.get(None) is None
    with pytest.raises(
        StudyError,
        match=rf"There is no trial {parent} among the study's 10 trials; a deleted row leaves a gap",
    ):
        history[parent]
    child = next(trial for trial in history if trial.parent == parent)
    assert history.continued(child) is None


def test_processes_do_not_read_all_rows_again_because_of_a_gap(tmp_path):
    path = tmp_path / "study.db"
    made(path).run(Random(), trials=12)
    delete(path, [3])
    one, two = made(path), made(path)
    assert len(one.trials) == len(two.trials) == 11
    one.run(Random(), trials=12)
    assert [trial.number for trial in two._opened_record().refresh()] == [12]


def test_a_trial_whose_run_was_deleted_is_taken_up(tmp_path):
    path = tmp_path / "study.db"
    made(path).run(GridSearch(), trials=4)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE trials SET state = 'running', metrics = '{}', ended = NULL WHERE number = 2"
        )
        connection.execute("DELETE FROM runs")
    study = made(path)
    assert study.run(GridSearch(), trials=4) == "trials done"
    assert study.history.count("completed") == 4
