"""The record of one study, as the study's loop sees it."""

from typing import Protocol

from retia.storage.header import Header
from retia.trial import State, Trial

__all__ = ["StudyRecord", "unbegun", "unfinished"]


class StudyRecord(Protocol):
    """Where a study keeps its trials; several processes may each hold a record of the same study.

    Laws, which `retia.testing.storage` checks:

    - A number is given once: of all calls of `begin` with it, in all processes, one returns True.
    - What a call wrote when it returns survives the death of the process.
    - An attempt at a trial ends once: the first `finish` stands, and a later caller finds it in its next
      `refresh`.
    - What `refresh` and `claim` return equals what was written; labels and metrics keep their order.
      `directory` and `space` are not kept.
    - All calls of `refresh` together show each trial of another record at least once running or ended, and
      its end exactly once; never a trial that this record began, unless another record ended it.
    - A running trial whose record is closed, or whose process is gone, is claimed exactly once, by one
      record.
    - A closed record may be used again: it goes on as a new run of the study, to which what it left running
      is claimable.
    - `begin`, `finish` and `claim` may be called again after an interrupt or an error, with the same result:
      a `begin` that finds the row that it wrote itself returns True.
    - Numbers are begun in their order. Rows may be deleted; their numbers are missing then.
    - A failed trial is started again once: of all calls of `restart` after one failure, in all processes, one
      returns True. Another record that has seen the failure does not see the new attempt.
    - The cost of `begin` and `finish` does not grow with the number of trials.

    A record serves one thread at a time.
    """

    @property
    def header(self) -> Header:
        """What makes the study, as it is stored."""
        ...

    @property
    def uid(self) -> str:
        """The id that the study was given when it was first stored, unlike that of any other study."""
        ...

    def begin(self, trial: Trial) -> bool:
        """Write a new trial, which runs or (infeasible, say) has ended already; False if its number is taken.

        Raises:
            StorageError: If it can't be written.
        """
        ...

    def finish(self, trial: Trial) -> None:
        """Write how a running trial ended.

        Raises:
            StorageError: If the trial has not ended, or never began, or can't be written.
        """
        ...

    def restart(self, trial: Trial, *, was: State) -> bool:
        """Write that a trial starts again, with its earlier attempts; False if it is no longer in the state
        `was`.

        Raises:
            StorageError: If it can't be written.
        """
        ...

    def refresh(self, *, everything: bool = False) -> list[Trial]:
        """Return what other records have begun or ended since the last call, by number; the first call
        returns all there is.

        Args:
            everything: Whether to return all there is, this record's own trials too, as if nothing was known.

        Raises:
            StorageError: If it can't be read.
        """
        ...

    def claim(self) -> list[Trial]:
        """Take over the running trials whose run has ended or whose process is gone, and return them by
        number.

        Raises:
            StorageError: If they can't be written.
        """
        ...

    def close(self, stop_reason: str | None) -> None:
        """End this run of the study, let go of the storage, and note why the study stopped, if it did."""
        ...


def unfinished(trial: Trial) -> str:
    """Say that only an ended trial can be written as finished."""
    return (
        f"Only a trial that has ended can be finished, got trial {trial.number}, which is running. "
        "Finish trial.end(state, at=...)."
    )


def unbegun(trial: Trial, name: str) -> str:
    """Say that a trial must begin before it ends."""
    return (
        f"Trial {trial.number} of study '{name}' never began, so it can't be finished. Begin it first: "
        "record.begin(trial)."
    )
