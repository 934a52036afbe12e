"""Trials as flat rows for a data frame, and as JSON."""

from typing import Any

from retia.study import StudyResults
from retia.trial import Trial

__all__ = ["record", "records"]


def records(study: StudyResults) -> list[dict[str, Any]]:
    """Return a flat row for each trial, all with the same keys: `pandas.DataFrame(records(study))`.

    Metrics are under `metrics.<name>`, and values of the architecture under `architecture.<label>`; missing
    ones are None.
    """
    front = {trial.number for trial in study.history.front}
    trials = list(study.trials)
    metrics = dict.fromkeys(name for trial in trials for name in trial.metrics)
    labels = dict.fromkeys(label for trial in trials for label in trial.architecture)
    return [
        {
            "number": trial.number,
            "state": trial.state,
            "front": trial.number in front,
            "fidelity": trial.fidelity,
            "parent": trial.parent,
            "started": trial.started,
            "ended": trial.ended,
            "seconds": trial.seconds,
            "error": trial.error,
            **{f"metrics.{name}": trial.metrics.get(name) for name in metrics},
            **{f"architecture.{label}": trial.architecture.get(label) for label in labels},
        }
        for trial in trials
    ]


def record(trial: Trial) -> dict[str, Any]:
    """Return one trial as a nested JSON object."""
    return {
        "number": trial.number,
        "state": trial.state,
        "metrics": dict(trial.metrics),
        "architecture": dict(trial.architecture),
        "key": trial.architecture.key,
        "fidelity": trial.fidelity,
        "parent": trial.parent,
        "started": trial.started,
        "ended": trial.ended,
        "seconds": trial.seconds,
        "error": trial.error,
        "attempts": [
            {"error": one.error, "started": one.started, "ended": one.ended} for one in trial.attempts
        ],
        "progress": [dict(step) for step in trial.progress],
        "directory": None if trial.directory is None else str(trial.directory),
    }
