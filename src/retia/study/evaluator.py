"""What an evaluator is, and how what a user writes becomes one."""

import ast
import dataclasses
import hashlib
import inspect
import textwrap
import time
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, update_wrapper
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from retia.errors import EvaluationError
from retia.space import Architecture, Domain
from retia.study.frozen import refuse_frozen
from retia.study.signature import FORMS, called, check_settings, is_function, name_of, needed_arguments
from retia.trial import CHECKPOINT, WEIGHTS, Run, TrialStopped

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
    "evaluator",
]

SCORE = "score"
"""The name of the metric of an evaluator that returns a bare number, unless the study's only open objective
has another.
"""

COUNTED = ("params", "train_seconds")
"""What a `ModelEvaluator` adds to the metrics."""


class Evaluator(Protocol):
    """Turns an architecture into metrics.

    Laws: the metrics are finite numbers by name, at least one; the same architecture and run give the same
    metrics on the CPU; whatever it raises fails the trial, not the study, unless it is the baseline's; an
    `InfeasibleArchitecture` ends the trial as infeasible.
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
    """An optional ability of an evaluator: fields of its own that are searched along with the
    architecture.
    """

    def parameters(self) -> Mapping[str, Domain]:
        """Return the domains by field; the architecture then holds a value for each."""
        ...


@runtime_checkable
class Costed(Protocol):
    """An optional ability of an evaluator: it knows how to count what a model costs, such as from the shape
    of its data.
    """

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
    """An optional ability of an evaluator: it says which fidelity is all of it, so that a strategy can't take
    another one for all.
    """

    @property
    def full_fidelity(self) -> float | None:
        """What it spends on a trial without a fidelity, such as epochs; None if that depends on the
        architecture.
        """
        ...


@runtime_checkable
class Releasing(Protocol):
    """An optional ability of an evaluator: it removes what a trial has kept only for one that would go on
    from it.
    """

    def release(self, directory: Path) -> None:
        """Remove it from the trial's folder; no trial will go on from there."""
        ...


@runtime_checkable
class Described(Protocol):
    """An optional ability of an evaluator: its settings as JSON, by which a resumed study sees that they have
    changed.
    """

    def describe(self) -> dict[str, Any]:
        """Return the settings."""
        ...


@dataclass(frozen=True)
class ModelEvaluator:
    """Builds the model and gives it to a function: `fit(model)` or `fit(model, run)`, which returns metrics
    or is a generator that yields them.

    Adds the model's number of parameters as `params` and the time that the function took as `train_seconds`,
    where it does not return metrics of these names itself. Of a generator the last thing yielded counts, or
    what it returns; of a trial with a fidelity, it yields so often at most. Afterwards the model's weights
    are saved in the trial's folder, unless the function has done so itself; if that fails, there is a
    `RuntimeWarning`, and the metrics count.

    Args:
        function: The function.
        settings: Keyword arguments of the function. Domains among them are searched along with the
            architecture.

    Raises:
        EvaluationError: If the function does not take one or two arguments beside its settings, or does not
            take a setting.
    """

    function: Callable[..., Any]
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)

    def __post_init__(self) -> None:
        check_settings(self.function, self.settings)
        needed = needed_arguments(self.function, beside=self.settings)
        if needed[0] == "architecture":
            msg = (
                f"{name_of(self.function)} takes an 'architecture', but a function that is not marked gets "
                "the model. Mark it with "
                f"@retia.architecture_evaluator, or name its argument 'model' if it is one.{FORMS}"
            )
            raise EvaluationError(msg)

    @cached_property
    def takes_run(self) -> bool:
        """Whether the function takes the `Run` beside the model."""
        return len(needed_arguments(self.function, beside=self.settings)) == 2

    def parameters(self) -> Mapping[str, Domain]:
        """Return the settings that are searched."""
        return {name: value for name, value in self.settings.items() if isinstance(value, Domain)}

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Build the model, call the function, and return its metrics."""
        space: Any = run.space
        if not hasattr(space, "build"):
            msg = (
                f"{name_of(self.function)} takes a model, but the space ({type(space).__name__}) builds "
                "none. Search a ModelSpace, or mark a "
                f"function of the architecture alone with @retia.architecture_evaluator."
            )
            raise EvaluationError(msg)
        settings = {
            name: architecture[name] if isinstance(value, Domain) else value
            for name, value in self.settings.items()
        }
        model = space.build(architecture, device=run.device)
        started = time.perf_counter()
        earlier = _stamp(run)
        try:
            result = _last(
                called(self.function, model, run, settings)
                if self.takes_run
                else self.function(model, **settings),
                run,
            )
        except (Exception, TrialStopped) as error:  # an interrupt leaves the saved state, as a kill does
            space.resumption(run).settle(completed=False)
            if isinstance(error, TrialStopped):
                _keep_weights(model, run, earlier)
            raise
        space.resumption(run).settle(completed=result is not None)
        if (
            result is None and run.resumed_step
        ):  # its process died after the last step, before the metrics were returned
            warnings.warn(
                "A trial that was cut off after its last step is trained again, for its metrics are lost.",
                RuntimeWarning,
                stacklevel=2,
            )
            return self(architecture, replace(run))
        seconds = time.perf_counter() - started
        metrics = as_metrics(result, name_of(self.function))
        _keep_weights(model, run, earlier)
        params = float(sum(parameter.numel() for parameter in model.parameters()))
        return {**dict(zip(COUNTED, (params, seconds), strict=True)), **metrics}

    def release(self, directory: Path) -> None:
        """Remove the state that a trial has saved, which no trial will go on from."""
        (directory / CHECKPOINT).unlink(missing_ok=True)

    def describe(self) -> dict[str, Any]:
        """Return the function's name, a hash of its source, and its settings."""
        described = _described(self.function)
        if self.settings:
            described["settings"] = {
                name: str(one) if isinstance(one, Domain) else _setting(one)
                for name, one in self.settings.items()
            }
        return described


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
            result = _last(result, run)
        return as_metrics(result, name_of(self.function))

    def describe(self) -> dict[str, Any]:
        """Return the function's name and a hash of its source."""
        return _described(self.function)


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


def evaluator(fit: Callable[..., Any], /, **settings: Any) -> ModelEvaluator:
    """Return the evaluator of a training loop of your own, with settings that may be searched.

    Args:
        fit: Function `fit(model, ...)` or `fit(model, run, ...)` that returns metrics, or a generator that
            yields them.
        settings: Keyword arguments of `fit`. A domain, such as `retia.Real`, is searched along with the
            architecture, and `fit` gets the value of the trial. Any other value is handed over as it is.

    Raises:
        EvaluationError: If `fit` does not take one or two arguments beside the settings, or does not take a
            setting.

    >>> from retia.space import Real
    >>> def fit(model, *, lr, epochs=3):
    ...     return {"score": lr * epochs}
    >>> list(evaluator(fit, lr=Real(1e-4, 1e-1, log=True)).parameters())
    ['lr']
    """
    if isinstance(fit, type | ArchitectureEvaluator | ModelEvaluator) or not callable(fit):
        msg = (
            f"retia.evaluator takes a function of the model, got {fit!r}. Give it the plain function.{FORMS}"
        )
        raise EvaluationError(msg)
    made = ModelEvaluator(fit, settings)
    refuse_frozen(made, EvaluationError)
    return made


def as_evaluator(evaluator: Any) -> Evaluator:
    """Return an evaluator as it is, or a function of the model as one.

    A function that needs one argument, or two, is `fit(model)` or `fit(model, run)`. An object with a method
    `__call__` that needs two arguments is an `Evaluator`, and gets the architecture and the run.

    Raises:
        EvaluationError: If `evaluator` is not a valid evaluator, or holds a choice, or a domain that it does
            not search.
    """
    refuse_frozen(evaluator, EvaluationError)
    if isinstance(evaluator, type) or not callable(evaluator):
        msg = f"{evaluator!r} is not an evaluator.{FORMS}"
        raise EvaluationError(msg)
    if isinstance(evaluator, ArchitectureEvaluator | ModelEvaluator):
        return evaluator
    if not is_function(evaluator) and len(needed_arguments(evaluator)) == 2:
        return cast("Evaluator", evaluator)
    return ModelEvaluator(evaluator)


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


def describe(evaluator: Evaluator) -> dict[str, Any]:
    """Return an evaluator's settings as JSON."""
    if isinstance(evaluator, Described):
        return evaluator.describe()
    fields = dataclasses.fields(evaluator) if dataclasses.is_dataclass(evaluator) else ()
    settings = {field.name: _setting(getattr(evaluator, field.name)) for field in fields if field.init}
    return {"type": _qualified(type(evaluator)), **settings}


def _last(result: Any, run: Run | None) -> Any:
    """Return the result; of a generator what it returns or yields last, as far as the fidelity lets it go,
    reporting all it yields.
    """
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
            step = max(step, run.resumed_step + 1)
            run.report(as_metrics(last, "A progress report"), step)
            if run.fidelity is not None and step >= round(run.fidelity):
                result.close()
                return last


def _stamp(run: Run) -> tuple[int, int] | None:
    """Return what tells the file of a trial's weights from one written later; None if there is no file."""
    if run.directory is None or not (path := run.directory / WEIGHTS).exists():
        return None
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def _keep_weights(model: Any, run: Run, earlier: tuple[int, int] | None) -> None:
    """Save a model's weights, unless they are not to be kept, or the evaluator has saved some since."""
    if run.directory is None or not run.keep_weights or _stamp(run) != earlier:
        return
    space: Any = run.space
    try:
        space.keep(model, run.directory / WEIGHTS)
    except Exception as error:  # noqa: BLE001  # a full disk, say: the metrics are worth more
        msg = (
            f"The weights of a trial can't be saved in '{run.directory}' ({type(error).__name__}: {error}). "
            "Its metrics are kept, but load() will find "
            f"no weights. Make room or give another folder, directory=, or set keep_weights='none'."
        )
        warnings.warn(msg, RuntimeWarning, stacklevel=3)


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


def _qualified(function: Any) -> str:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', '?')}.{name}"


def _setting(value: Any) -> Any:
    """Return a field as JSON: what is none by the name of its type, for its text may differ from process to
    process.
    """
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
