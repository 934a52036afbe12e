"""The record of a study in a storage."""

from collections.abc import Mapping, Sequence

from retia.errors import StudyError
from retia.storage import Database, Header, StudyRecord

__all__ = ["open_record"]


def open_record(database: Database, header: Header, *, force: bool) -> StudyRecord:
    """Open or create the record of a study. It can only be read if the storage can't be written.

    Raises:
        StudyError: If the stored study differs, unless `force` is set, or only the evaluator has changed and
            no trial has ended.
        StorageError: If the storage can't be read.
    """
    record = database.open(header) if database.writable else database.load(header.name)
    if differences := record.header.differences(header):
        if not force and not _mended(database, header.name, differences):
            record.close(None)
            lines = "\n  ".join(differences)
            msg = (
                f"The study '{header.name}' in '{database}' differs from this one:\n  {lines}\n"
                "Take another name=, undo the change, or continue with force=True (--force), "
                "which mixes the old trials with the new ones."
            )
            raise StudyError(msg)
        if database.writable:
            database.amend(header)
    return record


def _mended(database: Database, name: str, differences: Sequence[str]) -> bool:
    """Whether only the evaluator has changed and no trial has ended, such as after its first error."""
    counts: Mapping[str, int] = next((one.trials for one in database.studies() if one.name == name), {})
    return not any(state != "running" for state in counts) and all(
        line.startswith("evaluator: ") for line in differences
    )
