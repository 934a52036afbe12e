"""Requirements: what a constructor itself asks of its architectures."""

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
    """The predicate of a restriction that `require` adds: an expression that is true, while all that it
    depends on is active.

    Attributes:
        expression: What must be true.
        condition: When the constructor comes by the call: a call within a layer candidate or a block counts
            only while that is part of the model.
    """

    expression: Expression
    condition: Condition = ALWAYS

    def __call__(self, architecture: Mapping[str, Value]) -> bool:
        """Whether an architecture meets it."""
        if not self.expression.labels <= architecture.keys() or not self.condition.holds(architecture):
            return True
        return bool(self.expression.evaluate(architecture))

    def __str__(self) -> str:
        return str(self.expression) if self.condition.always else f"{self.expression} while {self.condition}"


def reject(reason: str) -> NoReturn:
    """Say, inside a constructor, that an architecture is not a working model.

    A study records it as infeasible with this reason, at no cost. While a space is traced, other values are
    tried. Where a comparison of choices says the same, use `require`: the space then knows, and proposes no
    such architecture.

    Args:
        reason: Why, in the model's own words.

    Raises:
        InfeasibleArchitecture: Always.

    >>> reject("the receptive field is larger than the image")
    Traceback (most recent call last):
        ...
    retia.errors.InfeasibleArchitecture: the receptive field is larger than the image
    """
    raise InfeasibleArchitecture(reason)


def require(condition: Any) -> None:
    """Demand, inside a constructor, a condition of every architecture, as `space.where` does from outside.

    The condition is a comparison of choices, `&`, `|` and `~` of comparisons, or what `apply` returns; it
    counts while the choices that it compares are active. Write a call for each condition of an `and`. A
    condition that follows no choice, such as one of a plain `int(...)`, is checked when a model is built.

    Args:
        condition: What must be true.

    Raises:
        InfeasibleArchitecture: If it is false while a model is built, or outside a search.
        SpaceError: If `and`, `or`, `not`, `in` or a function has used the truth of a comparison in the call
            while the space is traced.

    >>> from retia.space import choice
    >>> require(choice("width", [32, 64]) % choice("heads", [2, 4]) == 0)
    """
    recorder = active_recorder()
    place = Place.of(sys._getframe(1))
    if recorder is not None and (used := recorder.used_within(place)):
        msg = (
            f"require(...) at {place} can't see its whole condition: `and`, `or`, `not`, `in`, "
            "a chain such as 1 < a < 9 or a function has used the truth of a "
            f"comparison of {sorted(used)} before. Write one require(...) for each condition of an `and`, "
            "`(a > 1) | (b > 1)` for an `or`, `~` for a "
            f"`not`, and retia.apply(function, ...) for a function."
        )
        raise SpaceError(msg)
    if recorder is not None and symbolic(condition) and recorder.require(expression_of(condition)):
        return
    if not concrete(condition):
        source = linecache.getline(place.code.co_filename, place.line).strip()
        values = f" with {dict(recorder.architecture)}" if isinstance(recorder, Builder) else ""
        msg = (
            f"The constructor requires what does not hold{values}, at "
            f"{place}{f': {source}' if source else ''}"
        )
        raise InfeasibleArchitecture(msg)
