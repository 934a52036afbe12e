"""What worker processes gain and cost: an evaluator of 50 ms of processor time, in this process and in two
workers.

Each round runs the same calls by `InProcess`, by `Processes(2)` started beforehand, by `Processes(2)`
including its start and end, and by the standard library's `ProcessPoolExecutor(2)`, started beforehand too.
Then the overhead of a call that does nothing, submitted one at a time, with a function that holds 100 MB.
Medians of the rounds, wall time.

    python benchmarks/workers.py
"""

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor

from retia.execute import InProcess, Processes


def burn(seconds: float) -> float:
    """Use so much processor time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return seconds


class Nothing:
    """A function that is large and does nothing."""

    def __init__(self, size: int):
        self.data = bytes(size)

    def __call__(self, task: int) -> int:
        return task


def clocked_s(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def run(executor: Executor, calls: int, seconds: float) -> None:
    futures = [executor.submit(burn, seconds) for _ in range(calls)]
    for future in futures:
        future.result()


def run_from_start_to_end(calls: int, seconds: float) -> None:
    with Processes(2) as executor:
        run(executor, calls, seconds)


def started(executor: Executor) -> Executor:
    run(executor, 8, 0.02)
    return executor


def compare(rounds: int, calls: int, seconds: float) -> dict[str, float]:
    """Return the median wall time of the calls by each executor, in seconds."""
    measured: dict[str, list[float]] = {
        name: []
        for name in (
            "InProcess",
            "Processes(2)",
            "Processes(2), with start and end",
            "ProcessPoolExecutor(2)",
        )
    }
    spawn = multiprocessing.get_context("spawn")
    with InProcess() as here, Processes(2) as ours, ProcessPoolExecutor(2, mp_context=spawn) as theirs:
        started(ours)
        started(theirs)
        for _ in range(rounds):
            measured["InProcess"].append(clocked_s(lambda: run(here, calls, seconds)))
            measured["Processes(2)"].append(clocked_s(lambda: run(ours, calls, seconds)))
            measured["Processes(2), with start and end"].append(
                clocked_s(lambda: run_from_start_to_end(calls, seconds))
            )
            measured["ProcessPoolExecutor(2)"].append(clocked_s(lambda: run(theirs, calls, seconds)))
    return {name: statistics.median(walls_s) for name, walls_s in measured.items()}


def gains(rounds: int, calls: int, seconds: float) -> None:
    walls_s = compare(rounds, calls, seconds)
    print(f"\n{calls} calls of {1000 * seconds:.0f} ms processor time")
    print(f"{'executor':<32} {'wall, s':>8} {'gain':>6}")
    for name, wall_s in walls_s.items():
        print(f"{name:<32} {wall_s:>8.3f} {walls_s['InProcess'] / wall_s:>6.2f}")


def overhead(rounds: int, calls: int, size: int) -> None:
    nothing = Nothing(size)

    def one_at_a_time(executor: Executor) -> None:
        for i in range(calls):
            executor.submit(nothing, i).result()

    print(f"\nan empty call of a function that holds {size // 1_000_000} MB, one at a time")
    print(f"{'executor':<24} {'first, ms':>10} {'next, ms':>9}")
    for name, make in {"InProcess": InProcess, "Processes(1)": lambda: Processes(1)}.items():
        with make() as executor:
            first_s = clocked_s(lambda: executor.submit(nothing, 0).result())
            each_s = [clocked_s(lambda: one_at_a_time(executor)) / calls for _ in range(rounds)]
        print(f"{name:<24} {1000 * first_s:>10.1f} {1000 * statistics.median(each_s):>9.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="the median is of so many")
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=0.05, help="processor time of a call")
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, medians of {options.rounds} rounds, wall time")
    gains(options.rounds, options.calls, options.seconds)
    overhead(options.rounds, 500, 100_000_000)


if __name__ == "__main__":
    main()
