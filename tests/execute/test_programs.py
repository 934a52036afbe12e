"""Workers of whole programs: scripts, interrupts, and parents that are killed."""

import os
import re
import signal

SCRIPT = """
from dataclasses import dataclass
from functools import cache, lru_cache
from retia.execute import Processes

print("started")
OFFSET = 10

@dataclass
class Point:
    x: int

@cache
def twice(x):
    return 2 * x

def double(point):
    return Point(twice(point.x) + OFFSET)

executor = Processes(2)
print([executor.submit(double, Point(i)).result() for i in range(3)])
print(executor.submit(lambda x: x + OFFSET, 1).result())
print(isinstance(executor.submit(Point, 1).result(), Point))
print(executor.submit(lru_cache(maxsize=3)(lambda x: x - OFFSET), 1).result())
print(executor.submit(lambda: twice.cache_parameters()).result())
executor.shutdown()
"""

BUSY = """
import os, sys
from retia.execute import Processes, emit

def work():
    emit(os.getpid())
    while True:
        pass

def hear(future, pid):
    print(pid, flush=True)

with Processes(2) as executor:
    executor.on_message = hear
    futures = [executor.submit(work) for _ in range(2)]
    for future in futures:
        future.result()
"""

IGNORING = """
import os, signal
from retia.execute import Processes

with Processes(1) as executor:
    pid = executor.submit(os.getpid).result()
    os.kill(pid, signal.SIGINT)
    assert executor.submit(os.kill, pid, signal.SIGINT).result() is None
    print(executor.submit(os.getpid).result() == pid, os.getsid(pid) != os.getsid(0))
"""

CARELESS = """
import os
from retia.execute import Processes

executor = Processes(1)
print(executor.submit(os.getpid).result())
"""

PRINTING = """
import os, time
from retia.execute import Processes

def work():
    print("printed in the worker")
    os._exit(1)

with Processes(1) as executor:
    executor.submit(work).exception()
"""


def finish(process):
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output, errors


def test_a_script_needs_no_guard(start_script):
    output, errors = finish(start_script(SCRIPT))
    assert output.split("\n") == [
        "started",
        "[Point(x=10), Point(x=12), Point(x=14)]",
        "11",
        "True",
        "-9",
        "{'maxsize': None, 'typed': False}",
        "",
    ]
    assert errors == ""


def test_a_console_needs_no_script(start_script):
    lines = re.sub(r"\n\n(?=\w)", "\n", SCRIPT).replace("executor = ", "\nexecutor = ")
    output, _ = finish(
        start_script(
            f"import code\ncode.InteractiveConsole(globals()).runcode(compile({lines!r}, '<console>', "
            "'exec'))"
        )
    )
    assert "[Point(x=10), Point(x=12), Point(x=14)]" in output


def test_ctrl_c_ends_the_program_and_its_workers(start_script, gone):
    process = start_script(BUSY)
    pids = [int(process.stdout.readline()) for _ in range(2)]
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert all(gone(pid) for pid in pids)


def test_workers_end_with_a_parent_that_is_killed(start_script, gone):
    process = start_script(BUSY)
    pids = [int(process.stdout.readline()) for _ in range(2)]
    process.kill()
    assert all(gone(pid) for pid in pids)


def test_workers_ignore_interrupts(start_script):
    assert finish(start_script(IGNORING))[0] == "True True\n"


def test_a_program_that_forgets_to_shut_down_ends(start_script, gone):
    output, errors = finish(start_script(CARELESS))
    assert gone(int(output))
    assert errors == ""


def test_what_a_worker_prints_is_seen(start_script):
    assert finish(start_script(PRINTING))[0] == "printed in the worker\n"
