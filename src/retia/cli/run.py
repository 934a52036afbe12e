"""`retia run` and `retia check`: run or check a file of the user."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retia.cli.options import default_storage, json_option
from retia.cli.output import json_alone, print_json, say, show
from retia.cli.user_code import UserFile, load_file, require_parameters, user_code
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
@click.option("--trials", type=click.IntRange(1), help="Total number of trials of the study.")
@click.option("--workers", type=click.IntRange(1), help="Number of worker processes.")
@click.option(
    "--storage",
    metavar="FILE|URL",
    help="Storage of the study. Default: that of the file, RETIA_STORAGE or retia.db.",
)
@click.option("--name", help="Name of the study.")
@click.option("--seed", type=int, help="Seed of the random numbers.")
@click.option("--timeout", type=float, metavar="SECONDS", help="Time after which no trial starts.")
@click.option(
    "--keep-weights",
    type=click.Choice(["none", "best", "front", "all"]),
    help="Trials that keep the weights of their models. Default: front, the Pareto front and its parents.",
)
@set_option
@click.option(
    "--retrain",
    type=click.IntRange(0),
    metavar="K",
    help="Retrain the K best architectures of a one-shot method from scratch.",
)
@click.option(
    "--control", is_flag=True, default=None, help="Also run random search with the same budget, to compare."
)
@click.option(
    "--retry-failed",
    is_flag=True,
    default=None,
    help="Restart the failed trials of the study first.",
)
@click.option(
    "--force",
    is_flag=True,
    default=None,
    help="Continue a stored study whose space, evaluator or seed has changed.",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@json_option
@click.pass_context
def run(
    ctx: click.Context, file: Path, settings: tuple[str, ...], quiet: bool, as_json: bool, **options: Any
) -> None:
    """Run the search that FILE defines.

    FILE defines `study`, a retia.Study, and optionally `strategy` and `trials`; or `main`, a function that
    is called with the given options as keyword arguments. The same command again resumes.
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
    """Check the search that FILE defines, without training.

    Builds the baseline and a few random architectures, and runs them on torch's meta device, to find parts
    that do not fit before a search.
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
    """Parse `--set field=value`: the value as JSON, or as text if it is not JSON."""
    values: dict[str, Any] = {}
    for setting in settings:
        field, sign, text = setting.partition("=")
        if not sign or not field.isidentifier():
            msg = f"--set must be field=value, got {setting!r}. Write for example --set epochs=5."
            raise click.UsageError(msg)
        try:
            values[field] = json.loads(text)
        except ValueError:
            values[field] = text
    return values


def study_of(
    loaded: UserFile, *, given: Mapping[str, Any] | None = None, values: Mapping[str, Any] | None = None
) -> "Study":
    """Return the study of a file, or of its `main`, with the options of the command line.

    Raises:
        StudyError: If the file defines neither a study nor a `main` that runs one.
    """
    from retia.study import Study, defined_by

    study, options = loaded.get("study"), {**(values or {})}
    if study is None:
        main = main_of(loaded)
        require_parameters(main, options, loaded.path)
        with user_code(loaded.path):
            study = defined_by(lambda: main(**options))
        values = {}
        if study is None:
            msg = (
                f"main() in {loaded.path.name} does not run a study, which this command needs. "
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
    """Return the function `main` of a file without a study.

    Raises:
        StudyError: If the file does not define `main`.
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
    """Return the study with the options `given`, and with the fields `values` of its evaluator.

    Raises:
        EvaluationError: If the evaluator is not a dataclass, or lacks a field of `values`.
    """
    replaced = ("storage", "name", "seed", "force", "keep_weights")
    changes: dict[str, Any] = {name: given[name] for name in replaced if name in given}
    if values:
        evaluator = study.spec.judge
        if not dataclasses.is_dataclass(evaluator) or isinstance(evaluator, type):
            msg = (
                "--set replaces fields of a dataclass evaluator such as Classification, "
                f"got the evaluator {evaluator!r}. Leave --set out."
            )
            raise EvaluationError(msg)
        fields = [field.name for field in dataclasses.fields(evaluator) if field.init]
        if unknown := [name for name in values if name not in fields]:
            msg = f"{type(evaluator).__name__} has no field '{unknown[0]}'. Set one of {', '.join(fields)}."
            raise EvaluationError(msg)
        changes["evaluator"] = dataclasses.replace(evaluator, **values)
    return study.replace(**changes) if changes else study


def _run_study(loaded: UserFile, given: dict[str, Any], values: dict[str, Any], *, quiet: bool) -> "Study":
    from retia.searching import run_search
    from retia.strategy import RegularizedEvolution

    defined = study_of(loaded)
    if defined.storage is None:
        given.setdefault("storage", default_storage())
    trials = given.get("trials", loaded.get("trials"))
    if not isinstance(trials, int):
        msg = (
            f"{loaded.path.name} defines no `trials`, the number of trials. Give --trials N, "
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
    require_parameters(main, options, loaded.path)
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
            f"finished trials are in '{study.storage}'; the same command resumes"
            if study.storage
            else "the study was in memory only; give --storage to keep the next one"
        )
        say(f"interrupted; {where}.", error=True, colour="yellow")
        ctx.exit(INTERRUPTED_CODE)
