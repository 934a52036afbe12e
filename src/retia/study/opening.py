"""How a study finds its trials in a storage."""

from collections.abc import Mapping, Sequence
from typing import Any

from retia.errors import RetiaError, StorageError, StudyError
from retia.space import SearchSpace
from retia.storage import Database, Header, StudyRecord
from retia.study.stored_evaluator import StoredEvaluator
from retia.trial import Constraint, Objective, Trial, objectives_from

__all__ = ["arguments_of", "check_complete", "open_record"]


def open_record(database: Database, header: Header, *, force: bool) -> StudyRecord:
    """Open the record of a study, and make it if there is no such study; only to be read where the storage
    can't be written.

    Raises:
        StudyError: If the stored study differs, unless `force` is given, or the evaluator alone has changed
            before it judged anything.
        StorageError: If the storage can't be read.
    """
    record = database.open(header) if database.writable else database.load(header.name)
    if differences := record.header.differences(header):
        if not force and not _mended(database, header.name, differences):
            record.close(None)
            lines = "\n  ".join(differences)
            msg = (
                f"The study '{header.name}' in '{database}' differs from this one:\n  {lines}\n"
                f"Take another name=, change it back, or go on all the same with force=True (--force): "
                f"its old trials then stand beside the new."
            )
            raise StudyError(msg)
        if database.writable:
            database.amend(header)
    return record


def arguments_of(record: StudyRecord, database: Database) -> dict[str, Any]:
    """Return the arguments of a stored study, without its code.

    Raises:
        StorageError: If they are not valid: another program has changed the header.
    """
    header = record.header
    maximize = [one.metric for one in header.objectives if one.direction == "maximize"]
    minimize = [one.metric for one in header.objectives if one.direction == "minimize"]
    try:
        objectives_from(maximize, minimize)
        space = SearchSpace.from_json(header.space)
        baseline = header.baseline and space.validate(header.baseline)
    except RetiaError as error:
        record.close(None)
        msg = (
            f"The header of study '{header.name}' in {database} contradicts itself: "
            f"{error} Another program changed it. Restore the storage from a copy."
        )
        raise StorageError(msg) from error
    return {
        "space": space,
        "evaluator": StoredEvaluator(header.evaluator),
        "maximize": maximize,
        "minimize": minimize,
        "constraints": header.constraints,
        "seed": header.seed,
        "baseline": baseline,
    }


def check_complete(trial: Trial, needed: Sequence[Objective | Constraint], study: str) -> None:
    """Check that a completed trial has the metrics that the study needs.

    Raises:
        StorageError: If one is missing.
    """
    for one in needed:
        if one.metric not in trial.metrics:
            msg = (
                f"Trial {trial.number} of study {study} has no metric '{one.metric}', "
                f"which the study needs; it has {sorted(trial.metrics)}. "
                "Restore its row in the storage, delete the row, or give the study another name= to begin "
                "a new one."
            )
            raise StorageError(msg)


def _mended(database: Database, name: str, differences: Sequence[str]) -> bool:
    """Whether the evaluator alone has changed, before it judged anything: its first evaluation showed a
    mistake, say.
    """
    counts: Mapping[str, int] = next((one.trials for one in database.studies() if one.name == name), {})
    return not any(state != "running" for state in counts) and all(
        line.startswith("evaluator: ") for line in differences
    )
