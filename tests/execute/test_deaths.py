"""The outcomes of calls whose worker dies, hangs, or never starts."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from retia.errors import TimeLimitExceeded, WorkerDied
from retia.execute import Processes, dispatcher


def die(how):
    """Return a function that ends its process; it is made here so that it travels whole."""

    def end(_=None):
        if how == "exit":
            os._exit(7)
        if how == "sys.exit":
            sys.exit(4)
        os.kill(os.getpid(), how)
        time.sleep(60)

    return end


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("exit", "it exited with status 7"),
        ("sys.exit", "it exited with status 4"),
        (signal.SIGKILL, "it was killed by SIGKILL, as the system does when memory runs out"),
        (signal.SIGSEGV, "it was killed by SIGSEGV, a crash in native code"),
        (signal.SIGTERM, r"it was killed by SIGTERM\."),
    ],
)
def test_the_error_of_the_call_says_how_its_worker_died(how, words):
    with Processes(1) as executor:
        with pytest.raises(WorkerDied, match=f"died while it ran this call: {words}.*workers=1"):
            executor.submit(die(how)).result()
        assert executor.submit(abs, -1).result() == 1


def test_a_death_costs_one_call(tmp_path):
    def work(i):
        if i in (3, 7):
            os._exit(1)
        time.sleep(0.01)
        return i

    with Processes(2) as executor:
        futures = [executor.submit(work, i) for i in range(12)]
        outcomes = [future.exception() or future.result() for future in futures]
    assert [i for i, outcome in enumerate(outcomes) if isinstance(outcome, WorkerDied)] == [3, 7]
    assert [outcome for outcome in outcomes if isinstance(outcome, int)] == [0, 1, 2, 4, 5, 6, 8, 9, 10, 11]


def test_a_worker_that_dies_idle_costs_nothing(gone):
    with Processes(1) as executor:
        first = executor.submit(os.getpid).result()
        os.kill(first, signal.SIGKILL)
        assert gone(first)
        end = time.monotonic() + 10
        while (
            any(thread.name == "retia-reaper" for thread in threading.enumerate()) and time.monotonic() < end
        ):
            time.sleep(0.005)
        second = executor.submit(os.getpid).result()
        assert second != first


def test_a_death_is_seen_though_a_child_holds_the_connection(tmp_path, gone):
    def is_open(fd):
        try:
            return bool(os.fstat(fd))
        except OSError:
            return False

    def leave_a_child(path):
        opened = [fd for fd in range(3, 40) if is_open(fd)]
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=opened)
        path.write_text(str(child.pid))
        os._exit(5)

    with Processes(1) as executor:
        started = time.monotonic()
        with pytest.raises(WorkerDied, match="status 5"):
            executor.submit(leave_a_child, tmp_path / "pid").result()
        assert time.monotonic() - started < 30
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_worker_that_cuts_its_connection_is_replaced():
    def cut():
        for fd in range(3, 40):
            try:
                socket.socket(fileno=os.dup(fd)).shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # no socket
        time.sleep(60)

    with Processes(1) as executor:
        with pytest.raises(WorkerDied, match="SIGKILL"):
            executor.submit(cut).result()
        assert executor.submit(abs, -1).result() == 1


def test_a_call_over_the_time_limit_is_killed(tmp_path, gone):
    def hang(path):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        path.write_text(f"{os.getpid()} {child.pid}")
        while True:
            pass

    with Processes(2, time_limit_s=0.4) as executor:
        hanging = executor.submit(hang, tmp_path / "pids")
        assert executor.submit(abs, -1).result() == 1
        with pytest.raises(
            TimeLimitExceeded, match=r"longer than its time limit of 0.4 s.*Increase time_limit_s"
        ):
            hanging.result()
        assert [executor.submit(abs, -i).result() for i in range(4)] == [0, 1, 2, 3]
    assert all(gone(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_the_time_to_load_a_function_does_not_count():
    class Slow:
        def __setstate__(self, state):
            time.sleep(0.5)

        def __getstate__(self):
            return {"some": "state"}

        def __call__(self, seconds):
            time.sleep(seconds)
            return "done"

    with Processes(1, time_limit_s=0.3) as executor:
        slow = Slow()
        assert executor.submit(slow, 0).result() == "done"
        with pytest.raises(TimeLimitExceeded, match="0.3 s"):
            executor.submit(slow, 60).result()


def test_the_time_limit_is_for_each_call():
    with Processes(1, time_limit_s=1.0) as executor:
        futures = [executor.submit(time.sleep, 0.3) for _ in range(5)]
        assert [future.result() for future in futures] == [None] * 5


@pytest.mark.parametrize("program", ["import sys; sys.exit(9)", "raise ImportError"])
def test_workers_that_never_start_end_every_call(monkeypatch, program, capfd):
    monkeypatch.setattr("retia.execute.worker_process._program", lambda connection: program)
    status = 9 if "9" in program else 1
    with Processes(2) as executor:
        futures = [executor.submit(abs, -i) for i in range(4)]
        for future in futures:
            with pytest.raises(
                WorkerDied,
                match=f"could not start: it exited with status {status}. Read what it printed",
            ):
                future.result()


def test_a_system_that_refuses_a_process_ends_every_call(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with Processes(2) as executor:
        futures = [executor.submit(abs, -i) for i in range(4)]
        for future in futures:
            with pytest.raises(WorkerDied, match="could not start: the system refused: .*No such file"):
                future.result()


def test_killing_the_workers_ends_what_runs_and_what_waits(gone, tmp_path):
    def hang(path):
        path.write_text(str(os.getpid()))
        time.sleep(60)

    executor = Processes(1)
    ready = threading.Event()
    executor.submit(abs, -1).add_done_callback(lambda _: ready.set())
    running = executor.submit(hang, tmp_path / "pid")
    waiting = executor.submit(abs, -1)
    assert ready.wait(20)
    end = time.monotonic() + 20
    while not (tmp_path / "pid").exists() and time.monotonic() < end:
        time.sleep(0.005)
    executor.kill_workers()
    with pytest.raises(WorkerDied, match=r"was killed by kill_workers\(\) while it ran this call"):
        running.result(timeout=0)
    assert waiting.cancelled()
    with pytest.raises(RuntimeError, match="was shut down"):
        executor.submit(abs, -1)


def test_an_interrupt_in_the_block_kills_the_workers():
    with pytest.raises(KeyboardInterrupt), Processes(1) as executor:
        future = executor.submit(time.sleep, 60)
        executor.submit(abs, -1)
        raise KeyboardInterrupt
    assert future.cancelled() or isinstance(future.exception(), WorkerDied)


def test_an_exception_in_the_block_waits_for_the_calls():
    with pytest.raises(ArithmeticError), Processes(1) as executor:
        future = executor.submit(time.sleep, 0.05)
        raise ArithmeticError
    assert future.result(timeout=0) is None


def test_a_worker_that_will_not_end_is_killed(monkeypatch):
    def linger():
        threading.Thread(target=time.sleep, args=(60,)).start()

    monkeypatch.setattr(dispatcher, "GRACE_S", 0.2)
    started = time.monotonic()
    with Processes(1) as executor:
        executor.submit(linger).result()
    assert time.monotonic() - started < 30


def test_an_error_of_the_executor_itself_reaches_every_future(monkeypatch):
    def refuse(sources, timeout):
        raise OSError("out of descriptors")

    executor = Processes(1)
    futures = [executor.submit(time.sleep, 60), executor.submit(abs, -1)]
    monkeypatch.setattr(dispatcher, "wait", refuse)
    for future in futures:
        assert isinstance(future.exception(timeout=20), OSError)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(abs, -1)


def test_a_broken_executor_takes_no_calls(monkeypatch):
    def refuse(sources, timeout):
        raise OSError("out of descriptors")

    executor = Processes(1)
    assert executor.submit(abs, -1).result() == 1
    monkeypatch.setattr(dispatcher, "wait", refuse)
    assert isinstance(executor.submit(abs, -1).exception(timeout=20), OSError)
    with pytest.raises(
        RuntimeError, match="failed and takes no more calls: OSError.*out of descriptors.*Create a new one"
    ):
        executor.submit(abs, -1)
    executor.shutdown()
