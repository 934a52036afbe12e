"""The commands that run a file of the user: run, check."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retia.cli.options import json_option
from retia.cli.output import json_alone, print_json, say, show
from retia.cli.user_code import UserFile, accepted, load_file, user_code
from retia.errors import EvaluationError, StudyError
from retia.visible import visible

if TYPE_CHECKING:
    from retia.study import Study

__all__ = ["check", "configured", "run", "study_of"]

INTERRUPTED_CODE = 130
_OF_RUN = ("workers", "timeout", "retry_failed")

file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Replace a field of the evaluator, or pass an argument to main().",
)


@click.command()
@file_argument
@click.option("--trials", type=click.IntRange(1), help="How many trials the study is to have in all.")
@click.option("--workers", type=click.IntRange(1), help="How many processes evaluate.")
@click.option(
    "--storage",
    metavar="FILE|URL",
    help="Where the study is kept; the file's own, else RETIA_STORAGE, else retia.db.",
)
@click.option("--name", help="The name of the study.")
@click.option("--seed", type=int, help="Where the randomness comes from.")
@click.option("--timeout", type=float, metavar="SECONDS", help="When to start no more trials.")
@set_option
@click.option(
    "--retrain",
    type=click.IntRange(0),
    metavar="K",
    help="Train the K best architectures of a one-shot method from scratch afterwards.",
)
@click.option(
    "--control", is_flag=True, default=None, help="Run random search at the same budget as well, to compare."
)
@click.option(
    "--retry-failed",
    is_flag=True,
    default=None,
    help="Start the failed trials of the study again, before any other.",
)
@click.option(
    "--force",
    is_flag=True,
    default=None,
    help="Go on with a stored study though its space, evaluator or seed has changed.",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@json_option
@click.pass_context
def run(
    ctx: click.Context, file: Path, settings: tuple[str, ...], quiet: bool, as_json: bool, **options: Any
) -> None:
    """Run the search that FILE defines.

    FILE defines `study`, a retia.Study (and may define `strategy` and `trials`); or `main`, a function that
    is called with those of the options that are given, under their names. The same command again resumes.
    """
    given = {name: value for name, value in options.items() if value is not None}
    values = parse_settings(settings)
    with json_alone(as_json):
        loaded = load_file(file)
        if loaded.get("study") is not None:
            study = _run_study(loaded, given, values, quiet=quiet)
        else:
            study = _run_main(loaded, given | values | ({"progress": False} if quiet else {}))
    _finish(ctx, study, as_json=as_json)


@click.command()
@file_argument
@set_option
@json_option
def check(file: Path, settings: tuple[str, ...], as_json: bool) -> None:
    """Try what FILE defines, without training.

    Builds the baseline and a few random architectures, and runs them on torch's meta device, so that parts
    that don't fit are found before a search is.
    """
    import retia
    from retia.searching import with_costs

    with json_alone(as_json):
        loaded = load_file(file)
        study = study_of(loaded, values=parse_settings(settings))
        with user_code(loaded.path):
            lines = retia.check(with_costs(study))
    if as_json:
        print_json({"file": str(file), "checked": lines})
    else:
        say("\n".join(visible(f"ok: {line}") for line in lines))


def parse_settings(settings: tuple[str, ...]) -> dict[str, Any]:
    """Read `--set field=value`: the value as JSON, or as text if it is not JSON."""
    values: dict[str, Any] = {}
    for setting in settings:
        field, sign, text = setting.partition("=")
        if not sign or not field.isidentifier():
            msg = f"--set takes field=value, got {setting!r}."
            raise click.UsageError(msg)
        try:
            values[field] = json.loads(text)
        except ValueError:
            values[field] = text
    return values


def study_of(
    loaded: UserFile, *, given: Mapping[str, Any] | None = None, values: Mapping[str, Any] | None = None
) -> "Study":
    """Return the study that a file defines, or that its `main` would run, with the options of the command
    line instead of its own.

    Raises:
        StudyError: If the file defines no study and no `main` that runs one.
    """
    from retia.study import Study, defined_by

    study, options = loaded.get("study"), {**(values or {})}
    if study is None:
        main = main_of(loaded)
        accepted(main, options, loaded.path)
        with user_code(loaded.path):
            study = defined_by(lambda: main(**options))
        values = {}
        if study is None:
            msg = (
                f"main() in {loaded.path.name} runs no study, which this command needs. "
                "Call retia.search or Study.run in it, or define `study`, a retia.Study."
            )
            raise StudyError(msg)
    if not isinstance(study, Study):
        msg = (
            f"`study` in {loaded.path.name} must be a retia.Study, got {study!r}. "
            "Write study = retia.Study(space, evaluator, maximize=...)."
        )
        raise StudyError(msg)
    return configured(study, given or {}, values or {})


def main_of(loaded: UserFile) -> Callable[..., Any]:
    """Return the function `main` of a file that defines no study.

    Raises:
        StudyError: If there is no such function.
    """
    main = loaded.get("main")
    if not callable(main):
        msg = (
            f"{loaded.path.name} must define `study`, a retia.Study, or `main`, "
            "a function that runs a search; it defines neither. "
            f"Write study = retia.Study(space, evaluator, maximize=...) in it."
        )
        raise StudyError(msg)
    return main


def configured(study: "Study", given: Mapping[str, Any], values: Mapping[str, Any]) -> "Study":
    """Return the study with another storage, name, seed, or other fields of its evaluator.

    Raises:
        EvaluationError: If the evaluator has no such field.
    """
    changes: dict[str, Any] = {
        name: given[name] for name in ("storage", "name", "seed", "force") if name in given
    }
    if values:
        evaluator = study.spec.judge
        if not dataclasses.is_dataclass(evaluator) or isinstance(evaluator, type):
            msg = (
                "--set replaces fields of a dataclass evaluator such as Classification; "
                f"this one is {evaluator!r}, which has no fields. Leave --set out."
            )
            raise EvaluationError(msg)
        fields = [field.name for field in dataclasses.fields(evaluator) if field.init]
        if unknown := [name for name in values if name not in fields]:
            msg = (
                f"{type(evaluator).__name__} has no field '{unknown[0]}'. Its fields are {', '.join(fields)}."
            )
            raise EvaluationError(msg)
        changes["evaluator"] = dataclasses.replace(evaluator, **values)
    return study.replace(**changes) if changes else study


def _run_study(loaded: UserFile, given: dict[str, Any], values: dict[str, Any], *, quiet: bool) -> "Study":
    import os

    from retia.cli.options import DEFAULT_STORAGE
    from retia.searching import run_search
    from retia.strategy import RegularizedEvolution

    defined = study_of(loaded)
    if defined.storage is None:
        given.setdefault("storage", os.environ.get("RETIA_STORAGE", DEFAULT_STORAGE))
    trials = given.get("trials", loaded.get("trials"))
    if not isinstance(trials, int):
        msg = (
            f"How many trials? {loaded.path.name} defines no `trials`: give --trials N, "
            "or write trials = 50 in it."
        )
        raise StudyError(msg)
    strategy = loaded.get("strategy") or RegularizedEvolution()

    def show_checked(lines: list[str]) -> None:
        if not quiet:
            say("\n".join(visible(f"checked: {line}") for line in lines), error=True)

    with user_code(loaded.path):
        return run_search(
            configured(defined, given, values),
            strategy,
            trials=trials,
            progress=not quiet,
            checked=show_checked,
            retrain=given.get("retrain", 0),
            control=given.get("control", False),
            **{name: given[name] for name in _OF_RUN if name in given},
        )


def _run_main(loaded: UserFile, options: dict[str, Any]) -> Any:
    main = main_of(loaded)
    accepted(main, options, loaded.path)
    with user_code(loaded.path):
        return main(**options)


def _finish(ctx: click.Context, study: Any, *, as_json: bool) -> None:
    from retia.report import overview, summary
    from retia.study import INTERRUPTED, Study

    if not isinstance(study, Study):
        if as_json:
            print_json(None)
        return
    if as_json:
        print_json(overview(study))
    else:
        show(summary(study))
    if study.stop_reason == INTERRUPTED:
        where = (
            f"what has ended is in '{study.storage}': the same command resumes"
            if study.storage
            else "it was in memory only: give --storage to keep one"
        )
        say(f"interrupted; {where}.", error=True, colour="yellow")
        ctx.exit(INTERRUPTED_CODE)
