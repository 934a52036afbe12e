"""Which arguments a function takes that a user gives as an evaluator."""

import inspect
from collections.abc import Callable, Collection, Mapping
from functools import partial
from types import CodeType
from typing import Any, cast

from retia.errors import EvaluationError
from retia.trial import Run

__all__ = ["FORMS", "called", "check_settings", "is_function", "name_of", "needed_arguments", "uses"]

FORMS = (
    " An evaluator is a function fit(model) or fit(model, run), which returns metrics or is a generator "
    "that yields them; "
    "retia.evaluator(fit, lr=...) with its settings; a function of the architecture, "
    "or of the architecture and the run, marked with "
    "@retia.architecture_evaluator; or an object that is called with both, such as retia.Classification(...)."
)
"""What an error says about the forms of an evaluator."""


def is_function(evaluator: Any) -> bool:
    """Whether an evaluator is a function, a method, or a partial or wrapped one, as opposed to an object with
    a method `__call__`.
    """
    while isinstance(evaluator, partial):
        evaluator = cast("Any", evaluator).func
    return inspect.isroutine(inspect.unwrap(evaluator))


def _signature(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a builtin without a signature
        return None


def needed_arguments(function: Callable[..., Any], beside: Collection[str] = ()) -> list[str]:
    """Return the names of the one or two arguments that a function needs beside its settings.

    Raises:
        EvaluationError: If it needs more or fewer.
    """
    _refuse_async(function)
    parameters = _signature(function)
    if parameters is None:
        return ["model"]
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [
        one
        for one in parameters
        if one.kind not in variable and one.name not in beside and (one.default is one.empty or _is_run(one))
    ]
    names = [one.name for one in needed]
    named = [one.name for one in needed if one.kind is one.KEYWORD_ONLY and one.name != "run"]
    if len(needed) not in (1, 2) or named or needed[0].kind is inspect.Parameter.KEYWORD_ONLY:
        msg = (
            f"{name_of(function)} needs {len(names)} arguments, {names}. "
            f"Give the others to retia.evaluator or functools.partial, as keywords.{FORMS}"
        )
        raise EvaluationError(msg)
    if _is_run(needed[0]):
        msg = f"{name_of(function)} takes the run first, {names}. Put the model first.{FORMS}"
        raise EvaluationError(msg)
    if len(needed) == 2 and not _is_run(needed[1]):
        msg = (
            f"{name_of(function)} needs '{names[1]}' beside '{names[0]}'. Name it 'run' if it is the trial's "
            f"Run. If it is a setting, give its value: retia.evaluator(fit, {names[1]}=...).{FORMS}"
        )
        raise EvaluationError(msg)
    return names


def _is_run(parameter: inspect.Parameter) -> bool:
    """Whether a parameter takes the trial's `Run`: by its name or annotation; one that is not used, such as
    "_", may take it.
    """
    annotation = getattr(parameter.annotation, "__name__", parameter.annotation)
    return parameter.name == "run" or parameter.name.startswith("_") or annotation in ("Run", "retia.Run")


def _refuse_async(function: Callable[..., Any]) -> None:
    for one in (function, getattr(function, "__call__", None)):  # noqa: B004  # its type is looked at
        if inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one):
            msg = f"{name_of(function)} is asynchronous, and no event loop runs it. Write a plain def.{FORMS}"
            raise EvaluationError(msg)


def check_settings(function: Callable[..., Any], settings: Mapping[str, Any]) -> None:
    """Refuse a setting that a function does not take as a keyword.

    Raises:
        EvaluationError: If there is one.
    """
    parameters = _signature(function)
    if not settings or parameters is None or any(one.kind is one.VAR_KEYWORD for one in parameters):
        return
    taken = [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    for name in settings:
        if name not in taken:
            msg = (
                f"{name_of(function)} takes no argument '{name}'; it takes {taken}. "
                "Give retia.evaluator arguments of the function."
            )
            raise EvaluationError(msg)


def called(function: Callable[..., Any], first: Any, run: Run | None, settings: Mapping[str, Any]) -> Any:
    """Call a function of a model or an architecture, with the run if it takes it, whose folder then
    exists.
    """
    needed = needed_arguments(function, beside=settings)
    if len(needed) == 1:
        return function(first, **settings)
    if run is not None and run.directory is not None:
        run.directory.mkdir(parents=True, exist_ok=True)
    parameter = next(one for one in _signature(function) or () if one.name == needed[1])
    if parameter.kind is parameter.POSITIONAL_ONLY:
        return function(first, run, **settings)
    return function(first, **{needed[1]: run, **settings})


def name_of(function: Any) -> str:
    """Return the name of a function as an error shows it."""
    return f"{getattr(function, '__qualname__', None) or type(function).__qualname__}()"


def uses(function: Callable[..., Any], *names: str) -> bool:
    """Return whether the code of a function, or of a function inside it, uses one of the attributes; True
    where there is no Python code to look at.
    """
    while isinstance(function, partial):
        function = function.func
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:  # an object with a method __call__
        code = getattr(vars(type(function)).get("__call__"), "__code__", None)
    return code is None or _names_in(code, names)


def _names_in(code: CodeType, names: Collection[str]) -> bool:
    inner = (one for one in code.co_consts if isinstance(one, CodeType))
    return any(name in code.co_names for name in names) or any(_names_in(one, names) for one in inner)
