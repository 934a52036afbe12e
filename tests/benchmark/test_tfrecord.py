"""TFRecord files, framed by hand."""

import struct

import numpy as np
import pytest

from retia.benchmark.tfrecord import BATCH, crc32c, read_records
from retia.errors import EvaluationError


def slow_crc32c(data):
    """The checksum by its definition, a bit at a time."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = slow_crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def framed(record):
    length = struct.pack("<Q", len(record))
    return length + struct.pack("<I", masked(length)) + record + struct.pack("<I", masked(record))


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        # RFC 3720, appendix B.4
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_known_checksums(data, crc):
    assert slow_crc32c(data) == crc
    assert crc32c([data]).tolist() == [crc]
    assert crc32c([b"x", data, b"a longer record than the others, so that they wait"])[1] == crc


def test_records_of_all_lengths_side_by_side():
    rng = np.random.default_rng(0)
    records = [rng.bytes(length) for length in range(40)]
    assert crc32c(records).tolist() == [slow_crc32c(record) for record in records]


def test_no_records():
    assert crc32c([]).tolist() == []


def test_records_are_read_in_order(tmp_path):
    records = [b"", b"a", b"some more", bytes(1000)]
    (tmp_path / "a.tfrecord").write_bytes(b"".join(map(framed, records)))
    heard = []
    assert (
        list(read_records(tmp_path / "a.tfrecord", lambda done, total: heard.append((done, total))))
        == records
    )
    size = (tmp_path / "a.tfrecord").stat().st_size
    assert heard == [(size, size)]
    (tmp_path / "empty.tfrecord").touch()
    assert list(read_records(tmp_path / "empty.tfrecord")) == []


def test_many_records_are_read_in_batches(tmp_path):
    (tmp_path / "a.tfrecord").write_bytes(framed(b"one") * (2 * BATCH + 5))
    assert list(read_records(tmp_path / "a.tfrecord")) == [b"one"] * (2 * BATCH + 5)


@pytest.mark.parametrize("place", [16 + 3 + 12, 16 + 3 + 8, 16 + 3 + 12 + 6])
def test_a_changed_byte_is_found(tmp_path, place):
    content = bytearray(framed(b"one") + framed(b"second") + framed(b"third"))
    content[place] ^= 1
    (tmp_path / "a.tfrecord").write_bytes(content)
    with pytest.raises(EvaluationError, match="a record at byte 19 has a wrong checksum"):
        list(read_records(tmp_path / "a.tfrecord"))


@pytest.mark.parametrize(
    "content", [framed(b"record")[:-1], framed(b"record")[:14], framed(b"record")[:5], b"this is some text"]
)
def test_a_file_that_ends_early_is_found(tmp_path, content):
    (tmp_path / "a.tfrecord").write_bytes(content)
    with pytest.raises(EvaluationError, match="is damaged, or not a TFRecord file: a record is incomplete"):
        list(read_records(tmp_path / "a.tfrecord"))
