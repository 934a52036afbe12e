"""A cursor over a history."""

from retia.trial import History, Trial

__all__ = ["Cursor"]


class Cursor:
    """Reads every trial of a history once when it has begun and once when it has ended.

    Args:
        history: The trials of the study.

    Attributes:
        running: Numbers of the trials that had not ended at the last call of `read`.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.running: list[int] = []
        self._next = 0

    def read(self) -> tuple[list[Trial], list[Trial]]:
        """Return the trials that have begun since the last call, and those that have ended since then.

        A trial that has both begun and ended is in both lists.
        """
        begun = [self.history[number] for number in self.history.numbers_from(self._next)]
        trials = [*(self.history[number] for number in self.running), *begun]
        self.running = [trial.number for trial in trials if not trial.finished]
        self._next = self.history.next_number
        return begun, [trial for trial in trials if trial.finished]
