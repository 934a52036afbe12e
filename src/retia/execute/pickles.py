"""Pickles of users' functions and classes, with file names, so that tracebacks can show source lines."""

from collections import ChainMap
from collections.abc import Callable
from functools import lru_cache
from io import BytesIO
from types import CodeType
from typing import Any, ClassVar, cast

import cloudpickle

__all__ = ["dumps"]

_TABLE: ChainMap[type, Callable[[Any], Any]] = cast("Any", cloudpickle.Pickler).dispatch_table


def dumps(value: object) -> bytes:
    """Return the pickle of a value, with the functions and classes that the reader can't import."""
    with BytesIO() as file:
        _Pickler(file).dump(value)
        return file.getvalue()


def _reduce_code(code: CodeType) -> tuple[Any, ...]:
    return _from_file, (code.co_filename, *_TABLE[CodeType](code))


def _from_file(filename: str, make: Callable[..., CodeType], arguments: tuple[Any, ...]) -> CodeType:
    return make(*arguments).replace(co_filename=filename)


def _reduce_cached(function: Any) -> str | tuple[Any, ...]:
    """Reduce a `functools.lru_cache` without its cache, which cloudpickle does not support."""
    if function.__module__ != "__main__" and "<locals>" not in function.__qualname__:
        return cast("str", function.__reduce__())
    return _cached, (function.__wrapped__, *function.cache_parameters().values())


def _cached(function: Callable[..., Any], maxsize: int | None, typed: bool) -> Callable[..., Any]:
    return lru_cache(maxsize, typed)(function)


class _Pickler(cloudpickle.Pickler):
    # cloudpickle 3.1.3 names every file "<dynamic-code>", so that tracebacks can't show source lines.
    dispatch_table: ClassVar[Any] = _TABLE.new_child(
        {CodeType: _reduce_code, type(lru_cache(len)): _reduce_cached}
    )
