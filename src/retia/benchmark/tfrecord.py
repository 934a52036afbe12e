"""A reader of TFRecord files without TensorFlow."""

import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retia.errors import EvaluationError

__all__ = ["crc32c", "read_records"]

BATCH = 4096
"""The number of records whose checksums are compared at once."""


def read_records(path: Path, progress: Callable[[int, int], None] | None = None) -> Iterator[bytes]:
    """Yield the records of a TFRecord file, and verify their CRC-32C checksums.

    The frame of a record is its length (64 bits, little-endian), the masked checksum of the length, the
    record, and its masked checksum.

    Args:
        path: Path of the file.
        progress: Callback with the number of bytes read and the total.

    Raises:
        EvaluationError: If a checksum is wrong, or the file ends within a record.
    """
    total = path.stat().st_size
    with path.open("rb") as file:
        while True:
            frames: list[tuple[bytes, int, bytes, int]] = []
            start = file.tell()
            while len(frames) < BATCH and (head := file.read(12)):
                frames.append(_frame(path, head, file.read))
            if not frames:
                return
            lengths, records = [frame[0] for frame in frames], [frame[2] for frame in frames]
            expected = np.array([[frame[1], frame[3]] for frame in frames], np.uint32)  # (B, 2)
            wrong = (_masked(crc32c(lengths)) != expected[:, 0]) | (
                _masked(crc32c(records)) != expected[:, 1]
            )
            if wrong.any():
                place = start + sum(16 + len(record) for record in records[: int(wrong.argmax())])
                raise EvaluationError(_damaged(path, place, "has a wrong checksum"))
            if progress is not None:
                progress(file.tell(), total)
            yield from records


def _frame(path: Path, head: bytes, read: Callable[[int], bytes]) -> tuple[bytes, int, bytes, int]:
    """Return the length as bytes, its checksum, the record and its checksum."""
    if len(head) == 12:
        length, checksum = struct.unpack("<QI", head)
        if length < 1 << 30:
            record, tail = read(length), read(4)
            if len(record) == length and len(tail) == 4:
                return head[:8], checksum, record, struct.unpack("<I", tail)[0]
    raise EvaluationError(_damaged(path, None, "is incomplete"))


def crc32c(records: Sequence[bytes]) -> NDArray[np.uint32]:
    """Return the CRC-32C (Castagnoli) of each record, shape (B,), computed for all records in parallel.

    >>> hex(crc32c([b"123456789"])[0])
    '0xe3069283'
    """
    lengths = np.array([len(record) for record in records], np.int64)
    bytes_ = np.zeros((lengths.max(initial=0), len(records)), np.uint8)  # (L, B)
    for i, record in enumerate(records):
        bytes_[: len(record), i] = np.frombuffer(record, np.uint8)
    crc = np.full(len(records), 0xFFFFFFFF, np.uint32)
    shortest = int(lengths.min()) if records else 0
    for place, column in enumerate(bytes_):
        advanced = _TABLE[(crc ^ column) & 0xFF] ^ (crc >> np.uint32(8))
        crc = advanced if place < shortest else np.where(place < lengths, advanced, crc)
    return crc ^ np.uint32(0xFFFFFFFF)


def _table() -> NDArray[np.uint32]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, np.uint32(0x82F63B78), np.uint32(0)) ^ (table >> np.uint32(1))
    return table


_TABLE = _table()


def _masked(crc: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the masked checksums: rotated, plus a constant."""
    return ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(0xA282EAD8)


def _damaged(path: Path, place: int | None, what: str) -> str:
    where = "" if place is None else f" at byte {place:,}"
    return f"{path} is damaged, or not a TFRecord file: a record{where} {what}. Download it again."
