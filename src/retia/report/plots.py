"""Plots of a study: progress, Pareto front, parameter importance."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retia.errors import StudyError
from retia.report.gains import at_highest_fidelity, spent
from retia.report.importance import LEAST, importance
from retia.report.number import logarithmic, number
from retia.report.one_shot import one_shot_report
from retia.study import StudyResults
from retia.trial import Objective, Trial, nondominated

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_importance", "plot_one_shot", "plot_pareto", "plot_progress", "save_plots"]


def plot_progress(study: StudyResults, metric: str | None = None) -> "Figure":
    """Plot the best value so far over the trials, with the baseline and the random control.

    Only trials at the highest fidelity are compared.

    Args:
        study: The study.
        metric: Name of the objective. Default: the first.

    Raises:
        StudyError: If `metric` is not an objective, or no trial is feasible.
    """
    from matplotlib.ticker import MaxNLocator

    from retia.report.chart import BASELINE, FRONT, MUTED, RANDOM, Chart, plain

    objective = _objective(study, metric)
    feasible = _feasible(study)
    name = objective.metric
    chart = Chart(f"{study.name}: best {name} so far")
    axes = chart.axes_of_plot
    shown = [
        (i, trial.metrics[name]) for i, trial in enumerate(spent(study), 1) if trial.state == "completed"
    ]
    axes.scatter(
        [i for i, _ in shown], [value for _, value in shown], s=16, color=MUTED, label="trials", zorder=2
    )
    if (
        study.control is not None and study.prepared_by is None
    ):  # otherwise a supernet's scores are not comparable
        _best_so_far(
            axes, objective, study.control, color=RANDOM, label="random search, best so far", style="--"
        )
    _best_so_far(axes, objective, study, color=FRONT, label=plain(f"{study.name}, best so far"), style="-")
    baseline = study.baseline_trial
    if baseline is not None and baseline.state == "completed":
        axes.axhline(
            baseline.metrics[name], color=BASELINE, linestyle=":", linewidth=1.3, label="baseline", zorder=1
        )
    axes.set_xlabel("trials")
    axes.set_ylabel(_axis(objective))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _scale(axes, [t.metrics[name] for t in feasible], "y")
    chart.add_legend()
    return chart


def plot_pareto(study: StudyResults, x: str | None = None, y: str | None = None) -> "Figure":
    """Plot all trials by two objectives, with the fronts of the study and its control, and the baseline.

    Args:
        study: The study.
        x: Objective on the horizontal axis. Default: the second.
        y: Objective on the vertical axis. Default: the first.

    Raises:
        StudyError: If the study has one objective, a metric is not an objective, or no trial is feasible.
    """
    from retia.report.chart import BASELINE, FRONT, MUTED, Chart

    if len(study.objectives) < 2:
        msg = (
            f"A Pareto front needs two objectives, study '{study.name}' has one: "
            f"{', '.join(map(str, study.objectives))}. Use plot_progress."
        )
        raise StudyError(msg)
    names = [objective.metric for objective in study.objectives]
    across = _objective(study, x or next(name for name in names if name != (y or names[0])))
    up = _objective(study, y or next(name for name in names if name != across.metric))
    feasible = _feasible(study)
    chart = Chart(f"{study.name}: {up.metric} against {across.metric}")
    axes = chart.axes_of_plot
    axes.scatter(*_points(feasible, across, up), s=18, color=MUTED, label="trials", zorder=2)
    _staircase(axes, feasible, across, up, color=FRONT, label="Pareto front", style="-")
    baseline = study.baseline_trial
    if baseline is not None and baseline.state == "completed":
        axes.scatter(
            *_points([baseline], across, up),
            s=190,
            marker="*",
            color=BASELINE,
            edgecolors="white",
            label="baseline",
            zorder=5,
        )
    if study.control is not None and study.prepared_by is None:
        _control(axes, study.control, across, up)
    axes.set_xlabel(_axis(across))
    axes.set_ylabel(_axis(up))
    _scale(axes, [trial.metrics[across.metric] for trial in feasible], "x")
    chart.add_legend()
    return chart


def plot_importance(study: StudyResults, metric: str | None = None, *, most: int = 15) -> "Figure":
    """Plot the importance of each parameter for a metric.

    Args:
        study: The study.
        metric: Name of the metric. Default: the first objective.
        most: Maximum number of parameters to show.

    Raises:
        StudyError: If too few trials have completed with the metric.
    """
    from retia.report.chart import FRONT, Chart, plain

    name = study.objectives[0].metric if metric is None else metric
    shares = list(importance(study, name).items())[:most]
    chart = Chart(f"{study.name}: what {name} depends on", height=1.2 + 0.3 * len(shares))
    axes = chart.axes_of_plot
    bars = axes.barh(
        [plain(label) for label, _ in shares], [share for _, share in shares], color=FRONT, height=0.65
    )
    axes.bar_label(bars, [f"{share:.0%}" for _, share in shares], padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("importance (share of the explained variation)")
    return chart


def plot_one_shot(study: StudyResults) -> "Figure":
    """Plot the supernet's scores against scores of models trained alone, and the entropy of the choices.

    Raises:
        StudyError: If no supernet scored the study's trials.
    """
    from retia.report.chart import FRONT, RANDOM, Chart, plain

    if (found := one_shot_report(study)) is None:
        msg = f"The trials of '{study.name}' were not scored by a supernet. Use plot_progress."
        raise StudyError(msg)
    chart = Chart(f"{study.name}: {found.method}'s scores against training alone", width=10.0, plots=2)
    scores, entropy = chart.all_axes
    for one, colour in zip(found.correlations, (FRONT, RANDOM), strict=False):
        scores.scatter(
            *zip(*one.pairs, strict=True),
            s=20,
            color=colour,
            label=f"{one.among}, Kendall tau {one.tau:.2f}",
            zorder=2,
        )
    if not found.correlations:
        _note(scores, "no model was trained alone")
    scores.set_xlabel(plain(f"{found.objective.metric} by the supernet"))
    scores.set_ylabel(plain(f"{found.objective.metric} alone"))
    entropy.set_title("entropy of the choices", loc="left", fontsize=11, fontweight="bold")
    if found.entropy:
        entropy.plot(*zip(*found.entropy, strict=True), color=FRONT, linewidth=2)
    else:
        _note(entropy, f"{found.method} samples without preference")
    entropy.set_ylim(0, 1.05)
    entropy.set_xlabel("epochs")
    entropy.set_ylabel("share of the greatest")
    chart.add_legend()
    return chart


def save_plots(study: StudyResults, directory: str | Path) -> list[Path]:
    """Save all plots for which the study has enough trials as PNG files.

    Args:
        study: The study.
        directory: Folder of the files, which is created if it is missing.

    Returns:
        Paths of progress.png, of pareto.png with several objectives, of importance.png from four completed
        trials on, and of one_shot.png after a one-shot search.

    Raises:
        StudyError: If no trial is feasible.
    """
    figures = {"progress": plot_progress(study)}
    if len(study.objectives) > 1:
        figures["pareto"] = plot_pareto(study)
    if study.history.count("completed") >= LEAST:
        figures["importance"] = plot_importance(study)
    if study.prepared_by is not None:
        figures["one_shot"] = plot_one_shot(study)
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png" for name in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        figure.savefig(path)
    return paths


def _control(axes: "Axes", control: StudyResults, across: Objective, up: Objective) -> None:
    """Draw the trials and the front of the random control."""
    from retia.report.chart import FRONT_RANDOM, RANDOM

    if theirs := [trial for trial in control.trials if control.history.feasible(trial)]:
        points = _points(theirs, across, up)
        look: dict[str, Any] = {"s": 14, "color": RANDOM, "marker": "x", "linewidths": 0.9, "alpha": 0.6}
        axes.scatter(*points, **look, label="random search", zorder=2)
        _staircase(axes, theirs, across, up, color=FRONT_RANDOM, label="random search's front", style="--")


def _note(axes: "Axes", text: str) -> None:
    """Write a text in the middle of an empty plot."""
    from retia.report.chart import BASELINE, plain

    axes.text(0.5, 0.5, plain(text), ha="center", va="center", transform=axes.transAxes, color=BASELINE)


def _objective(study: StudyResults, metric: str | None) -> Objective:
    known = {objective.metric: objective for objective in study.objectives}
    if metric is None:
        return study.objectives[0]
    if metric not in known:
        msg = f"'{metric}' is not an objective of study '{study.name}'. Take one of {list(known)}."
        raise StudyError(msg)
    return known[metric]


def _feasible(study: StudyResults) -> list[Trial]:
    feasible = [trial for trial in study.trials if study.history.feasible(trial)]
    if not feasible:
        msg = (
            f"Study '{study.name}' has no feasible completed trial, so there is nothing to plot. "
            "Run more trials, or read the errors of the failed ones."
        )
        raise StudyError(msg)
    return feasible


def _best_so_far(
    axes: "Axes", objective: Objective, study: StudyResults, *, color: str, label: str, style: str
) -> None:
    numbers: list[int] = []
    values: list[float] = []
    trials = spent(study)
    compared = {
        trial.number
        for trial in at_highest_fidelity([trial for trial in trials if study.history.feasible(trial)])
    }
    for i, trial in enumerate(trials, 1):
        if trial.number not in compared:
            continue
        value = trial.metrics[objective.metric]
        if not values or objective.loss(trial.metrics) < objective.loss({objective.metric: values[-1]}):
            numbers.append(i)
            values.append(value)
    if values:
        numbers.append(len(trials))
        values.append(values[-1])
        axes.step(
            numbers, values, where="post", color=color, linestyle=style, linewidth=2, label=label, zorder=4
        )


def _staircase(
    axes: "Axes",
    trials: Sequence[Trial],
    across: Objective,
    up: Objective,
    *,
    color: str,
    label: str,
    style: str,
) -> None:
    front = [trials[i] for i in nondominated([(across.loss(t.metrics), up.loss(t.metrics)) for t in trials])]
    front.sort(key=lambda trial: across.loss(trial.metrics))
    xs, ys = _points(front, across, up)
    axes.plot(
        xs,
        ys,
        linestyle=style,
        linewidth=1.6,
        color=color,
        marker="o",
        markersize=5,
        label=label,
        zorder=4,
        drawstyle="steps-post",
    )


def _points(trials: Sequence[Trial], across: Objective, up: Objective) -> tuple[list[float], list[float]]:
    return [trial.metrics[across.metric] for trial in trials], [trial.metrics[up.metric] for trial in trials]


def _axis(objective: Objective) -> str:
    from retia.report.chart import plain

    return plain(
        f"{objective.metric} ({'higher' if objective.direction == 'maximize' else 'lower'} is better)"
    )


def _scale(axes: "Axes", values: Sequence[float], axis: str) -> None:
    """Use a logarithmic scale if the values need it, and separators in large numbers."""
    scaled = axes.xaxis if axis == "x" else axes.yaxis
    if logarithmic(values):
        (axes.set_xscale if axis == "x" else axes.set_yscale)("log")
    if max(abs(value) for value in values) >= 1000:
        scaled.set_major_formatter(lambda value, _: number(value))
