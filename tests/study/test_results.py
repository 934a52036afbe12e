import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from retia.errors import StudyError
from retia.space import Categorical, Integer, SearchSpace
from retia.strategy import GridSearch, Random
from retia.study import Study, architecture_evaluator, run_control
from retia.testing import FailingEvaluator, HashCosts

POINTS = {
    1: (0.5, 10),
    2: (0.7, 20),
    3: (0.7, 15),
    4: (0.6, 30),
    5: (0.9, 40),
}  # accuracy, params; on the front: 1, 3, 5
SPACE = SearchSpace({"a": Integer(1, 5)})


@architecture_evaluator
def measured(architecture):
    accuracy, params = POINTS[architecture["a"]]
    return {"accuracy": accuracy, "params": params}


def searched(**options):
    study = Study(SPACE, measured, **{"maximize": "accuracy", "minimize": "params", **options})
    study.run(GridSearch(), trials=5)
    return study


def numbers(trials):
    return [trial.number + 1 for trial in trials]


def test_the_best_is_by_the_first_objective_and_ties_go_to_the_next():
    assert searched().best.architecture["a"] == 5
    assert searched(constraints=["accuracy <= 0.8"]).best.architecture["a"] == 3
    assert searched(maximize=None, minimize="params").best.architecture["a"] == 1


def test_ties_in_everything_go_to_the_earlier_trial():
    study = Study(SPACE, architecture_evaluator(lambda architecture: 0.5), maximize="score")
    study.run(GridSearch(), trials=5)
    assert study.best.number == 0


def test_the_pareto_front_is_what_none_dominates():
    assert numbers(searched().pareto) == [1, 3, 5]
    assert numbers(searched(minimize=None).pareto) == [5]
    assert numbers(searched(constraints=["params >= 12", "params <= 30"]).pareto) == [3]


def test_top_ranks_by_front_and_leaves_the_infeasible_out():
    assert numbers(searched(minimize=None).top(3)) == [5, 2, 3]
    top = searched().top(99)
    assert set(numbers(top[:3])) == {1, 3, 5}
    assert numbers(top[3:]) == [2, 4]
    assert numbers(searched(constraints=["params <= 15"]).top(99)) == [1, 3]


def test_the_hypervolume_is_the_area_up_to_the_reference():
    study = searched()
    # Up to accuracy 0 and 50 params: 0.5 x 40 below trial 1, 0.2 x 35 more by trial 3, 0.2 x 10 more by trial
    # 5.
    assert study.hypervolume({"accuracy": 0, "params": 50}) == pytest.approx(0.5 * 40 + 0.2 * 35 + 0.2 * 10)
    assert study.hypervolume({"accuracy": 0.8, "params": 50}) == pytest.approx(0.1 * 10)
    assert study.hypervolume({"accuracy": 0.95, "params": 50}) == 0


def test_the_reference_point_names_every_objective():
    with pytest.raises(
        StudyError, match=r"needs a value for every objective; 'params' is missing in \{'accuracy': 0\}"
    ):
        searched().hypervolume({"accuracy": 0})


def test_there_is_no_best_before_a_trial_has_completed():
    with pytest.raises(
        StudyError,
        match=r"The study 'study' has no completed trial yet. Run it: study.run\(strategy, trials=...\)",
    ):
        _ = Study(SPACE, measured, maximize="accuracy").best


def test_there_is_no_best_where_everything_failed():
    study = Study(SPACE, FailingEvaluator(), maximize="score")
    study.run(GridSearch(), trials=5, failures="ignore")
    with pytest.raises(
        StudyError,
        match=r"(?s)No trial of 'study' completed; 5 failed, the first with:\nTraceback.*ArithmeticError: This evaluator fails",
    ):
        _ = study.best
    assert study.pareto == study.top(3) == []


def test_there_is_no_best_where_nothing_meets_the_constraints():
    study = searched(constraints=["accuracy >= 0.95", "params <= 20"])
    with pytest.raises(
        StudyError,
        match=r"None of the 5 completed trials of 'study' meets accuracy >= 0\.95 and params <= 20\. Loosen the bound",
    ):
        _ = study.best


# --- the control


def test_the_control_is_random_search_at_the_same_budget():
    space = SearchSpace({f"op{i}": Categorical(tuple("abcde")) for i in range(4)})
    study = Study(
        space,
        architecture_evaluator(lambda architecture: 0.5),
        maximize="score",
        baseline=dict.fromkeys(space.parameters, "c"),
    )
    study.run(Random(), trials=10)
    assert study.control is None
    control = run_control(study, trials=10)
    assert study.control is control
    assert control.name == "study/random"
    assert len(control.trials) == 10
    assert control.trials[0].architecture == study.trials[0].architecture
    assert {trial.architecture for trial in control.trials[1:]} != {
        trial.architecture for trial in study.trials[1:]
    }


def test_the_control_is_found_again(tmp_path):
    study = searched(storage=tmp_path / "study.db")
    run_control(study, trials=4)
    assert [trial.architecture for trial in searched(storage=tmp_path / "study.db").control.trials] == [
        trial.architecture for trial in study.control.trials
    ]
    assert len(Study.open(tmp_path / "study.db", "study").control.trials) == 4
    assert searched(storage=tmp_path / "other.db").control is None


def test_the_control_has_files_of_its_own(tmp_path):
    for options in ({"directory": tmp_path / "files"}, {"storage": tmp_path / "study.db"}, {}):
        study = searched(**options)
        run_control(study, trials=3)
        folders = [trial.directory for trial in (*study.trials, *study.control.trials)]
        assert len(set(folders)) == 8


# --- files


def test_files_go_beside_the_storage(tmp_path):
    study = Study(SPACE, measured, maximize="accuracy", storage=tmp_path / "my.db", name="first")
    assert study.directory == tmp_path / "my.db.files" / "first"
    assert not study.directory.exists()


def test_a_directory_may_be_given(tmp_path):
    study = searched(directory=tmp_path / "files")
    assert study.trials[3].directory == tmp_path / "files" / "00003"


def test_without_a_storage_files_are_kept_until_the_process_ends(tmp_path):
    code = """
        import gc
        import retia
        @retia.architecture_evaluator
        def keep(architecture, run):
            (run.directory / "notes").write_text(str(architecture["a"]))
            return {"score": architecture["a"]}
        def best():
            study = retia.Study(retia.SearchSpace({"a": retia.Integer(1, 3)}), keep, maximize="score")
            study.run(retia.Random(), trials=3)
            return study.best
        best = best()
        gc.collect()
        print((best.directory / "notes").read_text(), best.directory.parent)
    """
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        check=True,
        capture_output=True,
        text=True,
    )
    text, folder = ran.stdout.split()
    assert text == "3"
    assert not Path(folder).exists()
    assert ran.stderr == ""


def test_a_study_that_writes_nothing_makes_no_folder():
    study = searched()
    assert not study.directory.exists()


# --- how it reads


def test_a_study_reads_well():
    assert repr(searched()) == "<Study 'study': 5 trials, maximize accuracy, minimize params>"


def test_a_notebook_shows_the_best_trials():
    table = searched(name="a<b")._repr_html_()
    assert "&lt;Study &#x27;a&lt;b&#x27;: 5 trials" in table
    assert table.count("<tr>") == 6
    assert "<td>0.9</td><td>40</td>" in table


def test_a_study_with_other_arguments(tmp_path):
    study = Study(SPACE, measured, maximize="accuracy", seed=3)
    other = study.replace(costs=HashCosts(), name="other")
    assert (other.seed, other.name, other.spec.counts) == (3, "other", HashCosts())
    assert (study.name, study.spec.counts) == ("study", None)
