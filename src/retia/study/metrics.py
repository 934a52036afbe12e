"""The metrics that an evaluator returns."""

from collections.abc import Mapping
from typing import Any, cast

from retia.errors import EvaluationError

__all__ = ["MODEL_METRICS", "SCORE", "as_metrics"]

SCORE = "score"
"""Name of the metric of an evaluator that returns a number; see `Job` for when the study renames it."""

MODEL_METRICS = ("params", "train_seconds")
"""Metrics that a `ModelEvaluator` adds."""


def as_metrics(result: Any, source: str) -> dict[str, float]:
    """Return the result of an evaluator as metrics; a number becomes the metric "score".

    Raises:
        EvaluationError: If `result` is not a number or a mapping of names to numbers.
    """
    if isinstance(result, Mapping):
        metrics: dict[str, float] = {}
        for name, value in cast("Mapping[Any, Any]", result).items():
            number = _number(value)
            if number is None or not isinstance(name, str):
                raise EvaluationError(_no_metrics(source, f"{name!r}: {value!r}"))
            metrics[name] = number
        if not metrics:
            raise EvaluationError(_no_metrics(source, "an empty one"))
        return metrics
    number = _number(result)
    if number is None:
        hint = " Is a return missing?" if result is None else ""
        msg = (
            f"{source} must return a number or a mapping of names to numbers, "
            f"got {result!r}.{hint} Return the metrics, such as {{'accuracy': 0.93}}."
        )
        raise EvaluationError(msg)
    return {SCORE: number}


def _no_metrics(source: str, got: str) -> str:
    return (
        f"{source} must return a mapping of names to numbers, got {got}. Return the metrics, "
        f"such as {{'accuracy': 0.93}}."
    )


def _number(value: Any) -> float | None:
    if type(value) is float:
        return value
    if isinstance(value, bool | str | bytes) or value is None:
        return float(value) if isinstance(value, bool) else None
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):  # no number, or a tensor of several
        return None
