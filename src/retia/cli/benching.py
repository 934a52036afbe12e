"""The command that compares strategies on a benchmark."""

import inspect
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retia.cli.options import json_option
from retia.cli.output import json_alone, print_json
from retia.cli.strategies import STRATEGIES, strategies_named
from retia.cli.table_building import build
from retia.errors import EvaluationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from retia.benchmark import Benchmark, Comparison, SeedRun

__all__ = ["bench", "open_benchmark", "plot_comparison"]


@click.group(invoke_without_command=True)
@click.option("--space", default="digits", show_default=True, metavar="NAME|FILE", help="The benchmark, or a table that bench build has written.")
@click.option("--strategies", default="random,evolution,local", show_default=True, metavar="NAMES", help=f"What to compare, of {', '.join(STRATEGIES)}.")
@click.option("--seeds", type=click.IntRange(1), default=60, show_default=True, help="With how many seeds each strategy runs.")
@click.option("--budget", type=click.IntRange(1), default=200, show_default=True, help="How many evaluations a run has.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="How many evaluations run at once on the simulated clock.")
@click.option("--jobs", type=click.IntRange(1), help="How many processes simulate; one for each processor if not given.")
@click.option("--path", type=click.Path(exists=True, path_type=Path), help="Where the table is; looked for in the folder RETIA_BENCHMARKS if not given.")
@click.option("--dataset", help="The data set, of a benchmark that has several.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("retia-bench"), show_default=True, help="The folder for the plot.")
@json_option
@click.pass_context
def bench(
    ctx: click.Context,
    space: str,
    strategies: str,
    seeds: int,
    budget: int,
    workers: int,
    jobs: int | None,
    path: Path | None,
    dataset: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Compare strategies on a benchmark.

    Every strategy runs with every seed on a simulated clock, on which an evaluation takes as long as the table says it did. Prints
    regrets to the table's best, what it took to find it, and which strategies can be told apart; draws regret.png.

    Benchmarks: digits, which comes with retia; nasbench201, natsbench-topology, natsbench-size, nasbench101, nasbench-macro.
    """
    if ctx.invoked_subcommand is not None:
        return
    from retia.benchmark import compare
    from retia.execute import Processes

    chosen = strategies_named([name.strip() for name in strategies.split(",") if name.strip()])
    jobs = jobs or os.cpu_count() or 1
    with json_alone(as_json):
        benchmark = open_benchmark(space, path, dataset)
        with nullcontext() if jobs == 1 else Processes(jobs, threads=1) as executor:
            comparison = compare(
                benchmark, chosen, evaluations=budget, seeds=seeds, workers=workers, executor=executor, progress=_Progress(budget, seeds, len(chosen))
            )
        out.mkdir(parents=True, exist_ok=True)
        plot = out / "regret.png"
        plot_comparison(comparison).savefig(plot)
    if as_json:
        print_json({**comparison.to_json(), "plot": str(plot)})
    else:
        click.echo(f"{comparison.table()}\nplot: {plot}")


bench.add_command(build)


def open_benchmark(name: str, path: Path | None = None, dataset: str | None = None) -> "Benchmark":
    """Open a benchmark by its name, or a file that `write_table` wrote.

    Raises:
        EvaluationError: If there is none of that name, or it takes no path or no data set.
    """
    from retia import benchmark

    named: dict[str, Callable[..., Benchmark]] = {
        "digits": benchmark.digits,
        "nasbench201": benchmark.nasbench201,
        "natsbench-topology": partial(benchmark.natsbench, "topology"),
        "natsbench-size": partial(benchmark.natsbench, "size"),
        "nasbench101": benchmark.nasbench101,
        "nasbench-macro": benchmark.nasbench_macro,
    }
    if name not in named and not Path(name).is_file():
        msg = f"'{name}' is no benchmark, and no file. Take one of {', '.join(named)}, or a table that retia bench build has written."
        raise EvaluationError(msg)
    opened = named[name] if name in named else partial(benchmark.read_table, name)
    options: dict[str, Any] = {option: value for option, value in (("path", path), ("dataset", dataset)) if value is not None}
    if stray := [option for option in options if option not in inspect.signature(opened).parameters]:
        msg = f"'{name}' takes no --{stray[0]}, got {str(options[stray[0]])!r}. Leave it out."
        raise EvaluationError(msg)
    return opened(**options)


def plot_comparison(comparison: "Comparison") -> "Figure":
    """Plot a comparison against evaluations, and against simulated hours if the table knows how long training took."""
    import numpy as np

    from retia.report import RegretCurve, plot_regret

    evaluations: dict[str, RegretCurve] = {}
    hours: dict[str, RegretCurve] = {}
    for name, runs in comparison.runs.items():
        band = comparison.over_evaluations(name)
        evaluations[name] = RegretCurve(np.arange(1.0, len(band.median) + 1), band.median, band.low, band.high)
        if all(run.ended_s[-1] > 0 for run in runs):
            at, band = comparison.over_hours(name)
            hours[name] = RegretCurve(at, band.median, band.low, band.high)
    title = f"{comparison.benchmark['benchmark']}: {comparison.seeds} seeds"
    return plot_regret(title, comparison.metric, evaluations, hours)


class _Progress:
    """Says on standard error which strategy has run with all its seeds, and on a terminal how many runs there are to go."""

    def __init__(self, budget: int, seeds: int, strategies: int) -> None:
        self._budget, self._seeds, self._strategies = budget, seeds, strategies
        self._regrets: defaultdict[str, list[float]] = defaultdict(list)
        self._started_s = time.monotonic()

    def __call__(self, run: "SeedRun", ended: int, of: int) -> None:
        regrets = self._regrets[run.strategy]
        regrets.append(run.regret_after(self._budget))
        if len(regrets) == self._seeds:
            done = sum(len(others) == self._seeds for others in self._regrets.values())
            spent_s = time.monotonic() - self._started_s
            mean = sum(regrets) / self._seeds
            click.echo(f"[{done}/{self._strategies}] {run.strategy}: mean regret {mean:.3g} after {self._budget} evaluations, {spent_s:.0f} s", err=True)
        elif sys.stderr.isatty():
            click.echo(f"{ended}/{of} runs\r", nl=False, err=True)
