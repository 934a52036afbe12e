"""`retia bench build`: make your own tabular benchmark."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retia.cli.options import default_storage, json_option
from retia.cli.output import json_alone, print_json, say
from retia.cli.run import INTERRUPTED_CODE, study_of
from retia.cli.user_code import UserFile, load_file, user_code
from retia.errors import StudyError

if TYPE_CHECKING:
    from retia.benchmark import Benchmark
    from retia.study import Study

__all__ = ["build"]

MOST = 1_000_000
"""The maximum number of architectures of a table."""


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("table.npz"),
    show_default=True,
    help="Path of the table.",
)
@click.option(
    "--seeds",
    type=click.IntRange(2),
    help="Number of evaluations of each architecture; the table has means, and deviations as _sd.",
)
@click.option("--workers", type=click.IntRange(1), help="Number of worker processes.")
@click.option(
    "--storage",
    metavar="FILE|URL",
    help="Storage of the study. Default: that of the file, RETIA_STORAGE or retia.db.",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@json_option
@click.pass_context
def build(
    ctx: click.Context,
    file: Path,
    out: Path,
    seeds: int | None,
    workers: int | None,
    storage: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Make a benchmark of a whole space.

    FILE defines `study`, a retia.Study, and may define `epochs`, the number of training epochs of an
    evaluation, and `reference`. Every architecture of the study's space is evaluated. The same command again
    resumes. To compare strategies on the table, use retia bench --space table.npz.
    """
    from retia.benchmark import write_table
    from retia.study import INTERRUPTED

    with json_alone(as_json):
        loaded = load_file(file)
        study = _evaluated(loaded, storage, seeds, workers, quiet=quiet)
        if study.stop_reason == INTERRUPTED:
            msg = f"interrupted; finished trials are in '{study.storage}'; the same command resumes."
            say(msg, error=True, colour="yellow")
            ctx.exit(INTERRUPTED_CODE)
        failed = study.history.count("failed")
        benchmark = _table(study, loaded)
        path = write_table(benchmark, out)
    if as_json:
        print_json({**benchmark.describe(), "failed": failed, "path": str(path)})
        return
    listing = f"retia trials --storage {study.storage} --name {study.name}"
    note = f", without {failed} that failed ({listing})" if failed else ""
    say(
        f"{path}: {len(benchmark):,} architectures{note}; the best {benchmark.objective} is "
        f"{benchmark.optimum():.6g}."
    )


def _evaluated(
    loaded: UserFile, storage: str | None, seeds: int | None, workers: int | None, *, quiet: bool
) -> "Study":
    """Return the study after every architecture was evaluated, or after an interrupt."""
    import retia
    from retia.report import Progress
    from retia.searching import with_costs
    from retia.strategy import GridSearch
    from retia.study import INTERRUPTED, Repeated

    study = study_of(loaded, given={} if storage is None else {"storage": storage})
    changes: dict[str, Any] = {}
    if study.storage is None:
        changes["storage"] = default_storage()
    with user_code(loaded.path):
        if seeds is not None:
            changes["evaluator"] = Repeated(study.spec.judge, seeds)
        study = with_costs(study.replace(**changes) if changes else study)
        size = study.space.size()
        if size > MOST:
            msg = (
                f"A table has at most {MOST:,} architectures, and the space of {loaded.path.name} has "
                f"{size:,}. Make the space smaller; replace a real interval by a few values."
            )
            raise StudyError(msg)
        retia.check(study)
        with Progress() as progress:
            reason = study.run(
                GridSearch(), trials=int(size), workers=workers, observer=None if quiet else progress
            )
    ended = sum(study.history.count(state) for state in ("completed", "failed", "infeasible"))
    if ended < size and reason != INTERRUPTED:
        msg = (
            f"A table needs the whole space, but the study stopped after {ended:,} of {size:,} architectures "
            f"({reason}). Correct {loaded.path.name}, and run the command again."
        )
        raise StudyError(msg)
    return study


def _table(study: "Study", loaded: UserFile) -> "Benchmark":
    """Return the benchmark; defaults of the file's `epochs` and settings come from the evaluator."""
    from retia.benchmark import table_of

    epochs = loaded.get("epochs") or study.spec.capabilities.full_fidelity or 1
    settings = {"evaluator": study.spec.capabilities.settings()} if study.spec.capabilities.settings else {}
    return table_of(
        study.space,
        study.trials,
        epochs=int(epochs),
        name=study.name,
        settings=settings,
        reference=loaded.get("reference") or "",
    )
