"""`retia plot`: plot a study."""

from pathlib import Path

import click

from retia.cli.options import json_option, name_option, open_study, storage_option
from retia.cli.output import print_json, say
from retia.visible import visible

__all__ = ["plot"]


@click.command()
@storage_option
@name_option
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("retia-plots"),
    show_default=True,
    help="Folder of the files.",
)
@json_option
def plot(storage: str, name: str | None, out: Path, as_json: bool) -> None:
    """Plot a study as PNG files.

    Writes progress.png, importance.png, and pareto.png with several objectives.
    """
    from retia.report import save_plots

    paths = [str(path) for path in save_plots(open_study(storage, name), out)]
    if as_json:
        print_json(paths)
    else:
        say("\n".join(map(visible, paths)))
