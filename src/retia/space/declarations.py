"""Declarations: the calls in a plain constructor that say what may vary."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar, cast

from retia.errors import SpaceError
from retia.space.categorical import Categorical
from retia.space.domain import Domain
from retia.space.expression import Call
from retia.space.integer import Integer
from retia.space.label import labelled, valid_label
from retia.space.real import Real
from retia.space.recorder import active_recorder
from retia.space.stray import refuse_in_forward, stray_value
from retia.space.subset import Subset
from retia.space.symbolic import concrete, expression_of, lift, symbolic
from retia.space.value import UNSET

__all__ = ["apply", "choice", "declare", "integer", "real", "scope", "subset"]

T = TypeVar("T")


def declare(label: str, domain: Domain) -> Any:
    """Declare a parameter of any domain and return its value.

    The value is the default outside a search, a symbolic value (an int, float, str or tuple) while a space is
    traced, and the plain value of the architecture while a model is built.

    Raises:
        SpaceError: If `label` is declared in the same scope with another domain, or while a model is called.
    """
    recorder = active_recorder()
    if recorder is None:
        refuse_in_forward(label)
        return domain.default
    return recorder.declare(recorder.qualify(label), domain)


@labelled("choice('width', [16, 32])")
def choice(label: str, values: Iterable[T] = UNSET, *, default: T = UNSET) -> T:
    """Choose one of several values.

    Args:
        label: Name of the parameter, unique in its scope. The same label with the same values is the same
            choice. A label that starts with "/" is a full name in any scope: `choice("/width", ...)` in every
            block is one shared choice.
        values: Distinct numbers, strings, bools, None, or tuples of these.
        default: Value outside a search, and in the baseline. Default: the first of `values`.

    Raises:
        SpaceError: If `values` is empty, contains a value twice, or does not contain `default`; or if `label`
            is declared with other values.

    >>> choice("width", [16, 32, 64])
    16
    """
    if values is UNSET or isinstance(values, Mapping | str):
        msg = (
            f"The values of choice({label!r}, ...) are a list, such as [16, 32], "
            f"got {'nothing' if values is UNSET else repr(values)}. To choose between modules use "
            f"layer_choice({label!r}, {{name: factory}}); to choose between other objects choose a name and "
            "look the object up."
        )
        raise SpaceError(msg)
    with _labelled("choice", label):
        domain = Categorical(tuple(cast("Iterable[Any]", values)), default=cast("Any", default))
    return cast("T", _value(label, domain))


@labelled("integer('depth', 1, 6)")
def integer(
    label: str, low: int, high: int, *, step: int = 1, log: bool = False, default: int = UNSET
) -> int:
    """Choose a whole number between two bounds, both included (see `Integer`).

    Raises:
        SpaceError: If the bounds are invalid, or `label` is declared with another domain.
    """
    with _labelled("integer", label):
        domain = Integer(low, high, step=step, log=log, default=default)
    return _value(label, domain)


@labelled("real('rate', 0.0, 0.5)")
def real(label: str, low: float, high: float, *, log: bool = False, default: float = UNSET) -> float:
    """Choose a number between two bounds (see `Real`).

    Raises:
        SpaceError: If the bounds are invalid, or `label` is declared with another domain.
    """
    with _labelled("real", label):
        domain = Real(low, high, log=log, default=default)
    return _value(label, domain)


@labelled("subset('inputs', [0, 1, 2])")
def subset(
    label: str, items: Iterable[T], *, least: int = 0, most: int = UNSET, default: tuple[T, ...] = UNSET
) -> tuple[T, ...]:
    """Choose some of several items (see `Subset`).

    Raises:
        SpaceError: If `items` are not distinct, the bounds are invalid, or `label` is declared with another
            domain.
    """
    with _labelled("subset", label):
        domain = Subset(
            tuple(cast("Iterable[Any]", items)), least=least, most=most, default=cast("Any", default)
        )
    return cast("tuple[T, ...]", _value(label, domain))


def apply(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function and track its result if an argument is a choice.

    Python's `max`, `int` and `round`, a rounding to multiples of 8 and a table look-up return plain values,
    which are no longer tracked as choices; through `apply` they are. Tuples and lists of choices are tracked
    too.

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
    """Return the value of a declaration; without a recorder, one that is marked as a stray choice."""
    return stray_value(label, domain) if active_recorder() is None else declare(label, domain)


@contextmanager
def _labelled(kind: str, label: str) -> Generator[None]:
    """Add the declaration to the message of a domain's error."""
    try:
        yield
    except SpaceError as error:
        msg = f"{kind}({label!r}): {error}"
        raise SpaceError(msg) from None


def scope(name: str) -> AbstractContextManager[None]:
    """Prefix the labels declared inside with `name`: `stage1/width`.

    A name that starts with "/" leaves the enclosing scopes. What is declared inside `scope("/cell")` is
    called `cell/...`, and so shared by all blocks that declare it.

    Raises:
        SpaceError: If `name` is not a non-empty string, or contains a "/" without starting with one.
    """
    valid_label(name)
    recorder = active_recorder()
    return nullcontext() if recorder is None else recorder.scope(name)
