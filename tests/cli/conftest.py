import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from retia.cli import main

TOY = """
import retia

space = retia.SearchSpace({"a": retia.Integer(1, 9), "b": retia.Categorical(("x", "y"))})


@retia.architecture_evaluator
def judge(architecture):
    if architecture["a"] == 3:
        raise RuntimeError("it broke")
    return {"accuracy": architecture["a"] / 10, "params": 100.0 * architecture["a"] - 5 * (architecture["b"] == "y")}


study = retia.Study(space, judge, maximize="accuracy", minimize="params", name="toy")
strategy = retia.strategy.GridSearch()
trials = 8
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RETIA_STORAGE", raising=False)
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def write(folder):
    """Return a function that writes a file of Python."""

    def write_file(name, code):
        (folder / name).write_text(textwrap.dedent(code), encoding="utf-8")
        return name

    return write_file


@pytest.fixture
def toy(write):
    """A file that defines a study of 18 architectures; the one in five that fails is `a == 3`."""
    return write("toy.py", TOY)


@pytest.fixture
def retia(folder):
    """Return a function that runs the command in this process and checks its exit code."""

    def call(*arguments, code=0):
        modules = set(sys.modules)
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        for name in (
            set(sys.modules) - modules
        ):  # each command is a process of its own: it imports the file anew
            if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
                del sys.modules[name]
        assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
        return result

    return call


@pytest.fixture
def process(folder):
    """Return a function that starts the command as a process."""

    def start(*arguments, **options):
        source = str(Path(__file__).parents[2] / "src")
        environment = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1", "COLUMNS": "160"}
        command = [
            sys.executable,
            "-c",
            "from retia.cli import main; main(prog_name='retia')",
            *map(str, arguments),
        ]
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    return start
