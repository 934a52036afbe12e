"""`retia studies`, `trials`, `show` and `best`: read a storage, without importing torch."""

from typing import TYPE_CHECKING

import click

from retia.cli.options import json_option, name_option, open_study, storage_option
from retia.cli.output import columns, print_json, say, show
from retia.visible import visible, visible_lines

if TYPE_CHECKING:
    from retia.study import StudyResults
    from retia.trial import Trial

__all__ = ["best", "show_trial", "studies", "trials"]


@click.command()
@storage_option
@json_option
def studies(storage: str, as_json: bool) -> None:
    """List the studies of a storage."""
    from datetime import UTC, datetime

    from retia.storage import Database

    found = Database(storage).studies()
    if as_json:
        print_json(
            [
                {
                    "name": study.name,
                    "created": study.created,
                    "trials": dict(study.trials),
                    "stop_reason": study.stop_reason,
                    "objectives": [
                        {"metric": objective.metric, "direction": objective.direction}
                        for objective in study.objectives
                    ],
                }
                for study in found
            ]
        )
        return
    rows = [
        (
            study.name,
            datetime.fromtimestamp(study.created, UTC).astimezone().strftime("%Y-%m-%d %H:%M"),
            ", ".join(str(objective) for objective in study.objectives),
            ", ".join(f"{count} {state}" for state, count in study.trials.items() if count) or "none",
            study.stop_reason or "",
        )
        for study in found
    ]
    say(
        columns(("name", "created", "objectives", "trials", "stopped"), rows)
        if rows
        else visible(f"no study in '{storage}'")
    )


@click.command()
@click.argument("name", required=False)
@storage_option
@click.option(
    "--state",
    type=click.Choice(["running", "completed", "failed", "infeasible"]),
    help="List only the trials in this state.",
)
@click.option("--last", type=click.IntRange(1), metavar="N", help="List only the last N trials.")
@json_option
def trials(name: str | None, storage: str, state: str | None, last: int | None, as_json: bool) -> None:
    """List the trials of a study.

    A * marks the trials of the Pareto front; with one objective, the best trial.
    """
    from retia.report import record

    study = open_study(storage, name)
    chosen = [trial for trial in study.trials if state is None or trial.state == state]
    chosen = chosen[-last:] if last else chosen
    if as_json:
        print_json([record(trial) for trial in chosen])
    else:
        say(_lines(study, chosen))


@click.command("show")
@click.argument("number", type=int)
@storage_option
@name_option
@json_option
def show_trial(number: int, storage: str, name: str | None, as_json: bool) -> None:
    """Show one trial in full.

    Shows its architecture, metrics, progress, files and errors.
    """
    from retia.report import record

    trial = find(open_study(storage, name), number)
    if as_json:
        print_json(record(trial))
    else:
        _show(open_study(storage, name), trial)


@click.command()
@storage_option
@name_option
@json_option
def best(storage: str, name: str | None, as_json: bool) -> None:
    """Show the result of a study.

    Shows the Pareto front or the best trials, the gains over the baseline and over random search, and the
    best architecture.
    """
    from retia.report import overview, summary

    study = open_study(storage, name)
    if as_json:
        print_json(overview(study))
        return
    show(summary(study))
    if study.history.best is not None:
        _show(study, study.history.best)


def find(study: "StudyResults", number: int) -> "Trial":
    """Return a trial by its number.

    Raises:
        StudyError: If the study has no trial `number`.
    """
    from retia.errors import StudyError

    for trial in study.trials:
        if trial.number == number:
            return trial
    found = (
        f"It has {len(study.trials)}, up to trial {study.trials[-1].number}"
        if study.trials
        else "It has no trials yet"
    )
    msg = f"Study '{study.name}' has no trial {number}. {found}. List them with retia trials."
    raise StudyError(msg)


def _lines(study: "StudyResults", chosen: "list[Trial]") -> str:
    from retia.report import architecture_line, duration, metric_names, number

    if not chosen:
        return visible(
            f"no such trial in study '{study.name}'"
            if study.trials
            else f"study '{study.name}' has no trials yet"
        )
    front = {trial.number for trial in study.history.front}
    names = metric_names(study.objectives, chosen)
    rows = [
        (
            f"{trial.number}{'*' if trial.number in front else ' '}",
            trial.state,
            *(number(trial.metrics[name]) if name in trial.metrics else "" for name in names),
            "" if trial.seconds is None else duration(trial.seconds),
            architecture_line(trial.architecture),
        )
        for trial in chosen
    ]
    return columns(
        ("trial ", "state", *names, "time", "architecture"), rows, right=frozenset(["trial ", *names, "time"])
    )


def _show(study: "StudyResults", trial: "Trial") -> None:
    from rich.text import Text

    from retia.report import architecture_table, duration, number

    seconds = "" if trial.seconds is None else f", {duration(trial.seconds)}"
    show(
        Text(visible(f"trial {trial.number} of study '{study.name}' ({trial.state}{seconds})"), style="bold")
    )
    for name, value in trial.metrics.items():
        show(Text(visible(f"  {name}: {number(value)}")))
    show(architecture_table(trial.architecture, space=study.space))
    if trial.progress:
        steps = [
            ", ".join(f"{name} {number(value)}" for name, value in step.items()) for step in trial.progress
        ]
        show(Text(visible(f"progress, {len(steps)} reports, the last: {steps[-1]}")))
    if trial.directory is not None and trial.directory.exists():
        show(Text(visible(f"files: {trial.directory}")))
    for place, attempt in enumerate(trial.attempts, 1):
        show(Text(f"attempt {place} failed: {visible_lines(attempt.error.rstrip())}", style="red"))
    if trial.error:
        show(Text(visible_lines(trial.error.rstrip()), style="red"))
