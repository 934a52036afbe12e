import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from retia.cli.output import columns


def test_help_lists_the_commands_in_the_order_of_use(retia):
    out = retia("--help").stdout
    names = [line.split()[0] for line in out.partition("Commands:")[2].splitlines() if line.strip()]
    assert names == ["demo", "run", "check", "studies", "trials", "show", "best", "plot", "export", "bench"]
    assert "..." not in out.partition("Commands:")[2]


def test_usage_errors_exit_with_2(retia, toy):
    retia("nonsense", code=2)
    retia("run", "missing.py", code=2)
    retia("run", toy, "--trials", 0, code=2)
    retia("show", "first", code=2)


def test_an_error_is_one_message_on_standard_error(retia, folder):
    result = retia("studies", "--json", code=1)
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("StorageError: There is no storage")


def test_columns_are_aligned():
    assert (
        columns(("n", "name"), [("1", "a"), ("20", "bcd e")], right=frozenset({"n"}))
        == " n  name\n 1  a\n20  bcd e"
    )
    assert columns(("n", "name"), []) == "n  name"


LISTING = """
import sys
from click.testing import CliRunner
from retia.cli import main

for command in (["--help"], ["studies"], ["trials"], ["show", "0"], ["best"], ["plot"]):
    assert CliRunner().invoke(main, command).exit_code == 0, command
assert "torch" not in sys.modules
for command in (["--help"], ["studies"]):
    assert CliRunner().invoke(main, command).exit_code == 0
"""


def test_listings_do_not_import_torch(retia, toy, folder):
    retia("run", toy, "--quiet")
    subprocess.run([sys.executable, "-c", LISTING], cwd=folder, check=True)


def test_help_imports_nothing_heavy(folder):
    code = (
        "import sys; from retia.cli import main; print([n for n in ('torch', 'matplotlib', 'sklearn', "
        "'rich', 'sqlalchemy') if n in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


SLOW = """
    import time

    import retia


    @retia.architecture_evaluator
    def judge(architecture):
        if architecture["a"] > 2:
            print("waiting", flush=True)
            time.sleep(60)
        return {"accuracy": float(architecture["a"])}


    study = retia.Study(retia.SearchSpace({"a": retia.Integer(1, 9)}), judge, maximize="accuracy", name="slow")
    strategy = retia.strategy.GridSearch()
    trials = 9
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_an_interrupt_ends_cleanly_and_says_how_to_resume(process, retia, write):
    write("slow.py", SLOW)
    running = process("run", "slow.py")
    assert running.stdout.readline() == "waiting\n"
    running.send_signal(signal.SIGINT)
    out, error = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "stopped: interrupted" in out
    assert "interrupted; finished trials are in 'retia.db'; the same command resumes." in error
    assert "Traceback" not in error
    states = [trial["state"] for trial in json.loads(retia("trials", "--json").stdout)]
    assert states == ["completed", "completed", "running"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_an_interrupt_in_the_file_itself_exits_with_130(process, write):
    write("waits.py", "import time\nprint('waiting', flush=True)\ntime.sleep(60)\n")
    running = process("run", "waits.py")
    assert running.stdout.readline() == "waiting\n"
    running.send_signal(signal.SIGINT)
    _, error = running.communicate(timeout=30)
    assert running.returncode == 130
    assert error.strip() == "interrupted"


def test_json_stays_alone_when_workers_print(process, write):
    write(
        "loud.py",
        """
        import retia

        @retia.architecture_evaluator
        def judge(architecture):
            print("from a worker", flush=True)
            return {"accuracy": float(architecture["a"])}

        study = retia.Study(retia.SearchSpace({"a": retia.Integer(1, 4)}), judge, maximize="accuracy")
        trials = 3
        """,
    )
    out, error = process("run", "loud.py", "--workers", 2, "--json").communicate(timeout=60)
    assert json.loads(out)["trials"]["completed"] == 3
    assert error.count("from a worker") == 3


def test_the_version_is_printed(process):
    out, _ = process("--version").communicate(timeout=30)
    assert out.startswith("retia, version ")


def run_to(output, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "retia", *arguments],
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        check=False,
    )


def test_the_package_runs_as_the_command(folder):
    done = run_to(subprocess.PIPE, "--version")
    assert done.stdout == f"python -m retia, version {version('retia')}\n"
    assert done.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize(
    "command",
    [
        ["trials"],
        ["trials", "--json"],
        ["best"],
        ["show", "0"],
        ["studies"],
        ["plot"],
        ["--help"],
        ["run", "toy.py", "--quiet"],
    ],
)
def test_output_that_cannot_be_written_is_one_message(retia, toy, command):
    retia("run", toy, "--quiet")
    with open("/dev/full", "w") as full:
        done = run_to(full, *command)
    assert done.returncode == 1
    assert done.stderr == (
        "OSError: [Errno 28] No space left on device. Check the path, its permissions and the disk space.\n"
    )


@pytest.mark.parametrize("command", [["trials"], ["trials", "--json"], ["best"], ["--help"]])
def test_a_reader_that_has_seen_enough_ends_the_command_quietly(retia, toy, command):
    retia("run", toy, "--quiet")
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as closed:
        done = run_to(closed, *command)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_folder_that_cannot_be_made_is_one_message(retia, toy):
    retia("run", toy, "--quiet")
    error = retia("plot", "--out", Path(toy, "plots"), code=1).stderr
    assert error == (
        "NotADirectoryError: [Errno 20] Not a directory: 'toy.py/plots'. Check the path, "
        "its permissions and the disk space.\n"
    )
