"""Functions that judge an architecture without a model."""

from collections.abc import Callable, Generator, Mapping
from functools import partial, update_wrapper
from typing import Any

from retia.space import Architecture
from retia.study.metrics import as_metrics
from retia.study.progress import last_result
from retia.study.signature import called, name_of, needed_arguments
from retia.trial import Capabilities, Run, function_as_json

__all__ = ["ArchitectureEvaluator", "architecture_evaluator"]


class ArchitectureEvaluator:
    """A function of the architecture, or of the architecture and the run; no model is built. Made by
    `architecture_evaluator`.

    Raises:
        EvaluationError: If the function does not take one or two arguments.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.takes_run = len(needed_arguments(function)) == 2
        update_wrapper(self, function)

    def __call__(self, architecture: Architecture, run: Run | None = None) -> Mapping[str, float]:
        """Call the function and return its metrics."""
        result = (
            called(self.function, architecture, run, {}) if self.takes_run else self.function(architecture)
        )
        if isinstance(result, Generator):
            result = last_result(result, run)
        return as_metrics(result, name_of(self.function))

    def capabilities(self) -> Capabilities:
        """Return the settings: the function's name and a hash of its source."""
        return Capabilities(settings=partial(function_as_json, self.function))


def architecture_evaluator(function: Callable[..., Any]) -> ArchitectureEvaluator:
    """Mark a function that judges an architecture without a model: a table, a formula, a service. It takes
    the architecture, or also the `Run`.

    Raises:
        EvaluationError: If the function does not take one or two arguments.

    >>> @architecture_evaluator
    ... def score(architecture):
    ...     return {"accuracy": 1 / architecture["depth"]}
    >>> score(Architecture({"depth": 4}))
    {'accuracy': 0.25}
    """
    return ArchitectureEvaluator(function)
