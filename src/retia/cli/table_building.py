"""The command that makes a tabular benchmark of one's own."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retia.cli.options import DEFAULT_STORAGE, json_option
from retia.cli.output import json_alone, print_json, say
from retia.cli.running import study_of
from retia.cli.user_code import UserFile, load_file, user_code
from retia.errors import StudyError

if TYPE_CHECKING:
    from retia.benchmark import Benchmark
    from retia.study import Study

__all__ = ["build"]

MOST = 1_000_000
"""How many architectures a table may have."""
INTERRUPTED_CODE = 130


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("table.npz"),
    show_default=True,
    help="The table to write.",
)
@click.option(
    "--seeds",
    type=click.IntRange(2),
    help="Evaluate every architecture so often: the table has the means, and spreads as _sd.",
)
@click.option("--workers", type=click.IntRange(1), help="How many processes evaluate.")
@click.option(
    "--storage",
    metavar="FILE|URL",
    help="Where the study is kept; the file's own, else RETIA_STORAGE, else retia.db.",
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

    Evaluates every architecture of the space of the study that FILE defines.

    FILE defines `study`, a retia.Study, and may define `epochs`, how long an evaluation trains, and
    `reference`. The same command again resumes. Compare strategies on the table with: retia bench --space
    table.npz.
    """
    from retia.benchmark import write_table
    from retia.study import INTERRUPTED

    with json_alone(as_json):
        loaded = load_file(file)
        study = _evaluated(loaded, storage, seeds, workers, quiet=quiet)
        if study.stop_reason == INTERRUPTED:
            say(
                f"interrupted; what has ended is in '{study.storage}': the same command resumes.",
                error=True,
                colour="yellow",
            )
            ctx.exit(INTERRUPTED_CODE)
        failed = study.history.count("failed")
        benchmark = _table(study, loaded)
        path = write_table(benchmark, out)
    if as_json:
        print_json({**benchmark.describe(), "failed": failed, "path": str(path)})
        return
    note = (
        f", without {failed} that failed (retia trials --storage {study.storage} --name {study.name})"
        if failed
        else ""
    )
    say(
        f"{path}: {len(benchmark):,} architectures{note}; the best {benchmark.objective} is "
        f"{benchmark.optimum():.6g}."
    )


def _evaluated(
    loaded: UserFile, storage: str | None, seeds: int | None, workers: int | None, *, quiet: bool
) -> "Study":
    """Return the study with the whole of its space evaluated, unless it was interrupted."""
    import retia
    from retia.report import Progress
    from retia.searching import with_costs
    from retia.strategy import GridSearch
    from retia.study import INTERRUPTED, Repeated

    study = study_of(loaded, given={} if storage is None else {"storage": storage})
    changes: dict[str, Any] = {}
    if study.storage is None:
        changes["storage"] = os.environ.get("RETIA_STORAGE", DEFAULT_STORAGE)
    with user_code(loaded.path):
        if seeds is not None:
            changes["evaluator"] = Repeated(study.spec.judge, seeds)
        study = with_costs(study.replace(**changes) if changes else study)
        size = study.space.size()
        if size > MOST:
            msg = (
                f"A table holds a whole space of at most {MOST:,} architectures, "
                f"but that of {loaded.path.name} has {size:,}. Make it smaller; "
                "of a real interval take a few values."
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
            f"A table holds a whole space, but {ended:,} of {size:,} architectures were evaluated when the "
            f"study stopped: {reason}. Mend {loaded.path.name}, and run the command again."
        )
        raise StudyError(msg)
    return study


def _table(study: "Study", loaded: UserFile) -> "Benchmark":
    """Return the benchmark; what the file does not say of the training, the evaluator does."""
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
