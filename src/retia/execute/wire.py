"""The frames that a worker and its parent exchange: one byte of kind, eight of a number, and a pickle."""

import struct
from typing import Final

__all__ = ["CALL", "ERROR", "FORGET", "FUNCTION", "LOADED", "MESSAGE", "READY", "RESULT", "STOP", "pack", "unpack"]

# From the parent; the number is that of the function.
FUNCTION: Final = b"f"  # keep this function
FORGET: Final = b"g"  # drop it
CALL: Final = b"c"  # call it with these arguments
STOP: Final = b"q"  # end

# From the worker.
READY: Final = b"y"  # the process is up
LOADED: Final = b"l"  # a function is loaded, so that the next call's time starts now
MESSAGE: Final = b"m"  # what the call emits
RESULT: Final = b"r"  # what it returned
ERROR: Final = b"e"  # what it raised, and the traceback as text

_HEADER: Final = struct.Struct("!cQ")


def pack(kind: bytes, number: int = 0, body: bytes = b"") -> bytes:
    """Return the frame."""
    return _HEADER.pack(kind, number) + body


def unpack(frame: bytes) -> tuple[bytes, int, memoryview]:
    """Return the kind, the number and the body of a frame, without a copy."""
    kind, number = _HEADER.unpack_from(frame)
    return kind, number, memoryview(frame)[_HEADER.size :]
