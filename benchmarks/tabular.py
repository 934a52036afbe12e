"""What the scripts that search the real table of NAS-Bench-201 share: their arguments, the table, runs in
processes, and tables of markdown.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import as_completed
from typing import TypeVar

import retia
from retia.benchmark import Benchmark, nasbench201
from retia.predictor import OneHot
from retia.strategy import Strategy

T = TypeVar("T")
Aim = tuple[str, str, bool]
"""What is to be reached, what was measured, and whether that is enough."""

STRATEGIES: Mapping[str, Callable[[], Strategy]] = {
    "Random": retia.Random,
    "RegularizedEvolution(50, 10)": lambda: retia.RegularizedEvolution(population=50, tournament=10),
    "LocalSearch": retia.strategy.LocalSearch,
    "NetworkMorphism": retia.strategy.NetworkMorphism,
    "NSGA2": retia.strategy.NSGA2,
    "TPE": retia.strategy.TPE,
    "CMAES": retia.strategy.CMAES,
    "Reinforce": retia.predictor.Reinforce,
    "PPO": retia.predictor.PPO,
    "BANANAS": retia.predictor.BANANAS,
    "PredictorGuided(GaussianProcess())": lambda: retia.strategy.PredictorGuided(
        retia.predictor.GaussianProcess()
    ),
    "PredictorGuided(GaussianProcess(OneHot()))": lambda: retia.strategy.PredictorGuided(
        retia.predictor.GaussianProcess(OneHot())
    ),
}
"""Factories of strategies of one fidelity, by their names in the tables, without OptunaGP, which is slow."""


def arguments(
    description: str | None, *, seeds: int, jobs: int = 2, latency: bool = False
) -> argparse.ArgumentParser:
    """Return a parser of what all these scripts take."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seeds", type=int, default=seeds, help=f"with how many seeds to run, at most; {seeds} if not given"
    )
    parser.add_argument("--jobs", type=int, default=jobs, help=f"in how many processes; {jobs} if not given")
    parser.add_argument("--path", help="the table; looked for in the folder RETIA_BENCHMARKS if not given")
    if latency:
        parser.add_argument(
            "--latency-path",
            help="the table of latencies; looked for in the folder RETIA_BENCHMARKS if not given",
        )
    return parser


def opened(given: argparse.Namespace, device: str | None = None) -> Benchmark:
    """Return the table, with the latencies of a device if one is named; end with what to do where it is not
    there.
    """
    try:
        table = nasbench201(path=given.path)
        return table if device is None else table.with_latency(device, path=given.latency_path)
    except retia.EvaluationError as error:
        latencies = ", --latency-path=... for the latencies," if device is not None else ""
        raise SystemExit(
            f"{error}\nWith this script that is --path=...{latencies} or the environment variable."
        ) from None


def in_processes(call: Callable[..., T], cases: Sequence[tuple], jobs: int) -> list[T]:
    """Return what a call gives for each of some cases, in their order; they run side by side."""
    if jobs == 1:
        return [call(*case) for case in cases]
    with retia.Processes(jobs, threads=1) as executor:
        futures = [executor.submit(call, *case) for case in cases]
        for done, future in enumerate(as_completed(futures), 1):
            future.result()  # what fails, fails at once
            if sys.stderr.isatty():
                print(f"{done}/{len(futures)}\r", end="", file=sys.stderr)
        return [future.result() for future in futures]


def markdown(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table, the first column to the left and the others to the right."""
    lines = [f"| {' | '.join(headings)} |", f"|---|{'--:|' * (len(headings) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def judged(aims: Sequence[Aim]) -> str:
    """Return what was to be reached, what was, and whether that is enough."""
    return markdown(
        ("aim", "measured", ""),
        [(what, measured, "met" if met else "missed") for what, measured, met in aims],
    )
