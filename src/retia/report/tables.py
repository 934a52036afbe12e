"""A study, an architecture and a space as tables for the terminal."""

from collections.abc import Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from retia.errors import StudyError
from retia.report.failures import failure, failures
from retia.report.gains import against_baseline, against_random, several_fidelities
from retia.report.number import architecture_line, duration, number
from retia.report.one_shot import one_shot_report
from retia.space import Architecture, SearchSpace
from retia.study import StudyResults
from retia.trial import Objective, Trial
from retia.visible import visible

__all__ = [
    "architecture_table",
    "metric_names",
    "one_shot_table",
    "outcome",
    "space_table",
    "summary",
    "trials_table",
]

STYLES = {"completed": "green", "running": "cyan", "failed": "red", "infeasible": "yellow"}


def summary(study: StudyResults) -> Group:
    """Return the outcome of a study, its best trials, and its gains over the baseline and random search."""
    several = len(study.objectives) > 1
    shown = _front(study) if several else study.top(5)
    parts: list[Table | Text] = [Text(outcome(study), style="bold")]
    if shown:
        heading = (
            f"Pareto front: {len(shown)} of {study.history.count('completed')} trials"
            if several
            else "best trials"
        )
        parts.append(trials_table(study, shown, title=heading, short=True))
    else:
        parts.append(Text(_nothing(study), style="yellow"))
    if (failed := next((trial for trial in study.trials if trial.state == "failed"), None)) is not None:
        parts.append(
            Text(
                f"of {len(study.history)} trials, {failures(study)}; the first: {failure(failed)}",
                style="red",
            )
        )
    baseline, random = against_baseline(study), against_random(study)
    if baseline is not None:
        parts.append(_section("over the baseline", baseline.lines()))
    elif study.baseline_trial is not None:
        parts.append(
            _section(
                "over the baseline", [f"nothing to compare: the baseline is {study.baseline_trial.state}"]
            )
        )
    if study.prepared_by is not None:
        if study.retrained is not None and (winners := study.retrained.top(5)):
            parts.append(trials_table(study.retrained, winners, title="retrained", short=True))
        parts.append(one_shot_table(study))
    elif random is not None:
        budget = (
            f"in the same time, {random.budget} trials"
            if several_fidelities(study)
            else f"at the same budget, {random.budget} trials each"
        )
        parts.append(_section(f"over random search {budget}", random.lines()))
    return Group(*parts)


def one_shot_table(study: StudyResults) -> Table:
    """Return the evidence for a one-shot search as a table of questions and answers.

    Raises:
        StudyError: If no supernet scored the study's trials.
    """
    if (found := one_shot_report(study)) is None:
        msg = (
            f"The trials of '{study.name}' were not scored by a supernet. "
            "Search with a one-shot method, such as SPOS."
        )
        raise StudyError(msg)
    table = Table(
        box=box.SIMPLE_HEAD,
        title=_title(f"one-shot search with {found.method}, by {found.objective.metric}"),
        title_justify="left",
    )
    table.add_column("question", no_wrap=True)
    table.add_column("answer", overflow="fold")
    for question, answer in found.rows():
        table.add_row(Text(question), Text(visible(answer)))
    return table


def outcome(study: StudyResults) -> str:
    """Return a study's objectives, its number of trials and its reason to stop on one line."""
    history = study.history
    counts = ", ".join(
        f"{history.count(state)} {state}" for state in STYLES if history.count(state) or state == "completed"
    )
    wants = ", ".join(str(objective) for objective in study.objectives)
    bounds = "".join(f", {constraint}" for constraint in study.constraints)
    reason = f"; stopped: {study.stop_reason}" if study.stop_reason else ""
    return visible(f"study '{study.name}' ({wants}{bounds}): {len(history)} trials, {counts}{reason}")


def trials_table(
    study: StudyResults,
    trials: Sequence[Trial] | None = None,
    *,
    title: str | None = None,
    limit: int | None = None,
    short: bool = False,
) -> Table:
    """Return trials as a table.

    Args:
        study: The study.
        trials: Trials to show. Default: all trials of the study.
        title: Title of the table.
        limit: Maximum number of rows, of which the last are shown. Default: unlimited.
        short: Whether to omit the state and all metrics that are not objectives.
    """
    rows = list(study.trials if trials is None else trials)
    shown = rows if limit is None else rows[len(rows) - min(limit, len(rows)) :]
    front = {trial.number for trial in study.history.front}
    names = (
        [objective.metric for objective in study.objectives]
        if short
        else metric_names(study.objectives, shown)
    )
    caption = f"the last {len(shown)} of {len(rows)} trials" if len(shown) < len(rows) else None
    table = Table(
        box=box.SIMPLE_HEAD,
        title=None if title is None else _title(title),
        title_justify="left",
        caption=caption,
        caption_justify="left",
    )
    table.add_column("trial", justify="right", no_wrap=True)
    if not short:
        table.add_column("state", no_wrap=True)
    arrows = {objective.metric: f" {_arrow(objective)}" for objective in study.objectives}
    for name in names:
        table.add_column(Text(visible(f"{name}{arrows.get(name, '')}")), justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("architecture", overflow="fold")
    for trial in shown:
        state = [] if short else [Text(trial.state, style=STYLES[trial.state])]
        values = [number(trial.metrics[name]) if name in trial.metrics else "" for name in names]
        seconds = "" if trial.seconds is None else duration(trial.seconds)
        style = "bold" if trial.number in front and not short else ""
        baseline = study.baseline_trial
        mark = " (baseline)" if baseline is not None and trial.number == baseline.number else ""
        line = Text(architecture_line(trial.architecture) + mark)
        table.add_row(str(trial.number), *state, *values, seconds, line, style=style)
    return table


def architecture_table(architecture: Architecture, *, space: SearchSpace | None = None) -> Table:
    """Return an architecture as a table of labels, values and, if `space` is given, domains."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("parameter")
    table.add_column("value")
    if space is not None:
        table.add_column("of")
    for label, value in architecture.items():
        known = (
            []
            if space is None
            else [Text(visible(str(space.parameters[label].domain)) if label in space.parameters else "")]
        )
        table.add_row(Text(visible(label)), Text(visible(str(value))), *known)
    return table


def space_table(space: SearchSpace) -> Table:
    """Return a space as a table of labels, domains and conditions."""
    table = Table(box=box.SIMPLE_HEAD, title=_title(str(space).splitlines()[0]), title_justify="left")
    for heading in ("parameter", "domain", "active"):
        table.add_column(heading)
    for parameter in space.parameters.values():
        table.add_row(
            *(Text(visible(str(cell))) for cell in (parameter.label, parameter.domain, parameter.condition))
        )
    for restriction in space.restrictions:
        table.add_row(Text("where"), Text(visible(restriction.description)), "")
    return table


def metric_names(objectives: Sequence[Objective], trials: Sequence[Trial]) -> list[str]:
    """Return the names of the metrics of trials, the objectives first."""
    return list(
        dict.fromkeys(
            [
                *(objective.metric for objective in objectives),
                *(name for trial in trials for name in trial.metrics),
            ]
        )
    )


def _front(study: StudyResults) -> list[Trial]:
    return sorted(study.pareto, key=lambda trial: (study.objectives[0].loss(trial.metrics), trial.number))


def _arrow(objective: Objective) -> str:
    return "↑" if objective.direction == "maximize" else "↓"


def _section(heading: str, lines: Sequence[str]) -> Text:
    body = "".join(f"\n  {visible(line)}" for line in lines)
    return Text.assemble((f"gained {heading}", "bold"), body)


def _nothing(study: StudyResults) -> str:
    if not study.history.count("completed"):
        return "no trial has completed, so there is no best one"
    bounds = ", ".join(str(constraint) for constraint in study.constraints)
    return visible(f"no completed trial meets the constraints ({bounds})")


def _title(text: str) -> Text:
    return Text(visible(text), style="bold")
