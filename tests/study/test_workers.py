"""Several evaluations at once."""

import os
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from retia.errors import EvaluationError, StudyError
from retia.execute import InProcess, Processes
from retia.space import Categorical, SearchSpace
from retia.strategy import GridSearch, LocalSearch, Random, RegularizedEvolution
from retia.study import Study, architecture_evaluator

SPACE = SearchSpace({f"op{i}": Categorical(tuple("abcde")) for i in range(3)})
STRATEGIES = {
    "GridSearch": GridSearch,
    "LocalSearch": LocalSearch,
    "Random": Random,
    "RegularizedEvolution": lambda: RegularizedEvolution(8, 3),
}


def count(architecture):
    return {"score": sum(value == "e" for value in architecture.values())}


def test_workers_are_processes_of_their_own():
    @architecture_evaluator
    def process(architecture):
        time.sleep(0.01)
        return {"score": 1, "process": os.getpid()}

    study = Study(SPACE, process, maximize="score")
    assert study.run(Random(), trials=12, workers=2) == "trials done"
    processes = {trial.metrics["process"] for trial in study.trials}
    assert len(processes) == 2
    assert os.getpid() not in processes
    assert [trial.number for trial in study.trials] == list(range(12))


def test_what_fails_in_a_worker_has_its_traceback():
    @architecture_evaluator
    def picky(architecture):
        if architecture["op0"] == "b":
            raise ArithmeticError("b is too much")
        return {"score": 1}

    study = Study(SPACE, picky, maximize="score")
    study.run(GridSearch(), trials=60, workers=2)
    errors = [trial.error for trial in study.trials if trial.state == "failed"]
    assert len(errors) == 25
    assert all(
        'raise ArithmeticError("b is too much")' in error and "ArithmeticError: b is too much" in error
        for error in errors
    )


def test_a_worker_that_dies_costs_its_own_trial_only():
    @architecture_evaluator
    def deadly(architecture):
        if list(architecture.values()) == ["a", "a", "c"]:
            os._exit(3)
        return {"score": 1}

    study = Study(SPACE, deadly, maximize="score")
    assert study.run(GridSearch(), trials=10, workers=2) == "trials done"
    assert [trial.number for trial in study.trials if trial.state == "failed"] == [2]
    assert study.trials[2].error.startswith("WorkerDied: ")
    assert [attempt.error.partition(":")[0] for attempt in study.trials[2].attempts] == [
        "WorkerDied"
    ] * 2  # each loss is retried, twice at most


@pytest.mark.parametrize("stored", [True, False])
def test_a_worker_that_was_lost_is_replaced_and_its_trial_tried_again(stored, tmp_path):
    @architecture_evaluator
    def once(architecture, run):
        (tmp_path / f"{run.seed}").touch()
        lost = tmp_path / "lost"
        if list(architecture.values()) == ["a", "a", "c"] and not lost.exists():
            lost.touch()
            os._exit(3)
        return {"score": 1}

    study = Study(SPACE, once, maximize="score", storage=tmp_path / "study.db" if stored else None)
    assert study.run(GridSearch(), trials=6, workers=2) == "trials done"
    assert [trial.state for trial in study.trials] == ["completed"] * 6
    (attempt,) = study.trials[2].attempts
    assert attempt.error.startswith("WorkerDied: The worker process")
    assert attempt.started <= attempt.ended <= study.trials[2].started
    assert len(list(tmp_path.glob("[0-9]*"))) == 6  # the same seed both times
    if stored:
        assert Study.open(tmp_path / "study.db").trials == study.trials


def test_a_broken_executor_ends_the_run_and_its_trials_are_taken_up(tmp_path):
    @architecture_evaluator
    def deadly(architecture, run):
        if list(architecture.values()) == ["a", "a", "c"]:
            os._exit(3)
        return {"score": 1}

    study = Study(SPACE, deadly, maximize="score", storage=tmp_path / "study.db")
    for _ in range(3):
        with (
            ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor,
            pytest.raises(StudyError, match="The executor ProcessPoolExecutor is broken"),
        ):
            study.run(GridSearch(), trials=6, executor=executor)
    assert study.trials[2].state == "failed"  # after three attempts, each in an executor of its own
    assert len(study.trials[2].attempts) == 2
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        assert study.run(GridSearch(), trials=6, executor=executor) == "trials done"
    assert study.history.count("completed") == 5


def test_an_early_nan_fails_its_own_trial_though_the_baseline_still_runs(tmp_path):
    @architecture_evaluator
    def slow_baseline(architecture, run):
        if architecture == run.space.default():
            deadline = time.monotonic() + 30
            while not (tmp_path / "nan").exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            return {"score": 1.0}
        (tmp_path / "nan").touch()
        return {"score": float("nan") if architecture["op2"] == "b" else 1.0}

    study = Study(SPACE, slow_baseline, maximize="score")
    assert study.run(GridSearch(), trials=4, workers=2) == "trials done"
    assert [trial.state for trial in study.trials] == ["completed", "failed", "completed", "completed"]


def test_a_nan_of_the_baseline_ends_a_run_with_workers():
    @architecture_evaluator
    def broken(architecture, run):
        return {"score": float("nan") if architecture == run.space.default() else 1.0}

    study = Study(SPACE, broken, maximize="score")
    with pytest.raises(EvaluationError, match="returned score=nan"):
        study.run(GridSearch(), trials=30, workers=2)
    assert study.trials[0].state == "running"


def test_a_trial_that_takes_too_long_costs_itself_only():
    @architecture_evaluator
    def hanging(architecture):
        if list(architecture.values()) == ["a", "a", "c"]:
            time.sleep(60)
        return {"score": 1}

    study = Study(SPACE, hanging, maximize="score")
    with Processes(2, time_limit_s=0.5) as executor:
        assert study.run(GridSearch(), trials=6, executor=executor) == "trials done"
    assert study.trials[2].error.startswith("TimeLimitExceeded: ")
    assert study.history.count("completed") == 5


def test_an_interrupt_ends_the_workers_and_their_trials_are_taken_up():
    @architecture_evaluator
    def slow(architecture):
        time.sleep(60 if os.environ.get("RETIA_TEST_SLOW") else 0)
        return {"score": 1}

    def interrupt(event):
        if event.kind == "started" and event.trial.number == 1:
            raise KeyboardInterrupt

    study = Study(SPACE, slow, maximize="score")
    os.environ["RETIA_TEST_SLOW"] = "1"
    try:
        started = time.monotonic()
        assert study.run(GridSearch(), trials=4, workers=2, observer=interrupt) == "interrupted"
        assert time.monotonic() - started < 30
    finally:
        del os.environ["RETIA_TEST_SLOW"]
    assert [trial.state for trial in study.trials] == ["running"] * len(study.trials)
    assert study.run(GridSearch(), trials=4, workers=2) == "trials done"


@pytest.mark.parametrize("make_strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_every_strategy_exhausts_a_space_with_several_at_once(make_strategy):
    study = Study(SPACE, architecture_evaluator(count), maximize="score")
    with ThreadPoolExecutor(4) as executor:
        assert study.run(make_strategy(), trials=1000, executor=executor) == "search space exhausted"
    assert [trial.number for trial in study.trials] == list(range(125))
    assert {trial.architecture for trial in study.trials} == set(SPACE.enumerate())


class InBatches(Executor):
    """Ends no call before it has got as many as expected, then all of them."""

    def __init__(self, expected, **attributes):
        self.most, self.expected, self.waiting = 0, expected, []
        vars(self).update(attributes)

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.done = self._end_all
        self.waiting.append((future, fn, args))
        self.most = max(self.most, len(self.waiting))
        return future

    def _end_all(self):
        if len(self.waiting) < self.expected:
            return False
        for future, fn, args in self.waiting:
            future.done = lambda: True
            future.set_result(fn(*args))
        self.waiting.clear()
        return True


@pytest.mark.parametrize(
    ("attributes", "workers", "slots"),
    [
        ({"max_workers": 3}, None, 3),
        ({"_max_workers": 4}, None, 4),
        ({"_workers": 2}, None, 2),
        ({}, None, 1),
        ({"max_workers": 3}, 5, 5),
    ],
)
def test_as_many_run_at_once_as_the_executor_has_workers(attributes, workers, slots):
    executor = InBatches(slots, **attributes)
    study = Study(SPACE, architecture_evaluator(count), maximize="score")
    study.run(GridSearch(), trials=2 * slots, executor=executor, workers=workers)
    assert executor.most == slots


def test_the_trials_are_never_more_than_asked_for():
    study = Study(SPACE, architecture_evaluator(count), maximize="score")
    with ThreadPoolExecutor(8) as executor:
        study.run(RegularizedEvolution(5, 2), trials=10, executor=executor)
    assert len(study.trials) == 10


def test_an_executor_that_was_given_stays_open():
    executor = InProcess()
    study = Study(SPACE, architecture_evaluator(count), maximize="score")
    study.run(Random(), trials=2, executor=executor)
    assert executor.submit(len, "abc").result() == 3


def test_one_worker_in_this_process_is_the_same_as_none():
    studies = [Study(SPACE, architecture_evaluator(count), maximize="score") for _ in range(2)]
    studies[0].run(RegularizedEvolution(8, 3), trials=20)
    studies[1].run(RegularizedEvolution(8, 3), trials=20, workers=1)
    assert [one.architecture for one in studies[0].trials] == [one.architecture for one in studies[1].trials]


def test_a_marked_function_reaches_the_processes_of_the_standard_library(tmp_path):
    (tmp_path / "judging.py").write_text(
        "import retia\n\n@retia.architecture_evaluator\ndef judge(architecture):\n    return "
        "architecture['a']\n"
    )
    script = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import judging, retia

if __name__ == "__main__":
    space = retia.SearchSpace({"a": retia.Integer(1, 9)})
    study = retia.Study(space, judging.judge, maximize="score")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        print(study.run(retia.strategy.GridSearch(), trials=9, executor=executor))
    print(study.best.architecture["a"])
"""
    (tmp_path / "main.py").write_text(script)
    done = subprocess.run(
        [sys.executable, tmp_path / "main.py"], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.stdout.split("\n")[:2] == ["trials done", "9"], done.stderr
