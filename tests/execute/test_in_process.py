import gc
import weakref

import pytest

from retia.errors import ExecutorError
from retia.execute import InProcess, Processes, emit, executor_for


def test_the_call_runs_before_submit_returns():
    seen = []
    future = InProcess().submit(seen.append, 1)
    assert seen == [1]
    assert future.done()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_is_to_end_the_program_leaves_submit(stop):
    def end():
        raise stop

    with pytest.raises(stop):
        InProcess().submit(end)


def test_an_exception_keeps_no_call_alive():
    class Model:
        pass

    def fail(model):
        raise ArithmeticError

    gc.disable()
    try:
        model = Model()
        reference = weakref.ref(model)
        future = InProcess().submit(fail, model)
        assert isinstance(future.exception(), ArithmeticError)
        del model, future
        assert reference() is None
    finally:
        gc.enable()


def test_no_call_after_shutdown():
    with InProcess() as executor:
        pass
    with pytest.raises(
        RuntimeError, match=r"was shut down and takes no more calls. Create a new one: InProcess\(\)"
    ):
        executor.submit(abs, -1)


def test_messages_reach_the_listener_while_the_call_runs():
    heard, executor = [], InProcess()
    executor.on_message = lambda future, message: heard.append((future, future.done(), message))

    def talk():
        emit("one")
        emit({"two": 2})
        return list(heard)

    future = executor.submit(talk)
    assert heard == [(future, False, "one"), (future, False, {"two": 2})]
    assert future.result() == heard


def test_messages_go_to_the_innermost_call():
    outer, inner, heard = InProcess(), InProcess(), []
    outer.on_message = lambda _, message: heard.append(("outer", message))
    inner.on_message = lambda _, message: heard.append(("inner", message))

    def nest():
        emit(1)
        inner.submit(emit, 2)
        InProcess().submit(emit, "nobody listens")
        emit(3)

    outer.submit(nest)
    assert heard == [("outer", 1), ("inner", 2), ("outer", 3)]


def test_emitting_outside_of_a_call_does_nothing():
    emit("nobody hears this")


def test_a_listener_that_fails_fails_the_call():
    def refuse(future, message):
        raise ArithmeticError(message)

    executor = InProcess()
    executor.on_message = refuse
    with pytest.raises(ArithmeticError, match="one"):
        executor.submit(emit, "one").result()


def test_one_worker_is_this_process():
    assert isinstance(executor_for(1), InProcess)
    executor = executor_for(3, 2.5)
    assert isinstance(executor, Processes)
    assert executor.max_workers == 3


def test_one_worker_keeps_no_time_limit():
    with pytest.raises(
        ExecutorError,
        match=r"needs a process that can be killed.*time_limit_s=5\).*executor=Processes\(1, time_limit_s=5\)",
    ):
        executor_for(1, 5)


@pytest.mark.parametrize("workers", [0, -2, 2.5])
def test_workers_are_counted_from_one(workers):
    with pytest.raises(ExecutorError, match=f"'workers' must be a whole number of at least 1, got {workers}"):
        executor_for(workers)
