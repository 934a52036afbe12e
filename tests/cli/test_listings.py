import json
import sqlite3

import pytest

from retia.space import Integer, SearchSpace
from retia.storage import Database, Header
from retia.trial import Objective


@pytest.fixture
def stored(retia, toy):
    """Eight trials of the toy study, in retia.db: a = 1, 2, 3, 4 with b = x, y; the two with a = 3 failed."""
    retia("run", toy, "--quiet")


@pytest.fixture
def two(retia, toy, stored):
    """A second study beside it."""
    retia("run", toy, "--quiet", "--name", "other", "--trials", 2)


def test_studies_are_listed(retia, two):
    lines = retia("studies").stdout.splitlines()
    assert lines[0].split() == ["name", "created", "objectives", "trials", "stopped"]
    assert lines[1].startswith("toy ")
    assert "maximize accuracy, minimize params  6 completed, 2 failed  trials done" in lines[1]
    assert lines[2].startswith("other ")
    data = json.loads(retia("studies", "--json").stdout)
    assert [study["name"] for study in data] == ["toy", "other"]
    assert data[0]["trials"] == {"completed": 6, "failed": 2}
    assert data[0]["objectives"] == [
        {"metric": "accuracy", "direction": "maximize"},
        {"metric": "params", "direction": "minimize"},
    ]


def test_trials_are_listed_a_line_each_with_the_front_marked(retia, stored):
    lines = [line.split() for line in retia("trials").stdout.splitlines()]
    assert lines[0] == ["trial", "state", "accuracy", "params", "time", "architecture"]
    assert len(lines) == 9
    assert lines[1] == ["0", "completed", "0.1", "100", "0.0", "s", "a=1", "b=x"]
    assert lines[2] == ["1*", "completed", "0.1", "95", "0.0", "s", "a=1", "b=y"]
    assert lines[5] == ["4", "failed", "0.0", "s", "a=3", "b=x"]


def test_trials_can_be_narrowed(retia, stored):
    assert len(retia("trials", "toy", "--state", "failed").stdout.splitlines()) == 3
    assert [line.split()[0] for line in retia("trials", "--last", 2).stdout.splitlines()[1:]] == ["6", "7*"]
    assert retia("trials", "--state", "running").stdout == "no such trial in study 'toy'\n"
    data = json.loads(retia("trials", "--json").stdout)
    assert [trial["number"] for trial in data] == list(range(8))
    assert data[1]["metrics"] == {"accuracy": 0.1, "params": 95.0}
    assert data[1]["architecture"] == {"a": 1, "b": "y"}


def test_a_trial_is_shown_in_full(retia, stored):
    out = retia("show", 1).stdout
    assert out.splitlines()[0] == "trial 1 of study 'toy' (completed, 0.0 s)"
    assert ["a", "1", "1..9"] in [line.split() for line in out.splitlines()]
    assert "accuracy: 0.1" in out
    assert "RuntimeError: it broke" in retia("show", 4).stdout
    assert json.loads(retia("show", 1, "--json").stdout)["architecture"] == {"a": 1, "b": "y"}


def test_progress_of_a_trial_is_shown(retia, write):
    write(
        "steps.py",
        """
        import retia

        @retia.architecture_evaluator
        def judge(architecture):
            yield {"accuracy": 0.25}
            yield {"accuracy": 0.5}

        study = retia.Study(retia.SearchSpace({"a": retia.Integer(1, 2)}), judge, maximize="accuracy")
        trials = 1
        """,
    )
    retia("run", "steps.py", "--quiet")
    assert "progress, 2 reports, the last: step 2, accuracy 0.5" in retia("show", 0).stdout


def test_an_unknown_trial_is_an_error(retia, stored):
    assert "Study 'toy' has no trial 99. It has 8, up to trial 7." in retia("show", 99, code=1).stderr


def test_the_best_comes_with_what_was_gained(retia, stored):
    out = retia("best").stdout
    assert "Pareto front: 3 of 6 trials" in out
    assert "gained over the baseline" in out
    assert "trial 7 of study 'toy' (completed, 0.0 s)" in out
    assert json.loads(retia("best", "--json").stdout)["best"]["number"] == 7


def test_a_study_without_a_result_is_told(retia, write, toy):
    write("failing.py", "from toy import *\nspace = retia.SearchSpace({'a': retia.Categorical((3,)), 'b': "
    "retia.Categorical(('x',))})\n"
                        "study = retia.Study(space, judge, maximize='accuracy')\ntrials = 1\n")  # fmt: skip
    assert "The baseline (trial 0) fails" in retia("run", "failing.py", "--quiet", code=1).stderr
    assert "no trial has completed" in retia("best").stdout
    assert "no feasible completed trial, so there is nothing to plot" in retia("plot", code=1).stderr


def test_several_studies_need_a_name(retia, two):
    for command in (["trials"], ["show", 0], ["best"], ["plot"]):
        assert (
            "holds 2 studies: toy, other. Name one: name='toy', or --name toy."
            in retia(*command, code=1).stderr
        )
    assert len(retia("trials", "other").stdout.splitlines()) == 3
    assert "trial 0 of study 'other'" in retia("show", 0, "--name", "other").stdout


def test_a_random_control_is_not_a_study_to_choose(retia, toy):
    retia("run", toy, "--control", "--quiet")
    assert len(retia("studies").stdout.splitlines()) == 3
    assert len(retia("trials").stdout.splitlines()) == 9
    assert len(retia("trials", "toy/random").stdout.splitlines()) == 9


def test_an_unknown_study_is_an_error_that_lists_those_there_are(retia, stored):
    assert "There is no study 'new'" in retia("trials", "new", code=1).stderr
    assert "'toy'" in retia("trials", "new", code=1).stderr


def test_a_missing_storage_is_an_error_and_is_not_made(retia, toy, folder):
    for command in (
        ["studies"],
        ["trials"],
        ["show", 0],
        ["best"],
        ["plot"],
        ["export", toy, "--out", "model"],
    ):
        for form in ([], ["--json"]):
            result = retia(*command, *form, code=1)
            assert result.stdout == ""
            assert "StorageError: There is no storage" in result.stderr
    assert [
        path.name for path in folder.iterdir() if path.suffix != ".py" and path.name != "__pycache__"
    ] == []


@pytest.mark.parametrize(
    "command",
    [
        ["studies"],
        ["trials"],
        ["show", 0],
        ["best"],
        ["plot"],
        ["export", "toy.py", "--out", "model"],
        ["run", "toy.py"],
    ],
)
@pytest.mark.parametrize(
    ("storage", "error"),
    [
        ("text.db", "is not an SQLite database"),
        ("folder", "is a directory"),
        ("far/x.db", "must be in an existing directory"),
    ],
)
def test_what_is_no_storage_is_one_message_of_every_command(retia, toy, folder, command, storage, error):
    (folder / "text.db").write_text("hello")
    (folder / "folder").mkdir()
    told = retia(*command, "--storage", storage, code=1).stderr
    assert error in told
    assert told.splitlines()[-1].startswith("StorageError: ")
    assert "Traceback" not in told
    assert (folder / "text.db").read_text() == "hello"


def test_a_study_without_trials_is_told_by_every_command(retia, toy, folder):
    header = Header(
        name="bare",
        space=SearchSpace({"a": Integer(1, 2)}).to_json(),
        evaluator={},
        objectives=(Objective("accuracy", "maximize"),),
        constraints=(),
        seed=0,
        baseline={"a": 1},
    )
    Database(folder / "retia.db").open(header).close(None)
    assert retia("studies").stdout.splitlines()[1].endswith("maximize accuracy  none")
    assert retia("trials").stdout == "study 'bare' has no trials yet\n"
    assert json.loads(retia("trials", "--json").stdout) == []
    assert "no trial has completed, so there is no best one" in retia("best").stdout
    assert json.loads(retia("best", "--json").stdout)["best"] is None
    assert "Study 'bare' has no trial 0. It has no trials yet." in retia("show", 0, code=1).stderr
    assert "so there is nothing to plot" in retia("plot", code=1).stderr
    assert "There is no study 'toy'" in retia("export", toy, "--out", "model", code=1).stderr


def test_an_empty_storage_is_told(retia, folder):
    header = Header(
        name="x", space={"parameters": {}}, evaluator={}, objectives=(), constraints=(), seed=0, baseline=None
    )
    Database(folder / "retia.db").open(header).close(None)
    with sqlite3.connect(folder / "retia.db") as connection:
        connection.execute("delete from runs")
        connection.execute("delete from studies")
    connection.close()
    assert "no study in 'retia.db'" in retia("studies").stdout
    assert (
        "The storage 'retia.db' holds no study. Run one with storage='retia.db', or with retia run FILE.py"
        in retia("trials", code=1).stderr
    )


def test_the_storage_comes_from_the_option_or_the_environment(retia, toy, folder, monkeypatch):
    retia("run", toy, "--quiet", "--storage", "far.db")
    assert "toy" in retia("studies", "--storage", "far.db").stdout
    monkeypatch.setenv("RETIA_STORAGE", str(folder / "far.db"))
    assert "toy" in retia("studies").stdout


def test_plots_are_files(retia, stored, folder):
    paths = json.loads(retia("plot", "--out", "pictures", "--json").stdout)
    assert [path.rpartition("/")[2] for path in paths] == ["progress.png", "pareto.png", "importance.png"]
    assert all((folder / path).read_bytes().startswith(b"\x89PNG") for path in paths)
    assert retia("plot").stdout.splitlines()[0] == "retia-plots/progress.png"
