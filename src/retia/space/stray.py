"""Stray choices: declared where no search can see them, so that they are frozen at their defaults."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

from retia.errors import SpaceError
from retia.space.domain import Domain
from retia.space.expression import Call, Expression, Item, Operation
from retia.space.place import Place
from retia.space.symbolic import expression_of, lift
from retia.space.value import Value

__all__ = ["Stray", "refuse_in_forward", "stray_value", "strays_in"]


@dataclass(frozen=True)
class Stray(Expression):
    """The origin of a value that was chosen outside of every constructor: it stays the default, whatever is searched."""

    label: str
    domain: Domain
    place: str

    @property
    def labels(self) -> frozenset[str]:
        """No parameter of a space."""
        return frozenset()

    def evaluate(self, values: Mapping[str, Any]) -> Value:
        """Return the default."""
        del values
        return self.domain.default

    def __str__(self) -> str:
        return f"the choice '{self.label}' made at {self.place}"


def stray_value(label: str, domain: Domain) -> Any:
    """Return the default of a choice that no recorder hears.

    In a constructor, such as that of a plain `Net()`, it is a plain value. Elsewhere it is marked as a stray, so that what it must
    not be given to, such as an evaluator, can tell; bools and None can't be marked.

    Raises:
        SpaceError: If a module is being called: a choice belongs to the constructor.
    """
    refuse_in_forward(label)
    value = domain.default
    frames = list(_frames(sys._getframe(1)))
    if isinstance(value, bool) or any(frame.f_code.co_name == "__init__" for frame in frames):
        return value
    return lift(value, Stray(label, domain, str(Place.of(frames[0]))))


def refuse_in_forward(label: str) -> None:
    """Refuse a declaration while a module is being called.

    Raises:
        SpaceError: If one is; the message says where.
    """
    frames = list(_frames(sys._getframe(1)))
    if any(frame.f_code.co_name == "_call_impl" and frame.f_globals.get("__name__") == "torch.nn.modules.module" for frame in frames):
        msg = (
            f"The choice '{label}' is met while the model is called, at {Place.of(frames[0])}, where no search can see it. "
            f"Declare it in __init__, keep it in an attribute (self.{label.rpartition('/')[2]} = ...), and read that in forward."
        )
        raise SpaceError(msg)


def strays_in(value: Any) -> Iterator[Stray]:
    """Yield the stray choices that a value was computed from, also inside tuples, lists and dicts."""
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
        case dict():
            yield from strays_in(tuple(term.values()))  # pyright: ignore[reportUnknownArgumentType]
        case _:
            pass


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the frames from the user's own, which made the declaration, outwards."""
    while frame is not None and frame.f_globals.get("__name__", "").startswith(("retia.space.", "retia.nn.")):
        frame = frame.f_back
    while frame is not None:
        yield frame
        frame = frame.f_back
