import json
from pathlib import Path

import pytest


def test_a_file_with_a_study_runs_and_is_kept(retia, toy, folder):
    result = retia("run", toy)
    assert (
        "study 'toy' (maximize accuracy, minimize params): 8 trials, 6 completed, 2 failed; stopped: "
        "trials done"
    ) in result.stdout
    assert "Pareto front" in result.stdout
    assert result.stderr.splitlines()[0] == "checked: space: 2 parameters"
    assert "started study 'toy': 8 trials" in result.stderr
    assert (folder / "retia.db").exists()


def test_the_same_command_resumes_and_more_trials_extend(retia, toy):
    retia("run", toy)
    assert "resumed study 'toy': 8 of 8 trials done" in retia("run", toy).stderr
    result = retia("run", toy, "--trials", 10)
    assert "resumed study 'toy': 8 of 10 trials done" in result.stderr
    assert "10 trials, 8 completed" in result.stdout


def test_json_is_alone_on_standard_output(retia, write, toy):
    write("loud.py", "from toy import *\nprint('from the file')\n")
    result = retia("run", "loud.py", "--json")
    data = json.loads(result.stdout)
    assert data["trials"]["completed"] == 6
    assert data["best"]["metrics"]["accuracy"] == 0.4  # the grid begins at a = 1, the trials with a = 3 fail
    assert "from the file" in result.stderr


def test_options_replace_what_the_file_says(retia, toy, folder):
    retia("run", toy, "--trials", 3, "--storage", "other.db", "--name", "renamed", "--seed", 7, "--quiet")
    assert not (folder / "retia.db").exists()
    data = json.loads(retia("best", "--storage", "other.db", "--json").stdout)
    assert (data["name"], data["seed"], data["trials"]["completed"]) == ("renamed", 7, 3)


FILLED = """
    import torch
    from torch import nn

    import retia


    def fit(model):
        return {"score": float(model.out_features)}


    space = retia.ModelSpace(lambda: nn.Linear(2, retia.choice("width", [1, 2, 3])))
    study = retia.Study(space, fit, maximize="score", name="filled")
    strategy = retia.strategy.GridSearch()
    trials = 3
"""


@pytest.mark.parametrize(("policy", "kept"), [(None, 1), ("none", 0), ("best", 1), ("all", 3)])
def test_weights_are_kept_as_the_option_says(retia, write, policy, kept):
    option = () if policy is None else ("--keep-weights", policy)
    write("filled.py", FILLED)
    assert json.loads(retia("run", "filled.py", *option, "--json").stdout)["trials"]["completed"] == 3
    directories = [trial["directory"] for trial in json.loads(retia("trials", "--json").stdout)]
    assert sum(Path(directory, "weights.safetensors").exists() for directory in directories) == kept


def test_an_unknown_policy_of_weights_is_an_error(retia, toy):
    assert "'none', 'best', 'front', 'all'" in retia("run", toy, "--keep-weights", "some", code=2).stderr


def test_quiet_shows_no_progress(retia, toy):
    assert retia("run", toy, "--quiet").stderr == ""


def test_the_storage_may_come_from_the_environment_or_the_file(retia, toy, write, folder, monkeypatch):
    monkeypatch.setenv("RETIA_STORAGE", str(folder / "env.db"))
    retia("run", toy)
    assert (folder / "env.db").exists()
    write("own.py", "from toy import *\nstudy = study.replace(storage='own.db')\n")
    retia("run", "own.py")
    assert (folder / "own.db").exists()
    assert not (folder / "retia.db").exists()


def test_random_search_runs_beside_on_demand(retia, toy):
    result = retia("run", toy, "--control")
    assert "gained over random search at the same budget, 8 trials each" in result.stdout
    assert "started study 'toy/random': 8 trials" in result.stderr


ONE_SHOT = """
    import torch
    from torch import nn

    import retia

    torch.set_num_threads(1)


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            width = retia.choice("width", [2, 4, 8, 16])
            self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))

        def forward(self, x):
            return self.layers(x)


    data = retia.datasets.digits()
    study = retia.Study(retia.ModelSpace(Net), retia.Classification(data.train, data.valid, epochs=1, device="cpu"), maximize="accuracy", name="shot")
    strategy = retia.oneshot.SPOS()
    trials = 4
"""


def test_a_one_shot_search_retrains_its_winners_and_says_what_it_was_worth(retia, write):
    result = retia("run", write("shot.py", ONE_SHOT), "--retrain", 2, "--control", "--json")
    data = json.loads(result.stdout)["one_shot"]
    assert data["method"] == "SPOS"
    assert data["trained"]["retrained"] in (2, 3)  # the winners, and the baseline if it is none of them
    assert data["seconds"]["random"] > 0
    assert {one["among"] for one in data["rank_correlations"]} <= {
        "random architectures",
        "architectures that were retrained",
    }
    assert "one-shot search with SPOS, by accuracy" in retia("run", "shot.py", "--quiet").stdout
    assert "Retrain the best architectures as well: retrain=5" in retia("run", "shot.py", "--control", code=1).stderr


def test_a_timeout_stops_the_study(retia, toy):
    assert "stopped: timeout" in retia("run", toy, "--timeout", 1e-9).stdout


def test_a_file_without_a_number_of_trials_needs_the_option(retia, write, toy):
    write("open.py", "from toy import study\n")
    assert (
        "open.py defines no `trials`, the number of trials. Give --trials N"
        in retia("run", "open.py", code=1).stderr
    )
    assert "2 trials" in retia("run", "open.py", "--trials", 2).stdout


JUDGE = """
    from dataclasses import dataclass

    import retia


    @dataclass(frozen=True)
    class Judge:
        scale: float = 1.0
        word: str = "none"

        def __call__(self, architecture, run):
            return {"accuracy": self.scale * architecture["a"] + len(self.word)}


    study = retia.Study(retia.SearchSpace({"a": retia.Integer(1, 9)}), Judge(), maximize="accuracy", name="judged")
    strategy = retia.strategy.GridSearch()
    trials = 3
"""


def test_set_replaces_fields_of_the_evaluator(retia, write):
    write("judged.py", JUDGE)
    data = json.loads(retia("run", "judged.py", "--json", "--set", "scale=100", "--set", "word=hello").stdout)
    assert data["best"]["metrics"]["accuracy"] == 305


def test_set_of_an_unknown_field_lists_those_there_are(retia, write, toy):
    write("judged.py", JUDGE)
    assert (
        "Judge has no field 'size'. Set one of scale, word."
        in retia("run", "judged.py", "--set", "size=1", code=1).stderr
    )
    assert "replaces fields of a dataclass evaluator" in retia("run", toy, "--set", "size=1", code=1).stderr
    assert "--set must be field=value, got 'size'" in retia("run", toy, "--set", "size", code=2).stderr


def test_classes_of_the_file_reach_the_workers(retia, write):
    write("judged.py", JUDGE)
    result = retia("run", "judged.py", "--workers", 2, "--json")
    assert json.loads(result.stdout)["trials"]["completed"] == 3


MAIN = """
    import retia
    from toy import judge, space, strategy


    def main(trials=4, storage=None, progress=True, width=1):
        print("width", width)
        return retia.search(space, judge, strategy, trials=trials, maximize="accuracy", storage=storage, progress=progress)
"""


def test_main_is_called_with_the_options_that_are_given(retia, write, toy, folder):
    write("called.py", MAIN)
    result = retia("run", "called.py", "--trials", 5, "--set", "width=[8, 16]")
    assert "width [8, 16]" in result.stdout
    assert "5 trials, 4 completed, 1 failed" in result.stdout
    assert not (folder / "retia.db").exists()
    assert json.loads(retia("run", "called.py", "--json", "--quiet").stdout)["storage"] is None


def test_an_option_that_main_does_not_take_is_an_error(retia, write, toy):
    write("called.py", MAIN)
    error = retia("run", "called.py", "--seed", 3, code=1).stderr
    assert "main() in called.py has no parameter 'seed'; it has trials, storage, progress, width." in error
    write("bare.py", "def main():\n    pass\n")
    assert "it has no parameters" in retia("run", "bare.py", "--trials", 3, code=1).stderr
    write("any.py", "def main(**options):\n    print(sorted(options))\n")
    assert "['seed', 'trials']" in retia("run", "any.py", "--trials", 3, "--seed", 1).stdout


def test_a_main_that_returns_no_study_prints_nothing_more(retia, write):
    write("bare.py", "def main():\n    print('done')\n")
    assert retia("run", "bare.py").stdout == "done\n"
    assert json.loads(retia("run", "bare.py", "--json").stdout) is None


def test_a_file_that_defines_nothing_is_an_error(retia, write):
    write("empty.py", "x = 1\n")
    assert "empty.py must define `study`, a retia.Study, or `main`" in retia("run", "empty.py", code=1).stderr
    write("wrong.py", "study = 3\n")
    assert "`study` in wrong.py must be a retia.Study, got 3" in retia("run", "wrong.py", code=1).stderr


def test_a_changed_study_is_an_error_unless_forced(retia, toy, write):
    retia("run", toy)
    write("changed.py", "from toy import *\nstudy = study.replace(seed=1)\n")
    error = retia("run", "changed.py", code=1).stderr
    assert "differs from this one" in error
    assert "--force" in error
    assert "8 trials" in retia("run", "changed.py", "--force").stdout


def test_check_says_what_it_checked(retia, toy, write):
    assert retia("check", toy).stdout.splitlines() == [
        "ok: space: 2 parameters",
        "ok: objectives: maximize accuracy, minimize params",
        "ok: no models to build: the evaluator judges architectures",
    ]
    assert json.loads(retia("check", toy, "--json").stdout)["checked"][0] == "space: 2 parameters"
    write("called.py", MAIN)
    assert retia("check", "called.py", "--set", "width=3").stdout.splitlines()[:2] == [
        "width 3",
        "ok: space: 2 parameters",
    ]
    assert (
        "main() in called.py has no parameter 'height'"
        in retia("check", "called.py", "--set", "height=3", code=1).stderr
    )
    write("bare.py", "def main():\n    pass\n")
    assert (
        "main() in bare.py does not run a study, which this command needs"
        in retia("check", "bare.py", code=1).stderr
    )
    write("empty.py", "")
    assert "it defines neither" in retia("check", "empty.py", code=1).stderr


MISFIT = """
    import retia
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            width = retia.choice("width", [8, 16])
            self.first = nn.Linear(4, width)
            self.second = nn.Linear(8, 2)

        def forward(self, x):
            return self.second(self.first(x))


    def judge(model):
        assert model.first.out_features == 8, "it was trained"
        return 1.0


    study = retia.Study(retia.ModelSpace(Net), judge, maximize="accuracy", costs=retia.Costs((4,)))
    trials = 4
"""


@pytest.mark.parametrize("command", ["check", "run"])
def test_parts_that_do_not_fit_are_found_before_training(retia, write, command):
    write("misfit.py", MISFIT)
    result = retia(command, "misfit.py")
    said = result.stdout + result.stderr
    assert "infeasible among these: 1." in said
    assert "'width': 16" in said
    assert "second" in said
    assert "Traceback" not in said
    if command == "run":
        assert "2 trials, 1 completed, 1 infeasible; stopped: search space exhausted" in said


def test_what_failed_is_tried_again_and_the_first_failure_is_shown(retia, write):
    text = """
        import pathlib
        import retia

        @retia.architecture_evaluator
        def judge(architecture):
            if architecture["a"] == 2 and not pathlib.Path("mended").exists():
                raise OSError("no space left on device")
            return architecture["a"]

        study = retia.Study(retia.SearchSpace({"a": retia.Integer(1, 4)}), judge, maximize="score")
        strategy, trials = retia.strategy.GridSearch(), 4
    """
    write("grid.py", text)
    first = retia("run", "grid.py")
    assert "trial 1 failed (a=2):" in first.stderr
    assert "OSError: no space left on device" in first.stderr
    assert "of 4 trials, 1 of them failed" in first.stdout
    write("mended", "")
    again = retia("run", "grid.py")
    assert (
        "4 of 4 trials done, 1 of them failed (to try these again: retry_failed=True, or --retry-failed)"
        in again.stderr
    )
    assert "4 completed" in retia("run", "grid.py", "--retry-failed").stdout
