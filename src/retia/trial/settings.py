"""Settings as JSON, by which a resumed study sees that they have changed."""

import ast
import hashlib
import inspect
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, cast

from retia.space import Categorical, Integer, Real, Subset

__all__ = ["as_json", "fields_as_json", "function_as_json", "qualified_name"]


def as_json(value: Any) -> Any:
    """Return a setting as JSON that is the same in every process.

    Domains and dataclasses are given by their fields, functions and classes by name, arrays and tensors by
    shape, data type and a checksum; any other object by the name of its type.

    >>> as_json((1, {"b": None, "a": 2.0}, print))
    [1, {'a': 2.0, 'b': None}, 'builtins.print']
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Categorical | Integer | Real | Subset):
        return value.to_json()
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {str(name): as_json(one) for name, one in sorted(items, key=lambda item: str(item[0]))}
    if isinstance(value, tuple | list):
        return [as_json(one) for one in cast("Sequence[Any]", value)]
    if isinstance(value, partial):
        called = cast("partial[Any]", value)
        return {"function": qualified_name(called.func), "args": as_json([*called.args, called.keywords])}
    if isinstance(value, type):
        return qualified_name(cast("Any", value))
    if is_dataclass(value):
        return fields_as_json(value)
    shape, numbers = getattr(value, "shape", None), getattr(value, "tolist", None)
    if shape is not None and numbers is not None:
        checksum = hashlib.blake2b(json.dumps(numbers()).encode(), digest_size=8).hexdigest()
        return {"shape": list(shape), "dtype": str(value.dtype), "checksum": checksum}
    return qualified_name(value) if callable(value) else {"type": qualified_name(type(value))}


def fields_as_json(value: Any) -> dict[str, Any]:
    """Return the type of an object as JSON, with its fields if it is a dataclass."""
    own = fields(value) if is_dataclass(value) else ()
    settings = {one.name: as_json(getattr(value, one.name)) for one in own if one.init}
    return {"type": qualified_name(type(value)), **settings}


def function_as_json(function: Any) -> dict[str, Any]:
    """Return the name of a function as JSON, with a hash of its source if that is known."""
    description = {"function": qualified_name(function)}
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # no source, or a lambda in the middle of a line
        return description
    return {**description, "source": hashlib.blake2b(ast.dump(tree).encode(), digest_size=8).hexdigest()}


def qualified_name(function: Any) -> str:
    """Return the module and the name of a function or a class."""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', '?')}.{name}"
