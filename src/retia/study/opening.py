"""How a study finds its trials in a storage."""

from collections.abc import Mapping, Sequence

from retia.errors import StudyError
from retia.storage import Database, Header, StudyRecord

__all__ = ["open_record"]


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


def _mended(database: Database, name: str, differences: Sequence[str]) -> bool:
    """Whether the evaluator alone has changed, before it judged anything: its first evaluation showed a
    mistake, say.
    """
    counts: Mapping[str, int] = next((one.trials for one in database.studies() if one.name == name), {})
    return not any(state != "running" for state in counts) and all(
        line.startswith("evaluator: ") for line in differences
    )
