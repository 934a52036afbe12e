"""Values: what a parameter may hold."""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import numpy as np

from retia.errors import SpaceError

__all__ = ["UNSET", "Value", "freeze", "jsonable"]

Value: TypeAlias = "bool | int | float | str | tuple[Value, ...] | None"
"""A value of a parameter: a JSON scalar, or a tuple of values."""

UNSET: Any = ...
"""The value of an argument that was not given, since None is a value."""


def freeze(value: object) -> Value:
    """Return `value` as a JSON scalar, or as a tuple for a list.

    >>> freeze([1, "same", [None, 0.5]])
    (1, 'same', (None, 0.5))

    Raises:
        SpaceError: If `value` is not finite, or not a JSON scalar, list or tuple.
    """
    kind = type(value)
    if kind is int or kind is str or kind is bool or value is None:
        return cast("Value", value)
    if isinstance(value, float):
        if not math.isfinite(value):
            msg = (
                f"A parameter holds finite numbers, which can be stored as JSON, got {value!r}. "
                "Choose None or a string instead, and look the number up."
            )
            raise SpaceError(msg)
        return float(value)
    if isinstance(value, list | tuple):
        return tuple([freeze(item) for item in cast("Sequence[object]", value)])
    if isinstance(value, np.generic):
        return freeze(value.item())
    for plain in (int, str):  # subclasses, such as a symbolic number or an enum of strings
        if isinstance(value, plain):
            return plain(value)
    msg = (
        f"A parameter holds a number, a string, a bool, None or a tuple of these, got {value!r}. "
        "To choose between modules use layer_choice; to choose between other objects, "
        "choose a name and look the object up."
    )
    raise SpaceError(msg)


def jsonable(value: Value) -> Any:
    """Return the value as JSON has it, with lists instead of tuples: the inverse of `freeze`."""
    return [jsonable(item) for item in value] if isinstance(value, tuple) else value
