"""Requirements: conditions that a constructor itself sets for its architectures."""

import linecache
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from retia.errors import InfeasibleArchitecture, SpaceError
from retia.space.condition import ALWAYS, Condition
from retia.space.expression import Expression
from retia.space.place import Place
from retia.space.recorder import Builder, active_recorder
from retia.space.symbolic import concrete, expression_of, symbolic
from retia.space.value import Value

__all__ = ["Requirement", "reject", "require"]


@dataclass(frozen=True)
class Requirement:
    """The predicate of a restriction that `require` adds.

    Attributes:
        expression: Expression that must be true while all its parameters are active.
        condition: Condition under which the constructor reaches the call: a call within a layer candidate or
            a block counts only while that is part of the model.
    """

    expression: Expression
    condition: Condition = ALWAYS

    def __call__(self, architecture: Mapping[str, Value]) -> bool:
        """Return whether an architecture meets the requirement."""
        if not self.expression.labels <= architecture.keys() or not self.condition.holds(architecture):
            return True
        return bool(self.expression.evaluate(architecture))

    def __str__(self) -> str:
        return str(self.expression) if self.condition.always else f"{self.expression} while {self.condition}"


def reject(reason: str) -> NoReturn:
    """Declare, inside a constructor, that the architecture is not a working model.

    A study records the architecture as infeasible with this reason, at no cost. While a space is traced,
    other values are tried. If a comparison of choices expresses the reason, use `require`: the space then
    knows it, and proposes no such architecture.

    Args:
        reason: Text that says why, in terms of the model.

    Raises:
        InfeasibleArchitecture: Always.

    >>> reject("the receptive field is larger than the image")
    Traceback (most recent call last):
        ...
    retia.errors.InfeasibleArchitecture: the receptive field is larger than the image
    """
    raise InfeasibleArchitecture(reason)


def require(condition: Any) -> None:
    """Set, in a constructor, a condition that every architecture must meet; `space.where` does it outside.

    The condition is a comparison of choices, `&`, `|` and `~` of comparisons, or a result of `apply`. It
    applies while the choices in it are active. Instead of `and`, call `require` once per condition. A
    condition that tracks no choice, such as one of a plain `int(...)`, is checked when a model is built.

    Args:
        condition: Expression that must be true.

    Raises:
        InfeasibleArchitecture: If it is false while a model is built, or outside a search.
        SpaceError: If `and`, `or`, `not`, `in` or a function uses the truth of a comparison in the call while
            the space is traced.

    >>> from retia.space import choice
    >>> require(choice("width", [32, 64]) % choice("heads", [2, 4]) == 0)
    """
    recorder = active_recorder()
    place = Place.of(sys._getframe(1))
    if recorder is not None and (used := recorder.used_within(place)):
        msg = (
            f"require(...) at {place} can't see its whole condition: `and`, `or`, `not`, `in`, "
            f"a chain such as 1 < a < 9 or a function has already used the truth of a comparison of "
            f"{sorted(used)}. Write one require(...) for each condition of an `and`, "
            "`(a > 1) | (b > 1)` for an `or`, `~` for a `not`, and retia.apply(function, ...) for a function."
        )
        raise SpaceError(msg)
    if recorder is not None and symbolic(condition) and recorder.require(expression_of(condition)):
        return
    if not concrete(condition):
        source = linecache.getline(place.code.co_filename, place.line).strip()
        values = f" with {dict(recorder.architecture)}" if isinstance(recorder, Builder) else ""
        msg = (
            f"A requirement of the constructor does not hold{values}, at "
            f"{place}{f': {source}' if source else ''}"
        )
        raise InfeasibleArchitecture(msg)
