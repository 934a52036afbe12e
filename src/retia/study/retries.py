"""Failed trials that are started again."""

import time

from retia.storage import TrialWriter
from retia.trial import History, Trial

__all__ = ["started_again"]


def started_again(history: History, record: TrialWriter) -> tuple[list[Trial], History]:
    """Start the failed trials of a study again, but those that another process has started.

    Returns:
        The trials as running, and the history with them. It is another one, for what a strategy has seen of a
        history only grows.
    """
    now = time.time()
    again = [trial.again(trial.error or "", at=now) for trial in history.unusable if trial.state == "failed"]
    again = [trial for trial in again if record.restart(trial, was="failed")]
    changed = {trial.number: trial for trial in again}
    return again, History(
        history.objectives, history.constraints, (changed.get(trial.number, trial) for trial in history)
    )
