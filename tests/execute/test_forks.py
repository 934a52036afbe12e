"""Copies that os.fork() makes of a process, and processes that a worker leaves behind."""

import json
import os
import subprocess
import sys
import time
from contextvars import copy_context
from threading import Thread

import pytest

from retia.errors import WorkerDied
from retia.execute import Processes, emit


def fork_and_return(i):
    """Return from both copies; the parent's copy waits for the other to have ended."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return i
    return 1000 + i


def test_a_copy_of_a_worker_that_returns_sends_nothing(capfd):
    with Processes(1) as executor:
        futures = [executor.submit(fork_and_return, i) for i in range(4)]
        futures.append(executor.submit(abs, -7))
        assert [future.result() for future in futures] == [0, 1, 2, 3, 7]
    assert capfd.readouterr().err.count("is a copy of process") == 4


def test_a_copy_of_a_worker_that_raises_or_emits_sends_nothing(capfd):
    def fork_and(act):
        child = os.fork()
        if child:
            return os.waitpid(child, 0)[1]
        act()

    def fail():
        raise ArithmeticError("from the copy")

    heard = []
    with Processes(1) as executor:
        executor.on_message = lambda future, message: heard.append(message)
        for act in (fail, lambda: emit("from the copy")):
            assert os.waitstatus_to_exitcode(executor.submit(fork_and, act).result()) == 1
        assert executor.submit(abs, -1).result() == 1
    assert heard == []


def test_a_copy_may_end_by_itself():
    def fork_and_exit(end):
        child = os.fork()
        if child:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        end(3)

    with Processes(1) as executor:
        assert executor.submit(fork_and_exit, os._exit).result() == 3
        assert executor.submit(abs, -1).result() == 1


def test_a_message_of_an_earlier_call_is_dropped(tmp_path):
    def leave_a_thread(go):
        def late():
            while not go.exists():
                time.sleep(0.005)
            emit("late")
            go.with_suffix(".sent").touch()

        Thread(target=copy_context().run, args=(late,)).start()

    def hear_the_thread(go):
        go.touch()
        while not go.with_suffix(".sent").exists():
            time.sleep(0.005)
        emit("own")

    heard = []
    with Processes(1) as executor:
        executor.on_message = lambda future, message: heard.append(message)
        executor.submit(leave_a_thread, tmp_path / "go").result()
        executor.submit(hear_the_thread, tmp_path / "go").result()
    assert heard == ["own"]


@pytest.mark.parametrize("end", [lambda: os._exit(5), lambda: None], ids=["dies", "stops"])
def test_what_a_worker_has_started_ends_with_it(tmp_path, gone, end):
    def leave_a_child(path):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        path.write_text(str(child.pid))
        end()

    with Processes(1) as executor:
        executor.submit(leave_a_child, tmp_path / "pid").exception()
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_copy_that_outlives_its_worker_is_killed(tmp_path, gone):
    def leave_a_copy(path):
        child = os.fork()
        if child == 0:
            time.sleep(60)
        path.write_text(str(child))
        os._exit(5)

    with Processes(1) as executor:
        with pytest.raises(WorkerDied, match="status 5"):
            executor.submit(leave_a_copy, tmp_path / "pid").result()
        assert executor.submit(abs, -1).result() == 1
    assert gone(int((tmp_path / "pid").read_text()))


STUDY = """
import json, os, sys, concurrent.futures
import retia

how = sys.argv[2]
space = retia.SearchSpace([retia.space.Parameter("x", retia.Integer(0, 19))])

@retia.architecture_evaluator
def forked(architecture):
    child = os.fork()
    if child == 0 and how == "exit":
        sys.exit(3)
    if child == 0 and how == "raise":
        raise ArithmeticError
    if child == 0:
        return 1000.0
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == (3 if how == "exit" else 1)
    return float(architecture["x"])

executors = {"in process": lambda: None, "threads": lambda: concurrent.futures.ThreadPoolExecutor(1), "processes": lambda: retia.Processes(2)}
study = retia.Study(space, forked, maximize="score", storage=sys.argv[1] + "/study.db", name="forked")
study.run(retia.strategy.GridSearch(), trials=8, executor=executors[sys.argv[3]]())
print(json.dumps([[trial.architecture["x"], trial.metrics.get("score"), trial.error] for trial in study.trials]))
"""


@pytest.mark.parametrize("how", ["return", "raise", "exit"])
@pytest.mark.parametrize("executor", ["in process", "threads", "processes"])
def test_a_study_whose_evaluator_forks_continues_once(tmp_path, executor, how):
    (tmp_path / "script.py").write_text(STUDY)
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path), how, executor]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    rows = json.loads(line)
    assert len(rows) == 8
    assert all(score == x and error is None for x, score, error in rows)
    assert ("is a copy of process" in done.stderr) == (how != "exit")
