"""A study's record in memory: for a study that needs no storage, and for tests."""

import uuid

from retia.errors import StorageError
from retia.storage.header import Header
from retia.storage.record import unbegun, unfinished
from retia.trial import State, Trial

__all__ = ["MemoryRecord"]


class MemoryRecord:
    """Keep the trials of one study in this process; see `StudyRecord` for the laws.

    No other record shares it, so `refresh` has nothing to tell unless it is asked for everything; `claim`
    returns what was running when the record was closed.
    """

    def __init__(self, header: Header) -> None:
        self.header = header
        self.uid = uuid.uuid4().hex
        self.stop_reason: str | None = None
        self._trials: dict[int, Trial] = {}
        self._left: set[int] = set()

    def begin(self, trial: Trial) -> bool:
        """Write a new trial; False if its number is taken."""
        if trial.number in self._trials:
            return self._trials[trial.number] == trial
        self.stop_reason = None
        self._trials[trial.number] = trial
        return True

    def finish(self, trial: Trial) -> None:
        """Write how a running trial ended.

        Raises:
            StorageError: If the trial has not ended, or never began.
        """
        if not trial.finished:
            raise StorageError(unfinished(trial))
        if trial.number not in self._trials:
            raise StorageError(unbegun(trial, self.header.name))
        if not self._trials[trial.number].finished:
            self._trials[trial.number] = trial
            self._left.discard(trial.number)

    def restart(self, trial: Trial, *, was: State) -> bool:
        """Write that a trial starts again; False if it is not in the state that it was in."""
        if self._trials[trial.number].state != was:
            return False
        self._trials[trial.number] = trial
        return True

    def refresh(self, *, everything: bool = False) -> list[Trial]:
        """Return nothing, for whatever is here came from this record; or everything."""
        return [self._trials[number] for number in sorted(self._trials)] if everything else []

    def claim(self) -> list[Trial]:
        """Return the trials that were running when the record was closed."""
        claimed = sorted(self._left)
        self._left.clear()
        return [self._trials[number] for number in claimed]

    def close(self, stop_reason: str | None) -> None:
        """End this run of the study, and note why it stopped, if it did."""
        self._left = {number for number, trial in self._trials.items() if not trial.finished}
        self.stop_reason = stop_reason or self.stop_reason
