"""The error message of a study without a result."""

from retia.trial import History

__all__ = ["no_result"]


def no_result(name: str, history: History) -> str:
    """Return why a study has no best trial, and what to do."""
    completed, failed = history.count("completed"), history.count("failed")
    if completed:
        bounds = " and ".join(str(constraint) for constraint in history.constraints)
        return (
            f"Not one of the {completed} completed trials of '{name}' meets {bounds}. Loosen the bound, "
            "or search on."
        )
    if failed:
        error = next(trial.error or "" for trial in history.unusable if trial.state == "failed")
        return f"No trial of '{name}' completed; {failed} failed, the first with:\n{error}"
    return f"The study '{name}' has no completed trial yet. Run it: study.run(strategy, trials=...)."
