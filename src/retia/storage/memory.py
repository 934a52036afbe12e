"""The record of a study in memory, for studies without a storage and for tests."""

import uuid

from retia.errors import StorageError
from retia.storage.header import Header
from retia.storage.record import unbegun, unfinished
from retia.trial import State, Trial

__all__ = ["MemoryRecord"]


class MemoryRecord:
    """Keeps the trials of one study in this process; see `StudyRecord` for the laws.

    No other record shares it, so `refresh` returns no trials unless `everything` is set. `claim` returns the
    trials that were running when the record was closed.
    """

    def __init__(self, header: Header) -> None:
        self.header = header
        self.uid = uuid.uuid4().hex
        self.stop_reason: str | None = None
        self._trials: dict[int, Trial] = {}
        self._left: set[int] = set()

    def begin(self, trial: Trial) -> bool:
        """Write a new trial; return False if its number is taken."""
        if trial.number in self._trials:
            return self._trials[trial.number] == trial
        self.stop_reason = None
        self._trials[trial.number] = trial
        return True

    def finish(self, trial: Trial) -> None:
        """Write the end of a running trial.

        Raises:
            StorageError: If the trial is still running, or has not begun.
        """
        if not trial.finished:
            raise StorageError(unfinished(trial))
        if trial.number not in self._trials:
            raise StorageError(unbegun(trial, self.header.name))
        if not self._trials[trial.number].finished:
            self._trials[trial.number] = trial
            self._left.discard(trial.number)

    def restart(self, trial: Trial, *, was: State) -> bool:
        """Write that a trial runs again; return False if its state is not `was`."""
        if self._trials[trial.number].state != was:
            return False
        self._trials[trial.number] = trial
        return True

    def refresh(self, *, everything: bool = False) -> list[Trial]:
        """Return an empty list, because every trial came from this record; or all trials."""
        return [self._trials[number] for number in sorted(self._trials)] if everything else []

    def claim(self) -> list[Trial]:
        """Return the trials that were running when the record was closed."""
        claimed = sorted(self._left)
        self._left.clear()
        return [self._trials[number] for number in claimed]

    def close(self, stop_reason: str | None) -> None:
        """End this run of the study; store the reason if the study has stopped."""
        self._left = {number for number, trial in self._trials.items() if not trial.finished}
        self.stop_reason = stop_reason or self.stop_reason
