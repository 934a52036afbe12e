import operator
import os
import sys
import threading
import time
from concurrent.futures import wait
from traceback import format_exception

import pytest

from retia.errors import EvaluationError, ExecutorError
from retia.execute import Processes, emit
from retia.execute.worker_process import KEPT_FUNCTIONS


def test_a_worker_is_started_once(pool):
    pids = {pool.submit(os.getpid).result() for _ in range(20)}
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_no_process_is_started_before_the_first_call():
    before = threading.active_count()
    with Processes(4):
        assert threading.active_count() == before


def test_as_many_processes_as_calls_at_once(tmp_path):
    def meet(name):
        (tmp_path / name).touch()
        end = time.monotonic() + 20
        while len(list(tmp_path.iterdir())) < 3 and time.monotonic() < end:
            time.sleep(0.005)
        return os.getpid()

    with Processes(3) as executor:
        assert executor.submit(os.getpid).result()
        assert len(set(executor.map(meet, "abc"))) == 3


def test_a_function_is_sent_once_to_each_worker(tmp_path):
    class Heavy:
        def __init__(self, folder):
            self.folder = folder

        def __setstate__(self, state):
            self.__dict__ = state
            with open(self.folder / str(os.getpid()), "a") as file:
                file.write("loaded\n")

        def __call__(self, seconds):
            time.sleep(seconds)
            return os.getpid()

    heavy = Heavy(tmp_path)
    with Processes(2) as executor:
        pids = {str(pid) for pid in executor.map(heavy, [0.1] * 4 + [0] * 40)}
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == dict.fromkeys(pids, "loaded\n")


def test_a_bound_method_is_sent_once(pool, tmp_path):
    class Heavy:
        def __setstate__(self, state):
            self.loads = 1

        def __getstate__(self):
            return {"some": "state"}

        def count(self):
            self.loads = getattr(self, "loads", 0) + 1
            return self.loads

    heavy = Heavy()
    assert [pool.submit(heavy.count).result() for _ in range(3)] == [2, 3, 4]


def test_a_function_that_was_dropped_is_sent_again(pool):
    functions = [lambda x, i=i: x + i for i in range(KEPT_FUNCTIONS + 3)]
    for _ in range(2):
        assert [pool.submit(function, 1).result() for function in functions] == list(
            range(1, KEPT_FUNCTIONS + 4)
        )


def test_a_function_is_as_it_was_first_submitted(pool):
    values = [1]

    def total():
        return sum(values)

    assert pool.submit(total).result() == 1
    values.append(5)
    assert pool.submit(total).result() == 1


def test_arguments_are_as_they_were_submitted():
    with Processes(1) as executor:
        values = [1]
        futures = [executor.submit(sum, values)]
        values.append(5)
        futures.append(executor.submit(sum, values))
        assert [future.result() for future in futures] == [1, 6]


def test_results_of_classes_that_only_this_process_defines(pool):
    class Local:
        def __init__(self, value):
            self.value = value

    result = pool.submit(Local, 3).result()
    assert type(result) is Local
    assert result.value == 3


def test_an_exception_carries_the_traceback_of_the_worker(pool):
    def outer():
        return inner()

    def inner():
        return 1 / 0

    error = pool.submit(outer).exception()
    assert isinstance(error, ZeroDivisionError)
    text = "".join(format_exception(error))
    assert "in outer" in text
    assert "in inner" in text
    assert "return 1 / 0" in text
    assert "worker.py" not in text


def test_an_exception_that_does_not_survive_a_pickle(pool):
    class Awkward(Exception):
        def __init__(self, first, second):
            super().__init__(f"{first} and {second}")

    def fail():
        raise Awkward("bread", "butter")

    error = pool.submit(fail).exception()
    assert type(error) is EvaluationError
    assert "Awkward: bread and butter" in str(error)
    assert "in fail" in "".join(format_exception(error))


@pytest.mark.parametrize("make", [threading.Lock, lambda: (i for i in "abc")], ids=["lock", "generator"])
def test_a_result_that_can_not_be_pickled(pool, make):
    with pytest.raises(
        EvaluationError,
        match=(
            "result of a call can't be sent from its worker process: (lock|generator): TypeError.*Use numbers"
        ),
    ):
        pool.submit(make).result()


def test_a_result_that_can_not_be_read_back(pool):
    here = os.getpid()

    class OneWay:
        def __reduce__(self):
            return (pick, (here,))

    def pick(pid):
        if os.getpid() == pid:
            raise ArithmeticError("not here")

    with pytest.raises(
        EvaluationError, match="can't be unpickled from its worker process: ArithmeticError: not here"
    ):
        pool.submit(OneWay).result()


def test_a_function_that_can_not_be_sent(pool):
    lock = threading.Lock()
    with pytest.raises(
        EvaluationError,
        match=r"(?s)The function can't be sent to a worker process: .*hold.*TypeError.*Create them inside the call",
    ):

        def hold():
            return lock

        pool.submit(hold)
    assert pool.submit(abs, -1).result() == 1


def test_arguments_that_can_not_be_sent(pool):
    with pytest.raises(
        EvaluationError,
        match=r"(?s)The arguments of a call can't be sent to a worker process: \(<unlocked.*Create them inside",
    ):
        pool.submit(repr, threading.Lock())
    assert pool.submit(abs, -1).result() == 1


def test_a_function_that_can_not_be_loaded(pool):
    class OnlyHere:
        def __call__(self):
            raise AssertionError

        def __reduce__(self):
            return (__import__, ("no_such_module_anywhere",))

    only_here = OnlyHere()
    for _ in range(2):
        with pytest.raises(
            EvaluationError,
            match="can't load the function: ModuleNotFoundError.*no_such_module_anywhere.*sys.path",
        ):
            pool.submit(only_here).result()
    assert pool.submit(abs, -1).result() == 1


def test_the_path_and_the_environment_are_the_parents(monkeypatch, tmp_path):
    (tmp_path / "lately_written.py").write_text("def answer():\n    return 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("RETIA_TEST_VARIABLE", "inherited")
    import lately_written

    with Processes(1) as executor:
        assert executor.submit(lately_written.answer).result() == 42
        assert executor.submit(os.getenv, "RETIA_TEST_VARIABLE").result() == "inherited"
        path = executor.submit(operator.attrgetter("path"), sys)
        assert path.result() == sys.path


@pytest.mark.parametrize(("workers", "threads", "expected"), [(2, 3, 3), (1, None, None), (64, None, 1)])
def test_numeric_libraries_share_the_processors(workers, threads, expected):
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with Processes(workers, threads=threads) as executor:
        names = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"]
        assert [executor.submit(os.getenv, name).result() for name in names] == [
            str(expected or processors)
        ] * 3


def test_messages_reach_the_listener_in_order_before_the_result():
    heard = []

    def talk(count):
        for i in range(count):
            emit({"step": i})
        return count

    with Processes(1) as executor:
        assert executor.submit(talk, 2).result() == 2
        executor.on_message = lambda future, message: heard.append((future, future.done(), message))
        future = executor.submit(talk, 3)
        assert future.result() == 3
        assert heard == [(future, False, {"step": i}) for i in range(3)]


def test_a_listener_that_fails_ends_the_call():
    def talk():
        emit("one")
        time.sleep(60)

    def refuse(future, message):
        raise ArithmeticError(f"{message} is too much")

    with Processes(1) as executor:
        executor.on_message = refuse
        with pytest.raises(ArithmeticError, match="one is too much"):
            executor.submit(talk).result()
        assert executor.submit(abs, -1).result() == 1


def test_a_message_that_can_not_be_sent(pool):
    with pytest.raises(
        EvaluationError, match="message that a call emitted can't be sent from its worker process: lock"
    ):
        pool.submit(lambda: emit(threading.Lock())).result()


def test_a_thread_that_the_call_left_behind_may_emit(pool):
    def leave():
        from contextvars import copy_context

        context = copy_context()
        threading.Timer(0.01, context.run, [emit, "late"]).start()

    pool.submit(leave).result()
    assert pool.submit(time.sleep, 0.05).result() is None


def test_a_cancelled_call_does_not_run(tmp_path):
    with Processes(1) as executor:
        first = executor.submit(time.sleep, 0.2)
        second = executor.submit((tmp_path / "ran").touch)
        assert second.cancel()
        first.result()
    assert not (tmp_path / "ran").exists()


def test_cancelling_notifies_waiters():
    executor = Processes(1)
    futures = [executor.submit(time.sleep, 0.05) for _ in range(10)]
    executor.shutdown(wait=False, cancel_futures=True)
    assert not wait(futures, timeout=20).not_done
    assert sum(future.cancelled() for future in futures) >= 8
    executor.shutdown()


def test_a_callback_may_submit_and_shut_down():
    executor = Processes(1)
    results = []
    done = threading.Event()

    def again(future):
        results.append(future.result())
        executor.submit(abs, -2).add_done_callback(close)

    def close(future):
        results.append(future.result())
        executor.shutdown()
        done.set()

    executor.submit(abs, -1).add_done_callback(again)
    assert done.wait(20)
    assert results == [1, 2]
    executor.shutdown()


def test_no_call_after_shutdown():
    with Processes(2) as executor:
        assert executor.submit(abs, -1).result() == 1
    with pytest.raises(
        RuntimeError, match=r"was shut down and takes no more calls. Create a new one: Processes\(2\)"
    ):
        executor.submit(abs, -1)


def test_many_quick_calls(pool):
    def quick(x):
        return x

    pool.submit(quick, 0).result()
    started = time.perf_counter()
    assert [pool.submit(quick, i).result() for i in range(200)] == list(range(200))
    print(f"{1000 * (time.perf_counter() - started) / 200:.3f} ms a call")


@pytest.mark.parametrize("name", ["workers", "threads"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "2"])
def test_counts_are_whole_numbers_from_one(name, value):
    with pytest.raises(ExecutorError, match=f"'{name}' must be a whole number of at least 1, got {value!r}"):
        Processes(**{"workers": 2, name: value})


@pytest.mark.parametrize("limit", [0, -1.5, float("nan")])
def test_a_time_limit_is_positive(limit):
    with pytest.raises(
        ExecutorError, match=f"'time_limit_s' must be more than 0 seconds, or None for no limit, got {limit}"
    ):
        Processes(1, time_limit_s=limit)


def test_the_error_on_windows_names_alternatives(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(
        ExecutorError, match=r"needs Linux or macOS, got Windows. Use workers=1, or .*ProcessPoolExecutor"
    ):
        Processes(2)
