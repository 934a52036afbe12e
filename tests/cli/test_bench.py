import itertools
import json
import signal
import subprocess
import sys
import time

import pytest

from retia.benchmark import read_table, table_of, write_table
from retia.cli.bench import open_benchmark
from retia.cli.strategies import STRATEGIES, rungs, strategies_named
from retia.errors import EvaluationError, StudyError
from retia.execute import InProcess
from retia.space import Integer, SearchSpace
from retia.strategy import ASHA, BOHB, Hyperband, LocalSearch, Random, SuccessiveHalving
from retia.trial import Trial

CLIMB = """
import pathlib

import retia

counted = pathlib.Path("evaluated")


@retia.architecture_evaluator
def judge(architecture):
    with counted.open("a") as file:
        file.write("x")
    if len(counted.read_text()) == 5 and pathlib.Path("interrupt").exists():
        raise KeyboardInterrupt
    return {"accuracy": 10.0 * architecture["a"] + architecture["b"], "params": 100.0 * architecture["a"], "train_seconds": 60.0}


space = retia.SearchSpace({"a": retia.Integer(0, 3), "b": retia.Integer(0, 4)})
study = retia.Study(space, judge, maximize="accuracy", name="climb")
epochs = 7
reference = "by hand"
"""


@pytest.fixture
def climb(write):
    """A file that defines a study of 20 architectures, the best with an accuracy of 34."""
    return write("climb.py", CLIMB)


@pytest.fixture
def table(retia, climb):
    """The table of that study."""
    retia("bench", "build", climb, "--quiet")
    return "table.npz"


# --- comparing


def test_strategies_are_compared_on_a_table(retia, table, folder):
    result = retia(
        "bench",
        "--space",
        table,
        "--strategies",
        "random,grid,local",
        "--seeds",
        3,
        "--budget",
        20,
        "--jobs",
        1,
    )
    lines = result.stdout.splitlines()
    assert lines[0] == "climb (epochs=7): regret in accuracy, 3 seeds, 20 evaluations"
    assert [line.split()[0] for line in lines[2:5]] == ["random", "grid", "local"]
    grid = lines[3].split()
    assert grid[1:4] == ["20", "20", "20..20"]  # after ten of twenty in order the best has a=1, b=4
    assert grid[4:9] == ["0", "0", "0..0", "20", "3/3"]
    assert lines[-1] == "plot: retia-bench/regret.png"
    assert (folder / "retia-bench" / "regret.png").read_bytes().startswith(b"\x89PNG")
    assert result.stderr.startswith("[1/3] random: mean regret 0 after 20 evaluations, ")
    assert result.stderr.count("\n") == 3


def test_json_is_the_same_from_any_number_of_processes(retia, table):
    def call(jobs):
        arguments = [
            "--space",
            table,
            "--strategies",
            "random,evolution",
            "--seeds",
            4,
            "--budget",
            12,
            "--workers",
            3,
        ]
        data = json.loads(retia("bench", *arguments, "--jobs", jobs, "--out", "plots", "--json").stdout)
        for strategy in data["strategies"].values():
            del strategy["propose_ms"]
        return data

    data = call(1)
    assert call(2) == data
    assert (data["seeds"], data["workers"], data["plot"]) == (4, 3, "plots/regret.png")
    assert (
        data["strategies"]["evolution"]["regret"]["median"][-1]
        <= data["strategies"]["evolution"]["regret"]["median"][0]
    )


def test_the_table_that_comes_with_it_needs_no_file(retia):
    result = retia("bench", "--strategies", "random", "--seeds", 2, "--budget", 5, "--jobs", 1)
    assert result.stdout.startswith("digits (epochs=6): regret in valid_accuracy, 2 seeds, 5 evaluations\n")


def test_the_real_table_is_opened_by_its_name(retia, shared_data):
    path = shared_data / "nasbench201" / "nb201.npz"
    if not path.exists():
        pytest.skip(f"needs the table of NAS-Bench-201, and there is no {path}")
    arguments = [
        "--space",
        "nasbench201",
        "--path",
        path,
        "--dataset",
        "cifar10-valid",
        "--strategies",
        "evolution,random",
        "--seeds",
        2,
    ]
    data = json.loads(retia("bench", *arguments, "--jobs", 1, "--json").stdout)
    assert data["benchmark"] == {
        "benchmark": "nasbench201",
        "dataset": "cifar10-valid",
        "seed": None,
        "epochs": 200,
    }
    assert data["strategies"]["evolution"]["final"]["mean"] < data["strategies"]["random"]["final"]["mean"]


def trained(architecture, epochs):
    """What training gives: an epoch takes a minute, and the accuracy grows with each."""
    accuracy = 10.0 * architecture["a"] + architecture["b"]
    return {
        "accuracy": accuracy * epochs / 18,
        "latency_ms": 1.0 + architecture["a"],
        "train_seconds": 60.0 * epochs,
    }


@pytest.fixture
def steps(folder):
    """A table of 20 architectures after 2 and 18 epochs, the best with an accuracy of 34."""
    space = SearchSpace({"a": Integer(0, 3), "b": Integer(0, 4)})
    pairs = list(itertools.product((2, 18), space.enumerate()))
    trials = [
        Trial(number, one, "completed", trained(one, epochs), None if epochs == 18 else epochs)
        for number, (epochs, one) in enumerate(pairs)
    ]
    return write_table(
        table_of(space, trials, epochs=18, name="steps", costs=["latency_ms"]), folder / "steps.npz"
    )


def test_strategies_of_several_fidelities_are_compared_by_hours(retia, steps, folder):
    """A whole training takes 18 minutes: the grid has 6 by 2 hours, up to a=1, b=0, and 13 by 4, up to a=2,
    b=2.

    ASHA tries eight for 2 minutes each, and from the ninth on, which is the best so far as is each after it,
    promotes each at once for 16 minutes
    more: five by 2 hours (106 minutes), up to a=2, b=2, and all by 4 (232 minutes).
    """
    result = retia(
        "bench",
        "--space",
        steps,
        "--strategies",
        "grid,asha:grid,bohb",
        "--hours",
        4,
        "--seeds",
        2,
        "--jobs",
        1,
    )
    lines = result.stdout.splitlines()
    assert lines[0] == "steps (epochs=18): regret in accuracy, 2 seeds, 4 simulated hours"
    grid, asha = lines[2].split(), lines[3].split()
    assert grid[:7] == ["grid", "24", "24", "24..24", "12", "12", "12..12"]
    assert asha[:7] == ["asha:grid", "12", "12", "12..12", "0", "0", "0..0"]
    assert "mean regret 0 after 4 simulated hours" in result.stderr


def test_several_objectives_are_compared_by_hypervolume(retia, steps):
    arguments = [
        "--maximize",
        "accuracy",
        "--minimize",
        "latency_ms",
        "--budget",
        20,
        "--strategies",
        "grid,random",
    ]
    data = json.loads(
        retia("bench", "--space", steps, *arguments, "--seeds", 1, "--jobs", 1, "--json").stdout
    )
    assert data["metric"] == "hypervolume of accuracy, latency_ms"
    # The whole grid: 4 - 1 - a wide, 10 a + 4 high and 10 more for each; the first row dominates nothing of
    # it.
    whole = 4 * 3 + 10 * 2 + 10 * 1
    curve = data["strategies"]["grid"]["regret"]["median"]
    assert curve[:5] == pytest.approx([1 - found * 3 / whole for found in range(5)])
    assert curve[-1] == 0
    reference = ["--reference", "accuracy=0, latency_ms=2"]
    data = json.loads(
        retia("bench", "--space", steps, *arguments, *reference, "--seeds", 1, "--jobs", 1, "--json").stdout
    )
    assert data["strategies"]["grid"]["evaluations_to_optimum"] == 5
    retia("bench", "--space", steps, *arguments, "--reference", "accuracy", code=2)


def test_latencies_of_a_device_are_joined(retia, shared_data, monkeypatch):
    if not (shared_data / "help_latency").exists():
        pytest.skip(f"needs the tables of NAS-Bench-201, and there is no {shared_data / 'help_latency'}")
    monkeypatch.setenv("RETIA_BENCHMARKS", str(shared_data))
    arguments = [
        "--space",
        "nasbench201",
        "--maximize",
        "valid_accuracy",
        "--minimize",
        "raspi4_latency_ms",
        "--seeds",
        1,
        "--budget",
        5,
        "--jobs",
        1,
    ]
    data = json.loads(retia("bench", *arguments, "--strategies", "random", "--json").stdout)
    assert data["metric"] == "hypervolume of valid_accuracy, raspi4_latency_ms"
    assert 0 < data["strategies"]["random"]["final"]["mean"] < 0.5


def test_a_benchmark_of_several_lengths_is_asked_for_one(retia, shared_data):
    path = shared_data / "nasbench201" / "nb201.npz"
    if not path.exists():
        pytest.skip(f"needs the table of NAS-Bench-201, and there is no {path}")
    arguments = [
        "--space",
        "nasbench201",
        "--path",
        path,
        "--dataset",
        "cifar100",
        "--strategies",
        "random",
        "--seeds",
        1,
        "--budget",
        5,
        "--jobs",
        1,
    ]
    assert retia("bench", *arguments, "--epochs", 12).stdout.startswith(
        "nasbench201 (dataset=cifar100, epochs=12): regret in valid_accuracy"
    )
    assert "results after 12 epochs, got 200" in retia("bench", *arguments, code=1).stderr


def test_fidelities_need_hours_and_a_table_that_has_some(retia):
    assert (
        "'asha' starts with short trainings, so its number of evaluations is not comparable"
        in retia("bench", "--strategies", "random,asha", code=1).stderr
    )
    error = retia("bench", "--strategies", "hyperband:local", "--hours", 1, code=1).stderr
    assert (
        "'hyperband:local' starts with trainings of at most a third of the epochs, "
        "and the table has results after 6 epochs."
    ) in error
    for name in ("bohb:random", "asha:asha", "asha:", "local:random"):
        assert (
            f"needs names of strategies, got '{name}'"
            in retia("bench", "--strategies", name, "--hours", 1, code=1).stderr
        )
    assert "does not have the option --epochs, got '3'" in retia("bench", "--epochs", 3, code=1).stderr
    retia("bench", "--hours", 0, code=2)


def test_names_of_several_fidelities_wrap_others():
    made = strategies_named(
        ["asha", "asha:local", "halving:tpe", "hyperband:evolution", "bohb"], [1, 2, 3, 9]
    )
    assert [type(factory()) for factory in made.values()] == [ASHA, ASHA, SuccessiveHalving, Hyperband, BOHB]
    assert all(tuple(factory().fidelities) == (1, 3, 9) for factory in made.values())
    assert isinstance(made["asha:local"]().strategy, LocalSearch)
    assert isinstance(made["asha"]().strategy, Random)
    assert rungs([12, 200]) == (12, 200)
    assert rungs([100, 200]) == (200,)


def test_each_process_has_one_thread_also_where_it_is_alone(retia, monkeypatch):
    started = []
    monkeypatch.setattr(
        "retia.execute.Processes", lambda count, **options: started.append((count, options)) or InProcess()
    )
    retia("bench", "--seeds", 1, "--budget", 3, "--jobs", 1)
    retia("bench", "--seeds", 1, "--budget", 3, "--jobs", 2)
    assert started == [(1, {"threads": 1}), (2, {"threads": 1})]


def test_unknown_names_are_answered_with_the_known(retia):
    names = ", ".join(STRATEGIES)
    assert (
        f"got 'annealing'. Give {names}, separated by commas; with several fidelities also asha, "
        in retia("bench", "--strategies", "random,annealing", code=1).stderr
    )
    assert "needs names of strategies, got no name" in retia("bench", "--strategies", ",", code=1).stderr
    assert (
        "'nasbench' is neither a benchmark nor a file. Take one of digits, nasbench201, "
        in retia("bench", "--space", "nasbench", code=1).stderr
    )
    retia("bench", "--space", "nasbench201", "--path", "absent.npz", code=2)
    retia("bench", "--seeds", 0, code=2)


def test_an_option_that_a_benchmark_does_not_take_is_an_error(folder):
    with pytest.raises(
        EvaluationError, match="'digits' does not have the option --dataset, got 'cifar10'. Leave it out"
    ):
        open_benchmark("digits", dataset="cifar10")
    with pytest.raises(EvaluationError, match="'nasbench101' does not have the option --dataset"):
        open_benchmark("nasbench101", dataset="cifar10")
    with pytest.raises(EvaluationError, match="'digits' does not have the option --path"):
        open_benchmark("digits", folder)


def test_names_stand_for_fresh_strategies():
    with pytest.raises(StudyError, match="got 'best'"):
        strategies_named(["best"])
    assert list(strategies_named(["local", "random", "local"])) == ["local", "random"]
    for name, factory in STRATEGIES.items():
        assert callable(factory().propose), name
        assert factory() is not factory()
    assert isinstance(strategies_named(["random"])["random"](), Random)


def test_torch_is_imported_only_for_strategies_that_need_it(folder):
    code = (
        "import sys; from retia.cli import main\n"
        "main(['bench', '--strategies', 'random,evolution,local,nsga2,grid', '--seeds', '1', '--budget', "
        "'5', '--jobs', '1'], standalone_mode=False)\n"
        "print('torch' in sys.modules)"
    )
    assert subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.endswith("\nFalse\n")


# --- building


def test_a_table_of_the_whole_space_is_built(retia, climb):
    result = retia("bench", "build", climb, "--out", "tables/climb.npz", "--quiet")
    assert result.stdout == "tables/climb.npz: 20 architectures; the best accuracy is 34.\n"
    benchmark = read_table("tables/climb.npz")
    assert (benchmark.name, benchmark.epochs, benchmark.reference, len(benchmark)) == (
        "climb",
        7,
        "by hand",
        20,
    )
    assert benchmark.settings["evaluator"]["function"].endswith("judge")
    assert benchmark.query({"a": 2, "b": 3}) == {"accuracy": 23.0, "params": 200.0, "train_seconds": 60.0}
    assert benchmark.costs == ("params",)
    assert benchmark.space.size() == 20


def test_an_interrupted_build_goes_on_where_it_was(retia, climb, folder):
    (folder / "interrupt").touch()
    result = retia("bench", "build", climb, "--quiet", code=130)
    assert "interrupted; finished trials are in 'retia.db'; the same command resumes." in result.stderr
    assert not (folder / "table.npz").exists()
    (folder / "interrupt").unlink()
    data = json.loads(retia("bench", "build", climb, "--quiet", "--json").stdout)
    assert (data["architectures"], data["optimum"], data["failed"], data["path"]) == (
        20,
        34.0,
        0,
        "table.npz",
    )
    assert (
        len((folder / "evaluated").read_text()) == 21
    )  # the one that was interrupted again, the others once
    retia("bench", "build", climb, "--quiet")
    assert len((folder / "evaluated").read_text()) == 21


SLOW = CLIMB.replace("    return", "    time.sleep(0.05)\n    return").replace(
    "import pathlib\n", "import pathlib\nimport time\n"
)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_build_that_is_interrupted_or_killed_resumes(process, write, folder, sent, code):
    slow, log = write("slow.py", SLOW), folder / "evaluated"
    started = process("bench", "build", slow, "--quiet")
    deadline = time.monotonic() + 60
    while not log.exists() or len(log.read_text()) < 4:
        assert started.poll() is None, started.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    started.send_signal(sent)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == code, errors
    assert not (folder / "table.npz").exists()
    assert 4 <= len(log.read_text()) < 20
    again = process("bench", "build", slow, "--quiet")
    out, errors = again.communicate(timeout=60)
    assert (again.returncode, out) == (0, "table.npz: 20 architectures; the best accuracy is 34.\n"), errors
    assert 20 <= len(log.read_text()) <= 21  # at most the one that was running is evaluated twice
    assert read_table(folder / "table.npz").optimum() == 34


def test_what_fails_is_left_out_and_said(retia, toy):
    result = retia("bench", "build", toy, "--storage", "other.db", "--quiet")
    note = "16 architectures, without 2 that failed (retia trials --storage other.db --name toy)"
    assert result.stdout == f"table.npz: {note}; the best accuracy is 0.9.\n"
    assert read_table("table.npz").space.size() == 16


def test_seeds_add_a_spread(retia, climb, folder):
    retia("bench", "build", climb, "--seeds", 3, "--quiet")
    assert len((folder / "evaluated").read_text()) == 60
    assert read_table("table.npz").query({"a": 1, "b": 1}) == {
        "accuracy": 11.0,
        "accuracy_sd": 0.0,
        "params": 100.0,
        "train_seconds": 60.0,
        "train_seconds_sd": 0.0,
    }


def test_progress_is_shown_unless_quiet(retia, climb):
    assert "climb" in retia("bench", "build", climb).stderr
    assert retia("bench", "build", climb, "--quiet").stderr == ""


def test_a_table_of_part_of_a_space_is_refused(retia, write):
    broken = CLIMB.replace(
        "    return", '    if 0 < architecture["a"] < 4:\n        raise RuntimeError("it broke")\n    return'
    )
    error = retia("bench", "build", write("broken.py", broken), "--quiet", code=1).stderr
    assert "A table needs the whole space, but" in error
    assert "of 20 architectures (too many failures)" in error
    real = CLIMB.replace("retia.Integer(0, 4)", "retia.Real(0.0, 4.0)")
    assert (
        "at most 1,000,000 architectures, and the space of real.py has inf"
        in retia("bench", "build", write("real.py", real), "--quiet", code=1).stderr
    )
    large = CLIMB.replace("retia.Integer(0, 4)", "retia.Integer(0, 400_000)")
    assert (
        "the space of large.py has 1,600,004"
        in retia("bench", "build", write("large.py", large), "--quiet", code=1).stderr
    )
