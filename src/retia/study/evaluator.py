"""What an evaluator is, and how what a user writes becomes one."""

import ast
import dataclasses
import hashlib
import inspect
import textwrap
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from retia.errors import EvaluationError
from retia.space import Architecture, Domain
from retia.study.frozen import refuse_frozen
from retia.trial import Run

__all__ = [
    "COUNTED",
    "SCORE",
    "ArchitectureEvaluator",
    "Budgeted",
    "CostEvaluator",
    "Costed",
    "Described",
    "Evaluator",
    "ModelEvaluator",
    "Releasing",
    "Searchable",
    "Supplying",
    "architecture_evaluator",
    "as_evaluator",
    "describe",
]

SCORE = "score"
"""The name of the metric of an evaluator that returns a bare number, unless the study's only open objective has another."""

COUNTED = ("params", "train_seconds")
"""What a `ModelEvaluator` adds to the metrics."""


class Evaluator(Protocol):
    """Turns an architecture into metrics.

    Laws: the metrics are finite numbers by name, at least one; the same architecture and run give the same metrics on the CPU;
    whatever it raises fails the trial, not the study, unless it is the baseline's; an `InfeasibleArchitecture` ends the trial as infeasible.
    """

    def __call__(self, architecture: Architecture, run: Run, /) -> Mapping[str, float]:
        """Evaluate one architecture."""
        ...


class CostEvaluator(Evaluator, Protocol):
    """An evaluator that is cheap enough to run before training, and says what it supplies."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics."""
        ...


@runtime_checkable
class Searchable(Protocol):
    """An optional ability of an evaluator: fields of its own that are searched along with the architecture."""

    def parameters(self) -> Mapping[str, Domain]:
        """Return the domains by field; the architecture then holds a value for each."""
        ...


@runtime_checkable
class Costed(Protocol):
    """An optional ability of an evaluator: it knows how to count what a model costs, such as from the shape of its data."""

    def costs(self) -> CostEvaluator:
        """Return the evaluator of the costs."""
        ...


@runtime_checkable
class Supplying(Protocol):
    """An optional ability of an evaluator: it says which metrics it will return."""

    @property
    def metrics_supplied(self) -> tuple[str, ...] | None:
        """The names of all metrics; None if the evaluator does not know them."""
        ...


@runtime_checkable
class Budgeted(Protocol):
    """An optional ability of an evaluator: it says which fidelity is all of it, so that a strategy can't take another one for all."""

    @property
    def full_fidelity(self) -> float | None:
        """What it spends on a trial without a fidelity, such as epochs; None if that depends on the architecture."""
        ...


@runtime_checkable
class Releasing(Protocol):
    """An optional ability of an evaluator: it removes what a trial has kept only for one that would go on from it."""

    def release(self, directory: Path) -> None:
        """Remove it from the trial's folder; no trial will go on from there."""
        ...


@runtime_checkable
class Described(Protocol):
    """An optional ability of an evaluator: its settings as JSON, by which a resumed study sees that they have changed."""

    def describe(self) -> dict[str, Any]:
        """Return the settings."""
        ...


@dataclass(frozen=True)
class ModelEvaluator:
    """Builds the model and gives it to a function: `model -> float | dict`, or a generator that yields these as it goes.

    Adds the model's number of parameters as `params` and the time that the function took as `train_seconds`, where it does not
    return metrics of these names itself. Of a generator the last thing yielded counts, or what it returns; of a trial with a fidelity, it
    yields so often at most.
    """

    function: Callable[[Any], Any]

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Build the model, call the function, and return its metrics."""
        space: Any = run.space
        if not hasattr(space, "build"):
            msg = (
                f"{_name(self.function)} takes a model, but the space ({type(space).__name__}) builds none. Search a ModelSpace, or mark a "
                f"function of the architecture alone with @retia.architecture_evaluator."
            )
            raise EvaluationError(msg)
        model = space.build(architecture, device=run.device)
        started = time.perf_counter()
        metrics = as_metrics(_last(self.function(model), run), _name(self.function))
        params = float(sum(parameter.numel() for parameter in model.parameters()))
        return {**dict(zip(COUNTED, (params, time.perf_counter() - started), strict=True)), **metrics}

    def describe(self) -> dict[str, Any]:
        """Return the function's name and a hash of its source."""
        return _described(self.function)


class ArchitectureEvaluator:
    """A function of the architecture alone; no model is built. Made by `architecture_evaluator`."""

    def __init__(self, function: Callable[[Architecture], Any]) -> None:
        self.function = function
        update_wrapper(self, function)

    def __call__(self, architecture: Architecture, run: Run | None = None) -> Mapping[str, float]:
        """Call the function and return its metrics."""
        result = self.function(architecture)
        if isinstance(result, Generator):
            result = _last(result, run)
        return as_metrics(result, _name(self.function))

    def describe(self) -> dict[str, Any]:
        """Return the function's name and a hash of its source."""
        return _described(self.function)


def architecture_evaluator(function: Callable[[Architecture], Any]) -> ArchitectureEvaluator:
    """Mark a function that judges an architecture without a model: a table, a formula, a service.

    >>> @architecture_evaluator
    ... def score(architecture):
    ...     return {"accuracy": 1 / architecture["depth"]}
    >>> score(Architecture({"depth": 4}))
    {'accuracy': 0.25}
    """
    return ArchitectureEvaluator(function)


def as_evaluator(evaluator: Any) -> Evaluator:
    """Return an evaluator as it is, or a function of the model as one.

    Raises:
        EvaluationError: If it is neither, or holds a choice, or a domain that it does not search.
    """
    refuse_frozen(evaluator, EvaluationError)
    if isinstance(evaluator, type) or not callable(evaluator):
        msg = (
            f"An evaluator is a function model -> metrics, a function marked with @retia.architecture_evaluator, or an object such as "
            f"retia.Classification(...), got {evaluator!r}."
        )
        raise EvaluationError(msg)
    if isinstance(evaluator, ArchitectureEvaluator | ModelEvaluator):
        return evaluator
    return cast("Evaluator", evaluator) if _needed_arguments(evaluator) == 2 else ModelEvaluator(evaluator)


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
        msg = f"{source} must return a number or a mapping of names to numbers, got {result!r}.{hint} Return the metrics, such as {{'accuracy': 0.93}}."
        raise EvaluationError(msg)
    return {SCORE: number}


def describe(evaluator: Evaluator) -> dict[str, Any]:
    """Return an evaluator's settings as JSON."""
    if isinstance(evaluator, Described):
        return evaluator.describe()
    fields = dataclasses.fields(evaluator) if dataclasses.is_dataclass(evaluator) else ()
    settings = {field.name: _setting(getattr(evaluator, field.name)) for field in fields if field.init}
    return {"type": _qualified(type(evaluator)), **settings}


def _needed_arguments(function: Callable[..., Any]) -> int:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a builtin without a signature
        return 1
    needed = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty]
    if len(needed) not in (1, 2):
        msg = (
            f"An evaluator takes a model, or an architecture and a run; {_name(function)} needs {len(needed)} arguments. Fix the others with functools.partial."
        )
        raise EvaluationError(msg)
    return len(needed)


def _last(result: Any, run: Run | None) -> Any:
    """Return the result; of a generator what it returns or yields last, as far as the fidelity lets it go, reporting all it yields."""
    if not isinstance(result, Generator):
        return result
    last, step = None, 0
    while True:
        try:
            last = next(cast("Generator[Any]", result))
        except StopIteration as stop:
            return last if stop.value is None else stop.value
        step += 1
        if run is not None:
            run.report(as_metrics(last, "A progress report"), step)
            if run.fidelity is not None and step >= round(run.fidelity):
                result.close()
                return last


def _no_metrics(source: str, got: str) -> str:
    return f"{source} must return a mapping of names to numbers, got {got}. Return the metrics, such as {{'accuracy': 0.93}}."


def _number(value: Any) -> float | None:
    if type(value) is float:
        return value
    if isinstance(value, bool | str | bytes) or value is None:
        return float(value) if isinstance(value, bool) else None
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):  # no number, or a tensor of several
        return None


def _name(function: Any) -> str:
    return f"{getattr(function, '__qualname__', None) or type(function).__qualname__}()"


def _qualified(function: Any) -> str:
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def _setting(value: Any) -> Any:
    """Return a field as JSON: what is none by the name of its type, for its text may differ from process to process."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [_setting(item) for item in cast("Sequence[Any]", value)]
    return _qualified(value) if callable(value) else {"type": _qualified(type(value))}


def _described(function: Any) -> dict[str, Any]:
    description = {"function": _qualified(function)}
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # no source, or a lambda in the middle of a line
        return description
    return {**description, "source": hashlib.blake2b(ast.dump(tree).encode(), digest_size=8).hexdigest()}
