"""The metrics that an evaluator returns."""

from collections.abc import Mapping
from typing import Any, cast

from retia.errors import EvaluationError

__all__ = ["COUNTED", "SCORE", "as_metrics"]

SCORE = "score"
"""The name of the metric of an evaluator that returns a bare number, unless the study's only open objective
has another.
"""

COUNTED = ("params", "train_seconds")
"""What a `ModelEvaluator` adds to the metrics."""


def as_metrics(result: Any, source: str) -> dict[str, float]:
    """Return what an evaluator returned as metrics; a bare number is the metric "score".

    Raises:
        EvaluationError: If it is no number and no mapping of names to numbers.
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
