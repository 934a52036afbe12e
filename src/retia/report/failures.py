"""Failed trials in words."""

from retia.report.number import architecture_line
from retia.study import StudyResults
from retia.trial import Trial
from retia.visible import visible_lines

__all__ = ["failure", "failures"]

LINES = 8
"""The number of lines of a traceback that are shown."""


def failure(trial: Trial) -> str:
    """Return the architecture of a failed trial and the last lines of its traceback."""
    lines = visible_lines((trial.error or "").rstrip()).splitlines()
    shown = "\n".join(f"  {line}" for line in (["..."] if len(lines) > LINES else []) + lines[-LINES:])
    return f"trial {trial.number} failed ({architecture_line(trial.architecture)}):\n{shown}"


def failures(study: StudyResults) -> str:
    """Return the number of failed trials, and how to retry them."""
    return (
        f"{study.history.count('failed')} of them failed (to try these again: retry_failed=True, "
        "or --retry-failed)"
    )
