"""Declarations: what a user writes in a plain constructor to say what may change."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar, cast

from retia.errors import SpaceError
from retia.space.categorical import Categorical
from retia.space.domain import Domain
from retia.space.expression import Call
from retia.space.integer import Integer
from retia.space.label import check_label, labelled
from retia.space.real import Real
from retia.space.recorder import active_recorder
from retia.space.stray import refuse_in_forward, stray_value
from retia.space.subset import Subset
from retia.space.symbolic import concrete, expression_of, lift, symbolic

__all__ = ["apply", "choice", "declare", "integer", "real", "scope", "subset"]

T = TypeVar("T")
_UNSET: Any = ...


def declare(label: str, domain: Domain) -> Any:
    """Declare a parameter of any domain and return its value.

    Outside a search it is the default. While a space is traced it is a symbolic value, which is an int, float
    or str like any other; while a model is built, the plain value of the architecture.

    Raises:
        SpaceError: If the label is declared in the same scope with another domain, or while a model is
            called.
    """
    recorder = active_recorder()
    if recorder is None:
        refuse_in_forward(label)
        return domain.default
    return recorder.declare(recorder.qualify(label), domain)


@labelled("choice('width', [16, 32])")
def choice(label: str, values: Iterable[T] = _UNSET, *, default: T = _UNSET) -> T:
    """Choose one of several values.

    Args:
        label: The parameter's name, unique in its scope. The same label with the same values is the same
            choice. One that starts with "/" names the parameter of that full name, whatever the scope:
            `choice("/width", ...)` in every block is one choice, shared by all.
        values: Distinct numbers, strings, bools, None, or tuples of these.
        default: The value outside a search, and of the baseline; the first if not given.

    Raises:
        SpaceError: If there is no value, one stands twice, the default is not among them, or the label is in
            use.

    >>> choice("width", [16, 32, 64])
    16
    """
    if values is _UNSET or isinstance(values, Mapping | str):
        msg = (
            f"The values of choice({label!r}, ...) are a list, such as [16, 32], "
            f"got {'nothing' if values is _UNSET else repr(values)}. To choose between modules use "
            f"layer_choice({label!r}, {{name: factory}}); to choose between other objects choose a name and "
            "look the object up."
        )
        raise SpaceError(msg)
    with _labelled("choice", label):
        domain = Categorical(tuple(cast("Iterable[Any]", values)), default=cast("Any", default))
    return cast("T", _value(label, domain))


@labelled("integer('depth', 1, 6)")
def integer(
    label: str, low: int, high: int, *, step: int = 1, log: bool = False, default: int = _UNSET
) -> int:
    """Choose a whole number between two bounds, both included.

    Raises:
        SpaceError: If the bounds don't fit, or the label is in use.
    """
    with _labelled("integer", label):
        domain = Integer(low, high, step=step, log=log, default=default)
    return _value(label, domain)


@labelled("real('rate', 0.0, 0.5)")
def real(label: str, low: float, high: float, *, log: bool = False, default: float = _UNSET) -> float:
    """Choose a number between two bounds.

    Raises:
        SpaceError: If the bounds don't fit, or the label is in use.
    """
    with _labelled("real", label):
        domain = Real(low, high, log=log, default=default)
    return _value(label, domain)


@labelled("subset('inputs', [0, 1, 2])")
def subset(
    label: str, items: Iterable[T], *, least: int = 0, most: int = _UNSET, default: tuple[T, ...] = _UNSET
) -> tuple[T, ...]:
    """Choose some of several items.

    Raises:
        SpaceError: If the items are not distinct, the bounds don't fit, or the label is in use.
    """
    with _labelled("subset", label):
        domain = Subset(
            tuple(cast("Iterable[Any]", items)), least=least, most=most, default=cast("Any", default)
        )
    return cast("tuple[T, ...]", _value(label, domain))


def apply(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function so that the result still follows the choices among the arguments.

    Python's own `max`, `int` and `round`, a rounding to multiples of 8, a table look-up: whatever is no
    arithmetic loses the trace of a choice unless it goes through here. Tuples and lists of choices are looked
    into.

    Raises:
        SpaceError: If the result is not a number, a string or a tuple of these, so that it can't be tracked.

    >>> apply(max, choice("width", [16, 32]), 24)
    24
    """
    value = function(*(concrete(argument) for argument in arguments))
    if not any(symbolic(argument) for argument in arguments):
        return value
    if not isinstance(value, int | float | str | tuple):
        msg = (
            f"apply({getattr(function, '__name__', function)}) must return a number, "
            f"a string or a tuple of these, got {value!r}."
        )
        raise SpaceError(msg)
    terms = tuple(expression_of(argument) for argument in arguments)
    recorder = active_recorder()
    return lift(value, Call(function, terms) if recorder is None else recorder.call(function, terms))


def _value(label: str, domain: Domain) -> Any:
    """Return what a declaration that gives a value returns; outside of everything, one that is marked as a
    stray choice.
    """
    return stray_value(label, domain) if active_recorder() is None else declare(label, domain)


@contextmanager
def _labelled(kind: str, label: str) -> Generator[None]:
    """Say in a domain's error which declaration it comes from."""
    try:
        yield
    except SpaceError as error:
        msg = f"{kind}({label!r}): {error}"
        raise SpaceError(msg) from None


def scope(name: str) -> AbstractContextManager[None]:
    """Put the labels declared inside below `name`: `stage1/width`.

    A name that starts with "/" leaves the scopes around it: what is declared inside `scope("/cell")` is
    `cell/...`, and so shared by all blocks that declare it.

    Raises:
        SpaceError: If the name is not a non-empty string, or holds a "/" without starting with one.
    """
    check_label(name)
    recorder = active_recorder()
    return nullcontext() if recorder is None else recorder.scope(name)
