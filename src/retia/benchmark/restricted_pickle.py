"""A reader of pickled numbers that runs no code of the pickle."""

import bz2
import pickle
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from retia.errors import EvaluationError

__all__ = ["read_pickle"]

_SLACK, _RATIO = 1 << 26, 100
"""A decompressed file has at most _SLACK bytes plus _RATIO times its size. Real files grow 2 to 40 times."""

_U1, _U2, _U4, _U8, _I4, _F8 = map(struct.Struct, ("<B", "<H", "<I", "<Q", "<i", ">d"))
_NUMBERS: Final = {pickle.BINFLOAT: _F8, pickle.BININT1: _U1, pickle.BININT2: _U2, pickle.BININT: _I4}
_TEXTS: Final = {pickle.SHORT_BINUNICODE: _U1, pickle.BINUNICODE: _U4}
_BYTES: Final = {pickle.SHORT_BINBYTES: _U1, pickle.BINBYTES: _U4, pickle.LONG1: _U1}
_GETS: Final = {pickle.BINGET: _U1, pickle.LONG_BINGET: _U4}
_PUTS: Final = {pickle.BINPUT: _U1, pickle.LONG_BINPUT: _U4}
_SKIPPED: Final = {pickle.PROTO: _U1, pickle.FRAME: _U8}
_CONSTANTS: Final = {pickle.NONE: None, pickle.NEWTRUE: True, pickle.NEWFALSE: False, pickle.EMPTY_TUPLE: ()}
_CONTAINERS: Final[Mapping[bytes, Callable[[], Any]]] = {
    pickle.EMPTY_LIST: list,
    pickle.EMPTY_DICT: dict,
    pickle.EMPTY_SET: set,
}
_TUPLES: Final = {pickle.TUPLE1: 1, pickle.TUPLE2: 2, pickle.TUPLE3: 3}

_CODES: Final = frozenset(["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])
"""The types of numpy's numbers for which any bytes are a valid value."""


def read_pickle(path: Path) -> Any:
    """Read a file of pickled dictionaries, lists, tuples, sets, strings and numbers, compressed with bz2.

    A pickle is a program. This reader supports only the instructions that make such values, and only the
    names of the ordered dictionary and of numpy's numbers, which become plain values. It calls nothing that
    the pickle names.

    Raises:
        EvaluationError: If the pickle contains another name, or the file is not such a pickle.
    """
    try:
        return _Machine(_decompressed(path)).run()
    except EvaluationError:
        raise
    except (
        OSError,
        EOFError,
        ValueError,
        TypeError,
        LookupError,
        RuntimeError,
        struct.error,
        MemoryError,
    ) as error:
        msg = (
            f"{path} must be a pickle compressed with bz2, and can't be read: {type(error).__name__}: "
            f"{error}. Download it again."
        )
        raise EvaluationError(msg) from error


def _decompressed(path: Path) -> bytes:
    most = _SLACK + _RATIO * path.stat().st_size
    with bz2.open(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        msg = f"it has more than {most:,} bytes when decompressed"
        raise ValueError(msg)
    return data


@dataclass(frozen=True)
class _Named:
    """A name in a pickle."""

    module: str
    name: str


@dataclass(frozen=True)
class _Type:
    """The type of a number in numpy's notation, such as "f8"."""

    code: str


_DICTIONARY: Final = _Named("collections", "OrderedDict")
_TYPE: Final = _Named("numpy", "dtype")
_SCALARS: Final = (_Named("numpy.core.multiarray", "scalar"), _Named("numpy._core.multiarray", "scalar"))


class _Machine:
    """An interpreter of a pickle's instructions, with a stack of values and a numbered memo."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Return the value of the pickle."""
        data, stack, memo = self._data, self._stack, self._memo
        numbers, texts = _NUMBERS, _TEXTS
        at = 0
        while (code := data[at : at + 1]) != pickle.STOP:
            at += 1
            if code in numbers:  # the most frequent first
                read = numbers[code]
                stack.append(read.unpack_from(data, at)[0])
                at += read.size
            elif code == pickle.MEMOIZE:
                memo[len(memo)] = stack[-1]
            elif code in texts:
                read = texts[code]
                start = at + read.size
                at = start + read.unpack_from(data, at)[0]
                stack.append(data[start:at].decode())
            elif code in _GETS:
                stack.append(memo[_GETS[code].unpack_from(data, at)[0]])
                at += _GETS[code].size
            else:
                self._at = at
                self._step(code)
                at = self._at
        return stack.pop()

    def _step(self, code: bytes) -> None:
        """Run a less frequent instruction."""
        stack = self._stack
        if code in _PUTS:
            self._memo[self._number(_PUTS[code])] = stack[-1]
        elif code in _CONSTANTS:
            stack.append(_CONSTANTS[code])
        elif code in _CONTAINERS:
            stack.append(_CONTAINERS[code]())
        elif code == pickle.MARK:
            self._marks.append(len(stack))
        elif code in _BYTES:
            raw = self._take(self._number(_BYTES[code]))
            stack.append(int.from_bytes(raw, "little", signed=True) if code == pickle.LONG1 else raw)
        elif code in _SKIPPED:
            self._number(_SKIPPED[code])
        else:
            self._gather(code)

    def _gather(self, code: bytes) -> None:
        """Run an instruction that pops values from the stack."""
        stack = self._stack
        if code in (pickle.APPENDS, pickle.SETITEMS, pickle.ADDITEMS):
            values = self._popped(len(stack) - self._marks.pop())
            _fill(stack[-1], code, values)
        elif code in (pickle.APPEND, pickle.SETITEM):
            values = self._popped(1 if code == pickle.APPEND else 2)
            _fill(stack[-1], pickle.APPENDS if code == pickle.APPEND else pickle.SETITEMS, values)
        elif code == pickle.TUPLE or code in _TUPLES:
            count = _TUPLES[code] if code in _TUPLES else len(stack) - self._marks.pop()
            stack.append(tuple(self._popped(count)))
        elif code == pickle.STACK_GLOBAL:
            stack.append(_named(*self._popped(2)))
        elif code == pickle.GLOBAL:
            stack.append(_named(self._line(), self._line()))
        elif code == pickle.REDUCE:
            stack.append(_made(*self._popped(2)))
        elif code == pickle.BUILD:
            (state,) = self._popped(1)
            _accept_state(stack[-1], state)
        else:
            msg = f"the instruction {code!r} is not supported" if code else "it ends in the middle"
            raise ValueError(msg)

    def _take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) < size:
            msg = "it ends in the middle"
            raise ValueError(msg)
        self._at += size
        return taken

    def _number(self, form: struct.Struct) -> Any:
        (number,) = form.unpack_from(self._data, self._at)
        self._at += form.size
        return number

    def _line(self) -> str:
        end = self._data.index(b"\n", self._at)
        return self._take(end + 1 - self._at)[:-1].decode()

    def _popped(self, count: int) -> list[Any]:
        if not 0 <= count <= len(self._stack):
            msg = f"an instruction pops {count} values from a stack of {len(self._stack)}"
            raise ValueError(msg)
        start = len(self._stack) - count
        values = self._stack[start:]
        del self._stack[start:]
        return values


def _fill(container: Any, code: bytes, values: list[Any]) -> None:
    if code == pickle.APPENDS and type(container) is list:
        container.extend(values)
    elif code == pickle.SETITEMS and type(container) is dict:
        container.update(zip(map(_key, values[::2]), values[1::2], strict=True))
    elif code == pickle.ADDITEMS and type(container) is set:
        container.update(map(_key, values))
    else:
        msg = f"the instruction {code!r} fills a {type(container).__name__}"
        raise ValueError(msg)


def _key(value: Any) -> Any:
    """Return a key if it is a string, a number or a flat tuple; deep tuples overflow the C stack."""
    for part in value if type(value) is tuple else (value,):
        if not isinstance(part, str | int | float | None):
            msg = f"a key contains a {type(part).__name__}"
            raise TypeError(msg)
    return value


def _named(module: Any, name: Any) -> _Named:
    if not (isinstance(module, str) and isinstance(name, str)):
        msg = f"a name consists of a {type(module).__name__} and a {type(name).__name__}"
        raise TypeError(msg)
    named = _Named(module, name)
    if named not in (_DICTIONARY, _TYPE, *_SCALARS):
        msg = (
            f"The pickle contains the name {module!s:.100}.{name!s:.100}, which is not allowed in a table of "
            "numbers; no code of it was run. Download the file from its authors; for NATS-Bench, the archive "
            "without trained weights, whose name ends in '-simple'."
        )
        raise EvaluationError(msg)
    return named


def _made(what: Any, arguments: Any) -> Any:
    """Return the value of a call: a dictionary, the type of a number, or a number."""
    if what == _DICTIONARY and arguments == ():
        return {}
    if (
        what == _TYPE
        and type(arguments) is tuple
        and arguments
        and type(arguments[0]) is str
        and arguments[0] in _CODES
    ):
        return _Type(arguments[0])
    if what in _SCALARS and type(arguments) is tuple and list(map(type, arguments)) == [_Type, bytes]:
        of, raw = arguments
        if len(raw) == np.dtype(of.code).itemsize:
            return np.frombuffer(raw, f"<{of.code}").item()
    msg = f"the call of a {type(what).__name__} does not make a dictionary or a number"
    raise ValueError(msg)


def _accept_state(of: Any, state: Any) -> None:
    """Accept the state of a number's type if it is little-endian; raise `ValueError` otherwise."""
    if (
        type(of) is not _Type
        or type(state) is not tuple
        or len(state) < 2
        or type(state[1]) is not str
        or state[1] not in "<|"
    ):
        msg = f"the state of a {type(of).__name__} is not that of a type of little-endian numbers"
        raise ValueError(msg)
