"""The laws of an executor, for any implementation of `concurrent.futures.Executor`.

Each law is a function of `make_executor`, which makes a fresh executor:

    @pytest.mark.parametrize("law", EXECUTOR_LAWS, ids=lambda law: law.__name__)
    def test_executor(law):
        law(lambda: ThreadPoolExecutor(2))
"""

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from traceback import format_exception
from typing import Any, TypeAlias

__all__ = ["EXECUTOR_LAWS", "ExecutorLaw", "MakeExecutor"]

MakeExecutor: TypeAlias = Callable[[], Executor]
"""Function that makes an executor, which the law shuts down."""

ExecutorLaw: TypeAlias = Callable[[MakeExecutor], None]
"""Function that raises AssertionError if an executor breaks the law."""


def _describe(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return args, kwargs


def _same(value: Any) -> Any:
    return value


def _fail(message: str) -> None:
    raise ArithmeticError(message)


def arguments_arrive_and_results_return(make_executor: MakeExecutor) -> None:
    """The function gets its positional and keyword arguments, and the future gets its result."""
    with make_executor() as executor:
        future = executor.submit(_describe, 1, "two", [3.0], four={"five": None})
        assert future.result() == ((1, "two", [3.0]), {"four": {"five": None}}), (
            "the arguments changed in transit"
        )
        assert executor.submit(_describe).result() == ((), {}), "a call without arguments got some"


def every_call_has_its_own_future(make_executor: MakeExecutor) -> None:
    """Each of many futures has the result of its own call."""
    with make_executor() as executor:
        futures = [executor.submit(pow, i, 2) for i in range(60)]
        assert len({id(future) for future in futures}) == 60, "two calls share a future"
        assert [future.result() for future in futures] == [i * i for i in range(60)], "results were mixed up"


def none_is_a_result(make_executor: MakeExecutor) -> None:
    """None, zero, an empty string and an exception object are valid results."""
    with make_executor() as executor:
        for value in (None, 0, ""):
            result = executor.submit(_same, value).result()
            assert result == value, f"{value!r} came back as {result!r}"
        returned = executor.submit(ValueError, "a result").result()
        assert isinstance(returned, ValueError), "an exception that was returned was treated as raised"


def large_values_travel(make_executor: MakeExecutor) -> None:
    """Eight million bytes are transferred in both directions."""
    data = bytes(range(256)) * 31_250
    with make_executor() as executor:
        assert executor.submit(bytes.upper, data).result() == data.upper(), "a large value changed in transit"


def exceptions_are_kept(make_executor: MakeExecutor) -> None:
    """The future stores an exception with the traceback of the call; `submit` does not raise it."""
    with make_executor() as executor:
        error = executor.submit(_fail, "on purpose").exception()
        assert isinstance(error, ArithmeticError), f"an ArithmeticError came back as {error!r}"
        assert error.args == ("on purpose",), f"the exception's arguments became {error.args}"
        assert "in _fail" in "".join(format_exception(error)), (
            "the traceback doesn't show where the call failed"
        )


def a_failed_call_affects_no_other(make_executor: MakeExecutor) -> None:
    """Calls before and after a failed call succeed."""
    with make_executor() as executor:
        functions: list[Callable[[str], Any]] = [_same, _fail]
        futures = [executor.submit(functions[i % 2], f"call {i}") for i in range(12)]
        wait(futures)
        assert [future.result() for future in futures[::2]] == [f"call {i}" for i in range(0, 12, 2)], (
            "a success was lost"
        )
        assert all(isinstance(future.exception(), ArithmeticError) for future in futures[1::2]), (
            "a failure was lost"
        )


def callbacks_are_called(make_executor: MakeExecutor) -> None:
    """Each callback is called once, with its future, after the future is done."""
    called: list[tuple[Future[int], bool]] = []
    with make_executor() as executor:
        futures = [executor.submit(abs, -i) for i in range(6)]
        for future in futures:
            future.add_done_callback(lambda done: called.append((done, done.done())))
    assert {id(future) for future, _ in called} == {id(future) for future in futures}, (
        "a callback was not called"
    )
    assert len(called) == 6, "a callback was called twice"
    assert all(done for _, done in called), "a callback was called before its future was done"


def map_keeps_the_order(make_executor: MakeExecutor) -> None:
    """`map` yields the results in the order of the arguments."""
    with make_executor() as executor:
        assert list(executor.map(pow, range(20), [3] * 20)) == [i**3 for i in range(20)], (
            "map changed the order"
        )


def leaving_waits_for_the_calls(make_executor: MakeExecutor) -> None:
    """After the `with` block, every future is done."""
    with make_executor() as executor:
        futures = [executor.submit(time.sleep, 0.01) for _ in range(6)]
    assert all(future.done() and not future.cancelled() for future in futures), "a call was left behind"


def nothing_is_submitted_after_shutdown(make_executor: MakeExecutor) -> None:
    """`submit` raises RuntimeError after `shutdown`, which may be called twice."""
    executor = make_executor()
    executor.submit(abs, -1).result()
    executor.shutdown()
    executor.shutdown()
    try:
        executor.submit(abs, -1)
    except RuntimeError:
        return
    raise AssertionError("a call was accepted after shutdown")


def an_unused_executor_ends(make_executor: MakeExecutor) -> None:
    """An unused executor shuts down."""
    make_executor().shutdown(wait=True, cancel_futures=True)


def cancelled_calls_end(make_executor: MakeExecutor) -> None:
    """After `shutdown(cancel_futures=True)`, each future has a result or is cancelled."""
    executor = make_executor()
    futures = [executor.submit(time.sleep, 0.01) for _ in range(40)]
    executor.shutdown(wait=True, cancel_futures=True)
    assert all(future.done() for future in futures), "a future never ends"
    assert all(future.cancelled() or future.exception() is None for future in futures), (
        "a cancelled call failed instead"
    )


EXECUTOR_LAWS: tuple[ExecutorLaw, ...] = (
    arguments_arrive_and_results_return,
    every_call_has_its_own_future,
    none_is_a_result,
    large_values_travel,
    exceptions_are_kept,
    a_failed_call_affects_no_other,
    callbacks_are_called,
    map_keeps_the_order,
    leaving_waits_for_the_calls,
    nothing_is_submitted_after_shutdown,
    an_unused_executor_ends,
    cancelled_calls_end,
)
"""The laws of every executor."""
