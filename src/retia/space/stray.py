"""Stray choices: declared outside every constructor, so that no search varies them."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import CO_OPTIMIZED
from types import FrameType, FunctionType
from typing import Any

from retia.errors import SpaceError
from retia.space.categorical import Categorical
from retia.space.domain import Domain
from retia.space.expression import Call, Expression, Item, Operation
from retia.space.integer import Integer
from retia.space.place import Place
from retia.space.real import Real
from retia.space.subset import Subset
from retia.space.symbolic import expression_of, lift
from retia.space.value import Value

__all__ = ["Stray", "as_code", "refuse_in_forward", "stray_value", "strays_in", "strays_of"]


@dataclass(frozen=True)
class Stray(Expression):
    """The origin of a value that was chosen outside every constructor: it is always the default."""

    label: str
    domain: Domain
    place: str

    @property
    def labels(self) -> frozenset[str]:
        """The empty set: it depends on no parameter of a space."""
        return frozenset()

    def evaluate(self, values: Mapping[str, Any]) -> Value:
        """Return the default."""
        del values
        return self.domain.default

    def __str__(self) -> str:
        return f"the choice '{self.label}' made at {self.place}"


def stray_value(label: str, domain: Domain) -> Any:
    """Return the default of a choice that is declared without a recorder.

    In a constructor, such as that of a plain `Net()`, the value is plain. Elsewhere it is marked as a stray,
    so that an evaluator, for example, can reject it. None can't be marked, and a bool within a function is
    not marked, because torch accepts only real bools.

    Raises:
        SpaceError: If a module is being called: a choice belongs to the constructor.
    """
    refuse_in_forward(label)
    value = domain.default
    frames = list(_frames(sys._getframe(1)))
    in_function = bool(frames[0].f_code.co_flags & CO_OPTIMIZED)  # False at the level of a module or class
    if (isinstance(value, bool) and in_function) or any(
        frame.f_code.co_name == "__init__" for frame in frames
    ):
        return value
    return lift(value, Stray(label, domain, str(Place.of(frames[0]))))


def refuse_in_forward(label: str) -> None:
    """Raise if a module is being called.

    Raises:
        SpaceError: If a module is being called; the message says where.
    """
    frames = list(_frames(sys._getframe(1)))
    if any(
        frame.f_code.co_name == "_call_impl" and frame.f_globals.get("__name__") == "torch.nn.modules.module"
        for frame in frames
    ):
        msg = (
            f"The choice '{label}' is declared while the model is called, at {Place.of(frames[0])}, "
            "where no search can see it. "
            f"Declare it in __init__, keep it in an attribute (self.{label.rpartition('/')[2]} = ...), "
            "and read the attribute in forward."
        )
        raise SpaceError(msg)


def strays_in(value: Any) -> Iterator[Stray]:
    """Yield the stray choices in a value, also inside tuples, lists, dicts and partial calls."""
    term = expression_of(value)
    match term:
        case Stray():
            yield term
        case Operation(operands=terms) | Call(arguments=terms):
            yield from strays_in(terms)
        case Item(of=of):
            yield from strays_in(of)
        case tuple() | list():
            for item in term:  # pyright: ignore[reportUnknownVariableType]
                yield from strays_in(item)
        case partial():
            yield from strays_in((term.args, term.keywords))
        case dict():
            yield from strays_in(tuple(term.values()))  # pyright: ignore[reportUnknownArgumentType]
        case _:
            pass


def strays_of(function: object) -> Iterator[tuple[str, Stray]]:
    """Yield the stray choices in a function's defaults and globals, each with a phrase that says where."""
    if not isinstance(function, FunctionType):
        return
    for defaults in filter(None, (function.__defaults__, function.__kwdefaults__)):
        yield from (
            (f"in a default argument of {function.__qualname__}", stray) for stray in strays_in(defaults)
        )
    for name in function.__code__.co_names:
        yield from (
            (f"as {name} in {function.__qualname__}", stray)
            for stray in strays_in(function.__globals__.get(name))
        )


def as_code(domain: Domain) -> str:
    """Return the Python expression of a domain.

    >>> as_code(Real(1e-4, 1e-1, log=True)), as_code(Categorical((16, 32)))
    ('retia.Real(0.0001, 0.1, log=True)', 'retia.Categorical([16, 32])')
    """
    match domain:
        case Categorical(values=values):
            return f"retia.Categorical({list(values)!r})"
        case Subset(items=items, least=least, most=most):
            return f"retia.Subset({list(items)!r}, least={least}, most={most})"
        case Integer(low=low, high=high, step=step):
            more = f", step={step}" if step > 1 else ""
        case Real(low=low, high=high):
            more = ""
    return f"retia.{type(domain).__name__}({low!r}, {high!r}{more}{', log=True' if domain.log else ''})"


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the frames outwards from the user's frame that made the declaration."""
    while frame is not None and frame.f_globals.get("__name__", "").startswith(("retia.space.", "retia.nn.")):
        frame = frame.f_back
    while frame is not None:
        yield frame
        frame = frame.f_back
