"""The retries of failed trials."""

import time

from retia.storage import TrialWriter
from retia.trial import History, Trial

__all__ = ["started_again"]


def started_again(history: History, record: TrialWriter) -> tuple[list[Trial], History]:
    """Start the failed trials of a study again, except those that another process has started.

    Returns:
        The restarted trials, and a new history with them, because a history never removes a result.
    """
    now = time.time()
    again = [trial.again(trial.error or "", at=now) for trial in history.unusable if trial.state == "failed"]
    again = [trial for trial in again if record.restart(trial, was="failed")]
    changed = {trial.number: trial for trial in again}
    return again, History(
        history.objectives, history.constraints, (changed.get(trial.number, trial) for trial in history)
    )
