"""What failed, in words."""

from retia.report.number import compact
from retia.study import Study
from retia.trial import Trial
from retia.visible import visible_lines

__all__ = ["failure", "failures"]

LINES = 8
"""How many of the last lines of a traceback are shown."""


def failure(trial: Trial) -> str:
    """Return the architecture of a failed trial and the last lines of its traceback."""
    lines = visible_lines((trial.error or "").rstrip()).splitlines()
    shown = "\n".join(f"  {line}" for line in (["..."] if len(lines) > LINES else []) + lines[-LINES:])
    return f"trial {trial.number} failed ({compact(trial.architecture)}):\n{shown}"


def failures(study: Study) -> str:
    """Return how many trials of a study failed, and how they are tried again."""
    return (
        f"{study.history.count('failed')} of them failed (to try these again: retry_failed=True, "
        "or --retry-failed)"
    )
