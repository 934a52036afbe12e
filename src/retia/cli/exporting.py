"""The command that exports a trained model."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retia.cli.options import DEFAULT_STORAGE, json_option, name_option
from retia.cli.output import json_alone, print_json, say
from retia.cli.running import file_argument, study_of
from retia.cli.user_code import load_file, user_code
from retia.errors import StudyError
from retia.visible import visible

if TYPE_CHECKING:
    from retia.study import Study

__all__ = ["export"]


@click.command()
@file_argument
@click.option("--storage", metavar="FILE|URL", envvar="RETIA_STORAGE", help=f"Where the study is; the file's own, else {DEFAULT_STORAGE}.")
@name_option
@click.option("--number", type=int, help="Which trial; the best if not given.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder for the files.")
@json_option
def export(file: Path, storage: str | None, name: str | None, number: int | None, out: Path, as_json: bool) -> None:
    """Export a trained model.

    FILE is the file that defined the study. Writes weights.safetensors, architecture.json and program.pt2, a program that runs
    with torch alone.
    """
    import retia
    from retia.cli.listing import find

    with json_alone(as_json):
        loaded = load_file(file)
        defined = study_of(loaded)
        given = {"storage": storage or defined.storage or DEFAULT_STORAGE, **({"name": name} if name else {})}
        study = study_of(loaded, given=given)
        trial = study.best if number is None else find(study, number)
        with user_code(loaded.path):
            folder = retia.export(trial, out, _example(study))
    files = sorted(str(path) for path in folder.iterdir())
    if as_json:
        print_json({"trial": trial.number, "files": files})
    else:
        say(f"exported trial {trial.number}:")
        say("\n".join(map(visible, files)))


def _example(study: "Study") -> Any:
    """Return what the study's costs know of the models' input."""
    from retia.searching import with_costs

    example = getattr(with_costs(study).costs, "example", None)
    if example is None:
        msg = (
            f"An export needs an example input, and the study's evaluator ({type(study.evaluator).__name__}) has no data to take one from. "
            f"Give the study costs=retia.Costs(input_shape), or export from Python: retia.export(study.best, directory, example)."
        )
        raise StudyError(msg)
    positional, named = example.on("cpu", batch=2)
    return named or positional
