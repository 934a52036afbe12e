"""The frames that a worker and its parent exchange: one byte of kind, the numbers of a function and of a
call, and a pickle.
"""

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
CALL: Final = (
    b"c"  # call it with these arguments; the number of the call comes back with all that comes of it
)
STOP: Final = b"q"  # end

# From the worker.
READY: Final = b"y"  # the process is up
LOADED: Final = b"l"  # a function is loaded, so that the next call's time starts now
MESSAGE: Final = b"m"  # what the call emits
RESULT: Final = b"r"  # what it returned
ERROR: Final = b"e"  # what it raised, and the traceback as text

_HEADER: Final = struct.Struct("!cQQ")


def pack(kind: bytes, body: bytes = b"", *, function: int = 0, call: int = 0) -> bytes:
    """Return the frame."""
    return _HEADER.pack(kind, function, call) + body


def unpack(frame: bytes) -> tuple[bytes, int, int, memoryview]:
    """Return the kind, the numbers of the function and of the call, and the body of a frame, without a
    copy.
    """
    kind, function, call = _HEADER.unpack_from(frame)
    return kind, function, call, memoryview(frame)[_HEADER.size :]
