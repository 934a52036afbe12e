"""The command that compares strategies on a benchmark."""

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

from retia.cli.options import json_option
from retia.cli.output import json_alone, print_json, say
from retia.cli.strategies import MULTI_FIDELITY, STRATEGIES, strategies_named
from retia.cli.benchmark_table import build
from retia.errors import EvaluationError, StudyError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from retia.benchmark import Benchmark, Comparison, SeedRun

__all__ = ["bench", "open_benchmark", "plot_comparison", "with_latencies"]

LATENCY = "_latency_ms"


@click.group(invoke_without_command=True)
@click.option(
    "--space",
    default="digits",
    show_default=True,
    metavar="NAME|FILE",
    help="The benchmark, or a table that bench build has written.",
)
@click.option(
    "--strategies",
    default="random,evolution,local",
    show_default=True,
    metavar="NAMES",
    help=(
        f"What to compare, of {', '.join(STRATEGIES)}; with --hours also {', '.join(MULTI_FIDELITY)}, "
        "and asha:evolution and the like."
    ),
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=60,
    show_default=True,
    help="With how many seeds each strategy runs.",
)
@click.option(
    "--budget",
    type=click.IntRange(1),
    help="How many evaluations a run has; 200 if no hours are given either.",
)
@click.option(
    "--hours",
    type=click.FloatRange(0, min_open=True),
    help="How many simulated hours a run has; regrets are then compared by hours.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many evaluations run at once on the simulated clock.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="How many processes simulate, with one thread each; one for each processor if not given.",
)
@click.option(
    "--path",
    type=click.Path(exists=True, path_type=Path),
    help="Where the table is; looked for in the folder RETIA_BENCHMARKS if not given.",
)
@click.option("--dataset", help="The data set, of a benchmark that has several.")
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help="How long a network is trained, of a benchmark that has several lengths.",
)
@click.option(
    "--maximize",
    metavar="METRICS",
    help="What to search for; the benchmark's own objective if nothing is named.",
)
@click.option(
    "--minimize",
    metavar="METRICS",
    help="What to search for, such as raspi4_latency_ms, for which the table of latencies is joined.",
)
@click.option(
    "--reference",
    metavar="METRIC=VALUE,...",
    help="Up to where the hypervolume is measured; the worst of the table if not given.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("retia-bench"),
    show_default=True,
    help="The folder for the plot.",
)
@json_option
@click.pass_context
def bench(
    ctx: click.Context,
    space: str,
    strategies: str,
    seeds: int,
    budget: int | None,
    hours: float | None,
    workers: int,
    jobs: int | None,
    path: Path | None,
    dataset: str | None,
    epochs: int | None,
    maximize: str | None,
    minimize: str | None,
    reference: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Compare strategies on a benchmark.

    Every strategy runs with every seed on a simulated clock, on which an evaluation takes as long as the
    table says it did. Prints regrets to the table's best, what it took to find it, and which strategies can
    be told apart; draws regret.png. With several objectives regret is the share of the hypervolume of the
    table's front that is lacking.

    Benchmarks: digits, which comes with retia; nasbench201, natsbench-topology, natsbench-size, nasbench101,
    nasbench-macro.
    """
    if ctx.invoked_subcommand is not None:
        return
    from retia.benchmark import compare
    from retia.execute import Processes

    names = _listed(strategies)
    evaluations = 200 if budget is None and hours is None else budget
    if hours is None and (stray := [name for name in names if name.partition(":")[0] in MULTI_FIDELITY]):
        msg = (
            f"'{stray[0]}' begins with short trainings, so that numbers of evaluations don't compare. "
            "Give the simulated hours of a run: --hours 100."
        )
        raise StudyError(msg)
    jobs = jobs or os.cpu_count() or 1
    with json_alone(as_json):
        benchmark = with_latencies(
            open_benchmark(space, path, dataset, epochs), [*_listed(maximize), *_listed(minimize)]
        )
        chosen = strategies_named(names, [one for one in benchmark.fidelities if one <= benchmark.epochs])
        with Processes(jobs, threads=1) as executor:
            comparison = compare(
                benchmark,
                chosen,
                evaluations=evaluations,
                hours=hours,
                seeds=seeds,
                workers=workers,
                maximize=_listed(maximize),
                minimize=_listed(minimize),
                reference=_reference(reference),
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
    """Open a benchmark by its name, or a file that `write_table` wrote.

    Raises:
        EvaluationError: If `name` is not a benchmark or a file, or the benchmark does not take `path`,
            `dataset` or `epochs`.
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
            f"'{name}' is not a benchmark, and not a file. Take one of {', '.join(named)}, "
            "or a table that retia bench build has written."
        )
        raise EvaluationError(msg)
    opened = named[name] if name in named else partial(benchmark.read_table, name)
    options: dict[str, Any] = {
        option: value
        for option, value in (("path", path), ("dataset", dataset), ("epochs", epochs))
        if value is not None
    }
    if stray := [option for option in options if option not in inspect.signature(opened).parameters]:
        msg = f"'{name}' takes no --{stray[0]}, got {str(options[stray[0]])!r}. Leave it out."
        raise EvaluationError(msg)
    return opened(**options)


def with_latencies(benchmark: "Benchmark", metrics: Sequence[str]) -> "Benchmark":
    """Join the latencies that are named, as `DEVICE_latency_ms`, and that the benchmark has not."""
    devices = [
        metric.removesuffix(LATENCY)
        for metric in metrics
        if metric.endswith(LATENCY) and metric not in benchmark.metrics
    ]
    return benchmark.with_latency(*devices) if devices else benchmark


def plot_comparison(comparison: "Comparison") -> "Figure":
    """Plot a comparison against evaluations, and against simulated hours if the table knows how long training
    took.
    """
    import numpy as np

    from retia.report import RegretCurve, plot_regret

    evaluations: dict[
        str, RegretCurve
    ] = {}  # left out where hours decide, for then trials may cost different amounts
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


def _listed(names: str | None) -> list[str]:
    """Return the names of an option that takes several, with commas between."""
    return [name.strip() for name in (names or "").split(",") if name.strip()]


def _reference(stated: str | None) -> dict[str, float] | None:
    """Read METRIC=VALUE, with commas between."""
    reference: dict[str, float] = {}
    for part in _listed(stated):
        metric, _, value = part.partition("=")
        try:
            reference[metric.strip()] = float(value)
        except ValueError:
            msg = (
                "--reference takes METRIC=VALUE with commas between, such as "
                f"valid_accuracy=80,raspi4_latency_ms=60, got {part!r}."
            )
            raise click.UsageError(msg) from None
    return reference or None


class _Progress:
    """Says on standard error which strategy has run with all its seeds, and on a terminal how many runs there
    are to go.
    """

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
            spent_s = time.monotonic() - self._started_s
            mean = sum(regrets) / self._seeds
            after = (
                f"{self._evaluations} evaluations"
                if self._hours is None
                else f"{self._hours:g} simulated hours"
            )
            say(
                (
                    f"[{done}/{self._strategies}] {run.strategy}: mean regret {mean:.3g} after {after}, "
                    f"{spent_s:.0f} s"
                ),
                error=True,
            )
        elif sys.stderr.isatty():
            click.echo(f"{ended}/{of} runs\r", nl=False, err=True)
