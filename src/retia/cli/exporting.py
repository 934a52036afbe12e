"""The command that exports a trained model."""

from pathlib import Path

import click

from retia.cli.options import DEFAULT_STORAGE, json_option, name_option
from retia.cli.output import json_alone, print_json
from retia.cli.running import file_argument, study_of
from retia.cli.user_code import load_file, user_code
from retia.errors import StudyError

__all__ = ["export"]


@click.command()
@file_argument
@click.option("--storage", metavar="FILE|URL", envvar="RETIA_STORAGE", help=f"Where the study is; the file's own, else {DEFAULT_STORAGE}.")
@name_option
@click.option("--number", type=int, help="Which trial; the best if not given.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder for the files.")
@json_option
def export(file: Path, storage: str | None, name: str | None, number: int | None, out: Path, as_json: bool) -> None:
    """Export a trained model of the study that FILE defines: weights.safetensors, architecture.json, program.pt2."""
    import retia
    from retia.cli.listing import find

    with json_alone(as_json):
        loaded = load_file(file)
        defined = study_of(loaded)
        given = {"storage": storage or defined.storage or DEFAULT_STORAGE, **({"name": name} if name else {})}
        study = study_of(loaded, given=given)
        trial = study.best if number is None else find(study, number)
        with user_code(loaded.path):
            folder = retia.export(trial, out, _example(study.evaluator))
    files = sorted(str(path) for path in folder.iterdir())
    if as_json:
        print_json({"trial": trial.number, "files": files})
    else:
        click.echo(f"exported trial {trial.number}:")
        click.echo("\n".join(files))


def _example(evaluator: object) -> object:
    if not hasattr(evaluator, "example"):
        msg = (
            f"An export needs an example input, and {type(evaluator).__name__} has no data to take one from. "
            f"Export from Python: retia.export(study.best, directory, example)."
        )
        raise StudyError(msg)
    return evaluator.example()
