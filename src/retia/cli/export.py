"""`retia export`: export a trained model."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retia.cli.options import DEFAULT_STORAGE, default_storage, json_option, name_option, open_study
from retia.cli.output import json_alone, print_json, say
from retia.cli.run import configured, file_argument, parse_settings, set_option, study_of
from retia.cli.user_code import UserFile, load_file, user_code
from retia.errors import StudyError
from retia.visible import visible

if TYPE_CHECKING:
    from retia.study import Study

__all__ = ["export"]


@click.command()
@file_argument
@click.option(
    "--storage",
    metavar="FILE|URL",
    help=f"Storage of the study. Default: that of the file, RETIA_STORAGE or {DEFAULT_STORAGE}.",
)
@name_option
@click.option("--number", type=int, help="Number of the trial. Default: the best.")
@set_option
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the files."
)
@json_option
def export(
    file: Path,
    storage: str | None,
    name: str | None,
    number: int | None,
    settings: tuple[str, ...],
    out: Path,
    as_json: bool,
) -> None:
    """Export a trained model.

    FILE is the file of retia run: it defines `study` or `main`, and may define `example`, an input of the
    models with a batch dimension of at least two. Writes weights.safetensors, architecture.json and
    program.pt2, which runs with torch alone.
    """
    import retia
    from retia.cli.listings import find

    with json_alone(as_json):
        loaded = load_file(file)
        defined = study_of(loaded, values=parse_settings(settings))
        kept = storage or defined.storage or default_storage()
        study = configured(defined, {"storage": kept, **({"name": name} if name else {})}, {})
        open_study(kept, study.name)  # raises if it does not exist, instead of creating it
        trial = study.best if number is None else find(study, number)
        with user_code(loaded.path):
            folder = retia.evaluate.export(trial, out, _example(study, loaded))
    files = sorted(str(path) for path in folder.iterdir())
    if as_json:
        print_json({"trial": trial.number, "files": files})
    else:
        say(f"exported trial {trial.number}:")
        say("\n".join(map(visible, files)))


def _example(study: "Study", loaded: UserFile) -> Any:
    """Return the example of the file, or that of the study's costs."""
    from retia.searching import with_costs
    from retia.trial import capabilities_of

    if (given := loaded.get("example")) is not None:
        return given
    example = capabilities_of(with_costs(study).spec.counts).example
    if example is None:
        msg = (
            "An export needs an example input, and the study's evaluator "
            f"({type(study.spec.judge).__name__}) has no data to take it from. "
            f"Write example = torch.zeros(2, ...) in {loaded.path.name}, "
            "or pass costs=retia.Costs(input_shape) to the study."
        )
        raise StudyError(msg)
    positional, named = example.on("cpu", batch=2)
    return named or positional
