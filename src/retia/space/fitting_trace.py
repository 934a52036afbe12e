"""A trace with values that fit together, if the greatest values of all choices do not."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from retia.errors import InfeasibleArchitecture, RetiaError, SpaceError
from retia.rng import stream
from retia.space.categorical import Categorical
from retia.space.domain import Domain
from retia.space.extremes import greatest, least
from retia.space.integer import Integer
from retia.space.tracer import Tracer
from retia.space.value import Value

__all__ = ["fitting_trace"]

RANDOM = 8
"""Number of random combinations of values to try, after the defaults and the least values."""
SINGLE = 32
"""Number of attempts with one value that is not the greatest."""
VALUES = 8
"""Maximal number of values of one choice to try."""
RAISED = 64
"""Number of choices to raise to their greatest values, if several are below."""
_NOT_OF_VALUES = (NameError, ImportError, OSError, MemoryError)
"""Errors that do not depend on the values."""


def fitting_trace(
    run: Callable[[Tracer], object], fixed: Mapping[str, Value], start: Mapping[str, Value]
) -> Tracer:
    """Run a constructor with the greatest values, or with values near them that fit together.

    The attempts are deterministic: the greatest values; then the defaults, the least and some random values,
    until one attempt runs; then the greatest values with one choice at another value; finally the values that
    ran, with one choice after the other raised to its greatest value.

    Args:
        run: Function that runs the constructor with a tracer. It raises an `InfeasibleArchitecture`, or a
            `SpaceError` with a cause, if the values do not fit.
        fixed: Values that must not change.
        start: Values that replace the greatest in the first attempt, because they fit elsewhere.

    Raises:
        InfeasibleArchitecture: If the constructor rejects all attempts.
        SpaceError: If all attempts fail, with the message of the first failure; or at once if the error does
            not depend on the values.
    """
    first = Tracer({**start, **fixed})
    failure = _failure(run, first)
    if failure is None:
        return first
    if not first.answers.keys() - fixed.keys() or isinstance(failure.__cause__, _NOT_OF_VALUES):
        raise failure
    tried: list[Tracer] = []
    for rule in _rules():
        tried.append(Tracer(fixed, rule))
        if _failure(run, tried[-1]) is None:
            return _nearer(run, first, tried[-1], fixed)
    raise type(failure)(f"{failure}{_also(first, tried)}") from failure.__cause__


def _also(first: Tracer, tried: list[Tracer]) -> str:
    """Return a sentence about the other values with which the constructor fails."""
    others = [dict(tracer.answers) for tracer in tried if tracer.answers != first.answers]
    distinct = len({tuple(answers.items()) for answers in others})
    return (
        (
            f" It fails with other values as well: {distinct} combination{'s' if distinct > 1 else ''}, "
            f"such as {others[0]}."
        )
        if others
        else ""
    )


def _failure(run: Callable[[Tracer], object], tracer: Tracer) -> RetiaError | None:
    """Return the reason why the constructor can't run with a tracer's values, or None.

    Raises:
        SpaceError: If the declarations are invalid, whatever the values.
    """
    try:
        run(tracer)
    except InfeasibleArchitecture as error:
        return error
    except SpaceError as error:
        if error.__cause__ is None:
            raise
        return error
    return None


def _rules() -> Iterator[Callable[[Domain], Value]]:
    yield lambda domain: domain.default
    yield least
    rng = stream(0, "trace")
    for _ in range(RANDOM):
        yield lambda domain: domain.sample(rng)


def _nearer(
    run: Callable[[Tracer], object], first: Tracer, working: Tracer, fixed: Mapping[str, Value]
) -> Tracer:
    """Return a trace with fewer values below the greatest, if one is found."""
    for single in islice(_singles(first, fixed), SINGLE):
        tracer = Tracer({**fixed, **single})
        if _failure(run, tracer) is None:
            return tracer
    values = {
        label: value
        for label, value in working.answers.items()
        if label not in fixed and value != greatest(working.parameters[label].domain)
    }
    for label in list(values)[:RAISED]:
        fewer = {other: value for other, value in values.items() if other != label}
        tracer = Tracer({**fixed, **fewer})
        if _failure(run, tracer) is None:
            values, working = fewer, tracer
    return working


def _singles(first: Tracer, fixed: Mapping[str, Value]) -> Iterator[dict[str, Value]]:
    """Yield one choice at a value that is not the greatest, the last choice before the failure first."""
    for label in reversed(first.answers):
        if label not in fixed:
            largest = greatest(first.parameters[label].domain)
            values = (value for value in _descending(first.parameters[label].domain) if value != largest)
            yield from ({label: value} for value in islice(values, VALUES))


def _descending(domain: Domain) -> Iterator[Value]:
    match domain:
        case Categorical(values=values):
            numbers = [value for value in values if isinstance(value, int | float)]
            yield from sorted(numbers, reverse=True) if len(numbers) == len(values) else values
        case Integer(low=low, high=high, step=step):
            yield from range(high, low - 1, -step)
        case _:
            yield domain.default
            yield least(domain)
