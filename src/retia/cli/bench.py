"""`retia bench`: compare strategies on a benchmark."""

import inspect
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retia.cli.benchmark_table import build
from retia.cli.options import json_option
from retia.cli.output import json_alone, print_json, say
from retia.cli.strategies import MULTI_FIDELITY, STRATEGIES, strategies_named
from retia.errors import EvaluationError, StudyError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from retia.benchmark import Benchmark, Comparison, SeedRun

__all__ = ["bench", "open_benchmark", "plot_comparison", "with_latencies"]

LATENCY = "_latency_ms"


def _names(_ctx: click.Context, _option: click.Parameter, stated: str | None) -> list[str]:
    """Parse names separated by commas."""
    return [name.strip() for name in (stated or "").split(",") if name.strip()]


def _reference(ctx: click.Context, option: click.Parameter, stated: str | None) -> dict[str, float] | None:
    """Parse METRIC=VALUE separated by commas."""
    reference: dict[str, float] = {}
    for part in _names(ctx, option, stated):
        metric, _, value = part.partition("=")
        try:
            reference[metric.strip()] = float(value)
        except ValueError:
            msg = (
                f"--reference must be METRIC=VALUE separated by commas, got {part!r}. "
                "Write for example valid_accuracy=80,raspi4_latency_ms=60."
            )
            raise click.UsageError(msg) from None
    return reference or None


@click.group(invoke_without_command=True)
@click.option(
    "--space",
    default="digits",
    show_default=True,
    metavar="NAME|FILE",
    help="Name of a benchmark, or a table made by bench build.",
)
@click.option(
    "--strategies",
    default="random,evolution,local",
    show_default=True,
    metavar="NAMES",
    callback=_names,
    help=(
        f"Strategies to compare: {', '.join(STRATEGIES)}; with --hours also {', '.join(MULTI_FIDELITY)}, "
        "which may wrap another one, as in asha:evolution."
    ),
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=60,
    show_default=True,
    help="Number of seeds of each strategy.",
)
@click.option(
    "--budget",
    type=click.IntRange(1),
    help="Number of evaluations of a run. Default: 200, or unlimited with --hours.",
)
@click.option(
    "--hours",
    type=click.FloatRange(0, min_open=True),
    help="Simulated hours of a run; the regret is then reported by hours.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of evaluations that run at once on the simulated clock.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=lambda: os.cpu_count() or 1,
    help="Number of processes, with one thread each. Default: one for each processor.",
)
@click.option(
    "--path",
    type=click.Path(exists=True, path_type=Path),
    help="Path of the table. Default: searched for in the folder RETIA_BENCHMARKS.",
)
@click.option("--dataset", help="Data set of a benchmark with several.")
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help="Number of training epochs, for a benchmark with several.",
)
@click.option(
    "--maximize",
    metavar="METRICS",
    callback=_names,
    help="Metrics to maximize. Default: the benchmark's objective, unless --minimize is given.",
)
@click.option(
    "--minimize",
    metavar="METRICS",
    callback=_names,
    help="Metrics to minimize, such as raspi4_latency_ms, which is joined from the table of latencies.",
)
@click.option(
    "--reference",
    metavar="METRIC=VALUE,...",
    callback=_reference,
    help="Reference point of the hypervolume. Default: the worst values of the table.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("retia-bench"),
    show_default=True,
    help="Folder of the plot.",
)
@json_option
@click.pass_context
def bench(
    ctx: click.Context,
    space: str,
    strategies: list[str],
    seeds: int,
    budget: int | None,
    hours: float | None,
    workers: int,
    jobs: int,
    path: Path | None,
    dataset: str | None,
    epochs: int | None,
    maximize: list[str],
    minimize: list[str],
    reference: dict[str, float] | None,
    out: Path,
    as_json: bool,
) -> None:
    """Compare strategies on a benchmark.

    Runs each strategy with each seed on a simulated clock, on which an evaluation takes the time in the
    table. Prints the regret, the cost of finding the optimum, and a test of the differences; draws
    regret.png. With several objectives, the regret is the missing share of the hypervolume.

    Benchmarks: digits, which ships with retia; nasbench201, natsbench-topology, natsbench-size, nasbench101,
    nasbench-macro.
    """
    if ctx.invoked_subcommand is not None:
        return
    from retia.benchmark import compare
    from retia.execute import Processes

    evaluations = 200 if budget is None and hours is None else budget
    if hours is None:
        _reject_short_trainings(strategies)
    with json_alone(as_json):
        benchmark = with_latencies(open_benchmark(space, path, dataset, epochs), [*maximize, *minimize])
        fidelities = [one for one in benchmark.fidelities if one <= benchmark.epochs]
        chosen = strategies_named(strategies, fidelities)
        with Processes(jobs, threads=1) as executor:
            comparison = compare(
                benchmark,
                chosen,
                evaluations=evaluations,
                hours=hours,
                seeds=seeds,
                workers=workers,
                maximize=maximize,
                minimize=minimize,
                reference=reference,
                executor=executor,
                progress=_Progress(evaluations, hours, seeds, len(chosen)),
            )
        out.mkdir(parents=True, exist_ok=True)
        plot = out / "regret.png"
        plot_comparison(comparison).savefig(plot)
    if as_json:
        print_json({**comparison.to_json(), "plot": str(plot)})
    else:
        say(f"{comparison.table()}\nplot: {plot}")


bench.add_command(build)


def open_benchmark(
    name: str, path: Path | None = None, dataset: str | None = None, epochs: int | None = None
) -> "Benchmark":
    """Open a benchmark by its name, or a file of `write_table`.

    Raises:
        EvaluationError: If `name` is not a benchmark or a file, or the benchmark does not have one of the
            options `path`, `dataset` and `epochs`.
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
        msg = (
            f"'{name}' is neither a benchmark nor a file. Take one of {', '.join(named)}, "
            "or a table made by retia bench build."
        )
        raise EvaluationError(msg)
    opened = named[name] if name in named else partial(benchmark.read_table, name)
    options: dict[str, Any] = {
        option: value
        for option, value in (("path", path), ("dataset", dataset), ("epochs", epochs))
        if value is not None
    }
    if stray := [option for option in options if option not in inspect.signature(opened).parameters]:
        msg = f"'{name}' does not have the option --{stray[0]}, got {str(options[stray[0]])!r}. Leave it out."
        raise EvaluationError(msg)
    return opened(**options)


def _reject_short_trainings(strategies: Sequence[str]) -> None:
    """Raise `StudyError` for a multi-fidelity strategy, for which a number of evaluations is no budget."""
    if stray := [name for name in strategies if name.partition(":")[0] in MULTI_FIDELITY]:
        msg = (
            f"'{stray[0]}' starts with short trainings, so its number of evaluations is not comparable. "
            "Give the simulated hours of a run, for example --hours 100."
        )
        raise StudyError(msg)


def with_latencies(benchmark: "Benchmark", metrics: Sequence[str]) -> "Benchmark":
    """Join the latencies `DEVICE_latency_ms` in `metrics` that the benchmark lacks."""
    devices = [
        metric.removesuffix(LATENCY)
        for metric in metrics
        if metric.endswith(LATENCY) and metric not in benchmark.metrics
    ]
    return benchmark.with_latency(*devices) if devices else benchmark


def plot_comparison(comparison: "Comparison") -> "Figure":
    """Plot a comparison against evaluations, and against simulated hours if the table has them."""
    import numpy as np

    from retia.report import RegretCurve, plot_regret

    evaluations: dict[str, RegretCurve] = {}  # only without hours, for then trials have equal costs
    hours: dict[str, RegretCurve] = {}
    for name, runs in comparison.runs.items():
        if comparison.hours is None:
            band = comparison.over_evaluations(name)
            evaluations[name] = RegretCurve(
                np.arange(1.0, len(band.median) + 1), band.median, band.low, band.high
            )
        if all(run.ended_s[-1] > 0 for run in runs):
            at, band = comparison.over_hours(name)
            hours[name] = RegretCurve(at, band.median, band.low, band.high)
    title = f"{comparison.benchmark['benchmark']}: {comparison.seeds} seeds"
    return plot_regret(title, comparison.metric, evaluations, hours)


class _Progress:
    """Progress on standard error: each strategy that is done, and on a terminal the number of runs."""

    def __init__(self, evaluations: int | None, hours: float | None, seeds: int, strategies: int) -> None:
        self._evaluations, self._hours, self._seeds, self._strategies = evaluations, hours, seeds, strategies
        self._regrets: defaultdict[str, list[float]] = defaultdict(list)
        self._started_s = time.monotonic()

    def __call__(self, run: "SeedRun", ended: int, of: int) -> None:
        regrets = self._regrets[run.strategy]
        regrets.append(
            run.regret_after(self._evaluations or 1) if self._hours is None else run.regret_at(self._hours)
        )
        if len(regrets) == self._seeds:
            done = sum(len(others) == self._seeds for others in self._regrets.values())
            mean, spent_s = sum(regrets) / self._seeds, time.monotonic() - self._started_s
            evaluations, hours = f"{self._evaluations} evaluations", f"{self._hours or 0:g} simulated hours"
            after = evaluations if self._hours is None else hours
            head = f"[{done}/{self._strategies}] {run.strategy}"
            say(f"{head}: mean regret {mean:.3g} after {after}, {spent_s:.0f} s", error=True)
        elif sys.stderr.isatty():
            click.echo(f"{ended}/{of} runs\r", nl=False, err=True)
