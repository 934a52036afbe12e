"""The protocol buffer in which NAS-Bench-101 keeps the metrics of one training."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from retia.errors import EvaluationError

__all__ = ["Evaluation", "ModelMetrics"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # the wire types


@dataclass(frozen=True)
class Evaluation:
    """The message `EvaluationData`: accuracies from 0 to 1 at some point of a training."""

    current_epoch: float = 0.0
    training_time: float = 0.0
    train_accuracy: float = 0.0
    validation_accuracy: float = 0.0
    test_accuracy: float = 0.0

    @classmethod
    def read(cls, message: bytes) -> "Evaluation":
        """Parse the message; fields 1 to 5 are the numbers, as doubles."""
        numbers = [0.0] * 5
        for number, value in _fields(message):
            if 1 <= number <= 5 and isinstance(value, float):
                numbers[number - 1] = value
        return cls(*numbers)


@dataclass(frozen=True)
class ModelMetrics:
    """The message of this name: three evaluations, and the number of trainable parameters.

    The evaluations are at the start, halfway and at the end of the training.
    """

    evaluations: tuple[Evaluation, ...]
    params: int

    @classmethod
    def read(cls, message: bytes) -> "ModelMetrics":
        """Parse the message.

        Raises:
            EvaluationError: If `message` is not a valid protocol buffer.
        """
        evaluations: list[Evaluation] = []
        params = 0
        for number, value in _fields(message):
            if number == 1 and isinstance(value, bytes):
                evaluations.append(Evaluation.read(value))
            elif number == 2 and isinstance(value, int):
                params = value
        return cls(tuple(evaluations), params)


def _fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Yield the number and the value of each field; eight bytes are read as a double."""
    place, end = 0, len(message)
    try:
        while place < end:
            key, place = _varint(message, place)
            number, kind = key >> 3, key & 7
            if kind == _FIXED64:
                yield number, struct.unpack_from("<d", message, place)[0]
                place += 8
            elif kind == _VARINT:
                value, place = _varint(message, place)
                yield number, value
            elif kind == _BYTES:
                length, place = _varint(message, place)
                yield number, message[place : place + length]
                place += length
            elif kind == _FIXED32:
                place += 4
            else:
                raise EvaluationError(_damaged(f"field {number} has the type {kind}"))
    except (IndexError, struct.error):
        raise EvaluationError(_damaged("it ends within a field")) from None
    if place != end:
        raise EvaluationError(_damaged("it ends within a field"))


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """Return a little-endian number with 7 bits in each byte, and its end."""
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value, place
        shift += 7


def _damaged(what: str) -> str:
    return (
        f"The metrics of NAS-Bench-101 must be a protocol buffer, and can't be parsed: {what}. "
        "Download the file again."
    )
