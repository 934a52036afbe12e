"""A trial as a row of JSON and numbers, and back. Nothing is unpickled."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from retia.errors import StorageError
from retia.space import Architecture, Value, freeze
from retia.storage.header import UNREADABLE
from retia.trial import Attempt, Direction, Limits, Objective, Progress, State, Trial

__all__ = ["COLUMNS", "ending_of", "restart_of", "row_of", "trial_of"]

COLUMNS = (
    "number",
    "key",
    "architecture",
    "state",
    "metrics",
    "fidelity",
    "parent",
    "error",
    "started",
    "ended",
    "progress",
    "limits",
    "attempts",
)
"""The columns that `trial_of` reads, in order."""


_STATES: dict[str, State] = {state: state for state in get_args(State)}


def row_of(trial: Trial) -> dict[str, Any]:
    """Return the columns of a trial, except the study and the run."""
    return {
        "number": trial.number,
        # Not the canonical JSON: the labels keep their order, because a strategy may depend on it.
        "architecture": json.dumps(dict(trial.architecture.items())),
        "key": trial.architecture.key,
        "fidelity": trial.fidelity,
        "parent": trial.parent,
        "limits": None if trial.limits is None else _limits_to_json(trial.limits),
        **restart_of(trial),
    }


def restart_of(trial: Trial) -> dict[str, Any]:
    """Return the columns that change when a trial starts again."""
    attempts = [[_storable(one.error), one.started, one.ended] for one in trial.attempts]
    return {**ending_of(trial), "attempts": json.dumps(attempts)}


def ending_of(trial: Trial) -> dict[str, Any]:
    """Return the columns that the end of a trial changes."""
    return {
        "state": trial.state,
        "metrics": _numbers_to_json(trial.metrics),
        "error": None if trial.error is None else _storable(trial.error),
        "progress": "[]"
        if not trial.progress
        else f"[{', '.join(_numbers_to_json(one) for one in trial.progress)}]",
        "started": trial.started,
        "ended": trial.ended,
    }


def trial_of(row: Sequence[Any], where: str) -> Trial:
    """Read the `COLUMNS` that `row_of` wrote.

    Args:
        row: Values of the columns.
        where: Study and storage, for error messages.

    Raises:
        StorageError: If the values are not a valid trial.
    """
    try:
        return _trial(row)
    except UNREADABLE as cause:
        reason = f"{type(cause).__name__}: {cause}"
        msg = (
            f"Trial {row[0]!r} of {where} can't be read ({reason}). Another program changed its row. "
            "Restore or delete the row."
        )
        raise StorageError(msg) from cause


def _trial(row: Sequence[Any]) -> Trial:
    (
        number,
        key,
        architecture,
        state,
        metrics,
        fidelity,
        parent,
        error,
        started,
        ended,
        progress,
        limits,
        attempts,
    ) = row
    if (
        type(number) is not int
        or number < 0
        or (parent is not None and (type(parent) is not int or parent >= number))
    ):
        msg = (
            f"trial {number!r} with the parent {parent!r}; a number is a whole number, "
            "and a parent is an earlier trial"
        )
        raise ValueError(msg)
    if error is not None and type(error) is not str:
        msg = f"the error {error!r} is not a string"
        raise TypeError(msg)
    return Trial(
        number,
        _architecture(architecture, key),
        _STATES[state],
        metrics=_numbers(json.loads(metrics)),
        fidelity=None if fidelity is None else float(fidelity),
        parent=parent,
        error=error,
        started=float(started),
        ended=None if ended is None else float(ended),
        progress=_progress(progress),
        limits=None if limits is None else _limits(json.loads(limits)),
        attempts=() if attempts == "[]" else tuple(map(_attempt, json.loads(attempts))),
    )


def _attempt(values: Any) -> Attempt:
    error, started, ended = values
    if type(error) is not str:
        msg = f"the error {error!r} of an attempt is not a string"
        raise TypeError(msg)
    return Attempt(error, float(started), float(ended))


def _architecture(text: str, key: str) -> Architecture:
    values: dict[str, Value] = {**json.loads(text)}
    if "[" in text:
        values = {label: freeze(value) for label, value in values.items()}
    architecture = Architecture.trusted(values)
    if architecture.key != key:
        msg = f"the architecture {text} does not match its key {key!r}"
        raise ValueError(msg)
    return architecture


def _progress(text: str) -> Progress:
    return () if text == "[]" else tuple(_numbers(one) for one in json.loads(text))


def _limits_to_json(limits: Limits) -> str:
    objective = limits.objective
    return json.dumps(
        {
            "metric": objective.metric,
            "direction": objective.direction,
            "steps": [[_finite(step), _finite(loss)] for step, loss in limits.steps],
            "best": _finite(limits.best),
        },
        default=float,
    )


def _limits(stored: Mapping[str, Any]) -> Limits:
    steps = tuple((float(step), float(loss)) for step, loss in stored["steps"])
    if stored["direction"] not in get_args(Direction):
        msg = f"the direction of the limits is {stored['direction']!r}"
        raise ValueError(msg)
    return Limits(Objective(stored["metric"], stored["direction"]), steps, float(stored["best"]))


def _numbers_to_json(numbers: Mapping[str, float]) -> str:
    """Write numbers as JSON, with numbers that are not finite as strings that `float` reads."""
    return json.dumps({name: _finite(value) for name, value in numbers.items()}, default=float)


def _finite(value: float) -> float | str:
    return value if math.isfinite(value) else str(float(value))


def _numbers(stored: Mapping[str, Any]) -> dict[str, float]:
    numbers = {name: float(value) if isinstance(value, str) else value for name, value in stored.items()}
    for name, value in numbers.items():
        if type(value) is not float and type(value) is not int:
            msg = f"'{name}' is {value!r}, which is not a number"
            raise TypeError(msg)
    return numbers


def _storable(text: str) -> str:
    # PostgreSQL can't store a zero character, and neither database can store half a surrogate pair.
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
