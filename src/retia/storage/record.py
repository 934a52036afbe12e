"""The record of one study, as the study's loop sees it."""

from typing import Protocol

from retia.storage.header import Header
from retia.trial import State, Trial

__all__ = ["StudyReader", "StudyRecord", "TrialWriter", "unbegun", "unfinished"]


class StudyReader(Protocol):
    """What reports need of a stored study.

    Laws: The trials that `refresh` returns equal what was written, with labels and metrics in their order;
    `directory` and `space` are not stored. All calls of `refresh` together return each trial of another
    record at least once, running or ended, and its end exactly once. They never return a trial that this
    record began, unless another record ended it.
    """

    @property
    def header(self) -> Header:
        """The header of the study, as it is stored."""
        ...

    @property
    def uid(self) -> str:
        """The id that the study got when it was first stored; it differs from that of any other study."""
        ...

    def refresh(self, *, everything: bool = False) -> list[Trial]:
        """Return what other records have begun or ended since the last call, by number.

        Args:
            everything: Whether to return all trials, including this record's own. The first call returns all
                trials in any case.

        Raises:
            StorageError: If the storage can't be read.
        """
        ...


class TrialWriter(Protocol):
    """What writes the trials of a study.

    Laws: A number is given once: of all calls of `begin` with it, in all processes, one returns True. Of all
    calls of `restart` after one failure, one returns True; a record that has seen the failure does not see
    the new attempt. Of all calls of `finish` for one attempt, the first stands, and a later caller finds it
    in its next `refresh`. What a call has written when it returns survives the death of the process. A call
    may be repeated after an interrupt or an error, with the same result: a `begin` that finds the row that it
    wrote itself returns True. The cost of a call does not grow with the number of trials.
    """

    def begin(self, trial: Trial) -> bool:
        """Write a new trial, running or already ended (infeasible, say); return False if its number is taken.

        Raises:
            StorageError: If it can't be written.
        """
        ...

    def finish(self, trial: Trial) -> None:
        """Write the end of a running trial.

        Raises:
            StorageError: If the trial is still running, has not begun, or can't be written.
        """
        ...

    def restart(self, trial: Trial, *, was: State) -> bool:
        """Write that a trial, with its earlier attempts, runs again; return False if its state is not `was`.

        Raises:
            StorageError: If it can't be written.
        """
        ...


class StudyRecord(StudyReader, TrialWriter, Protocol):
    """One process's hold on a study, to run it; several processes may each hold a record of one study.

    Laws, besides those of the two parts: A running trial whose record is closed, or whose process is gone, is
    claimed exactly once, by one record. A closed record may be used again: it continues as a new run of the
    study, which can claim what the earlier run left running. Numbers are begun in order; a deleted row leaves
    a gap. A record serves one thread at a time. `retia.testing.storage` tests all laws.
    """

    def claim(self) -> list[Trial]:
        """Take over the running trials whose run has ended or whose process is gone; return them by number.

        Raises:
            StorageError: If they can't be written.
        """
        ...

    def close(self, stop_reason: str | None) -> None:
        """End this run of the study and close the storage; store the reason if the study has stopped."""
        ...


def unfinished(trial: Trial) -> str:
    """Return the error message for a running trial that is to be finished."""
    return (
        f"Only a trial that has ended can be finished, got trial {trial.number}, which is running. "
        "Finish trial.end(state, at=...)."
    )


def unbegun(trial: Trial, name: str) -> str:
    """Return the error message for a trial that is finished before it has begun."""
    return (
        f"Trial {trial.number} of study '{name}' never began, so it can't be finished. Begin it first: "
        "record.begin(trial)."
    )
