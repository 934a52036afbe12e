"""Frames between a worker and its parent: a byte of kind, the numbers of function and call, a pickle."""

import struct
from typing import Final

__all__ = [
    "CALL",
    "ERROR",
    "FORGET",
    "FUNCTION",
    "LOADED",
    "MESSAGE",
    "READY",
    "RESULT",
    "STOP",
    "pack",
    "unpack",
]

# From the parent.
FUNCTION: Final = b"f"  # keep this function
FORGET: Final = b"g"  # drop it
CALL: Final = b"c"  # call it with these arguments; all replies carry the number of the call
STOP: Final = b"q"  # end

# From the worker.
READY: Final = b"y"  # the process is up
LOADED: Final = b"l"  # a function is loaded, so the time of the call starts now
MESSAGE: Final = b"m"  # a message that the call emitted
RESULT: Final = b"r"  # its result
ERROR: Final = b"e"  # its error, and the traceback as text

_HEADER: Final = struct.Struct("!cQQ")


def pack(kind: bytes, body: bytes = b"", *, function: int = 0, call: int = 0) -> bytes:
    """Return the frame."""
    return _HEADER.pack(kind, function, call) + body


def unpack(frame: bytes) -> tuple[bytes, int, int, memoryview]:
    """Return the kind, the numbers of function and call, and the body of a frame, without a copy."""
    kind, function, call = _HEADER.unpack_from(frame)
    return kind, function, call, memoryview(frame)[_HEADER.size :]
