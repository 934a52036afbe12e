"""Pickles of numbers are read; what would run code is not."""

import bz2
import os
import pickle
import struct
from collections import OrderedDict, deque

import numpy as np
import pytest

from retia.benchmark.restricted_pickle import read_pickle
from retia.errors import EvaluationError


def written(path, value):
    path.write_bytes(bz2.compress(pickle.dumps(value, protocol=4)))
    return path


def test_containers_and_numbers_are_read(tmp_path):
    value = {"a": OrderedDict([((1, "b"), [np.float64(0.25), 2, None])]), "c": {3}}
    read = read_pickle(written(tmp_path / "a", value))
    assert read == value
    assert type(read["a"][1, "b"][0]) is float


class Command:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.mkdir, (self.file,)


def test_a_pickle_that_would_run_a_command_does_not(tmp_path):
    with pytest.raises(EvaluationError, match=r"contains the name posix.mkdir|contains the name nt.mkdir"):
        read_pickle(written(tmp_path / "a", [Command(str(tmp_path / "made"))]))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("value", [deque([1]), np.zeros(2), eval, EvaluationError("x")])
def test_nothing_else_is_read(tmp_path, value):
    with pytest.raises(EvaluationError, match="which is not allowed in a table of numbers"):
        read_pickle(written(tmp_path / "a", value))


@pytest.mark.parametrize(
    "content",
    [b"", b"no bz2", bz2.compress(b""), bz2.compress(b"no pickle"), bz2.compress(pickle.dumps([1]))[:-9]],
)
def test_what_is_no_pickle_is_said(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(EvaluationError, match="must be a pickle compressed with bz2"):
        read_pickle(tmp_path / "a")


@pytest.mark.parametrize("code", ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_numbers_of_every_type_are_read(tmp_path, code, protocol):
    value = np.array([1], code)[0]
    (tmp_path / "a").write_bytes(
        bz2.compress(pickle.dumps([value, -(10**12), 2**90, True, "text", b"raw", 300, 70_000], protocol))
    )
    assert read_pickle(tmp_path / "a") == [1, -(10**12), 2**90, True, "text", b"raw", 300, 70_000]


def test_containers_that_hold_one_another_are_read_as_pickle_reads_them(tmp_path):
    shared = [1.5]
    value = {
        "shared": [shared, shared],
        "pairs": {("a", 1): (1, 2, 3, 4), ("b", 2): ()},
        "many": list(range(2500)),
        "long": "x" * 500,
    }
    read = read_pickle(written(tmp_path / "a", value))
    assert read == value
    assert read["shared"][0] is read["shared"][1]


# --- forged pickles, written by hand


def forged(path, *parts):
    path.write_bytes(bz2.compress(b"\x80\x04" + b"".join(parts) + b"."))
    return path


def text(value):
    return b"\x8c" + bytes([len(value)]) + value.encode()


def raw(value):
    return b"C" + bytes([len(value)]) + value


def named(module, name):
    return text(module) + text(name) + b"\x93"


def number_type(code):
    return named("numpy", "dtype") + text(code) + b"\x89\x88\x87R"


def scalar(of, data):
    return named("numpy.core.multiarray", "scalar") + of + raw(data) + b"\x86R"


STATE = b"(K\x03" + text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t"
POINTER = struct.pack("<Q", 0xDEAD_BEEF)

FORGED = {
    "an object by its code": [scalar(number_type("O8"), POINTER)],
    "an object by its state": [number_type("V8"), b"(K\x03" + text("|") + b"NNNK\x08K\x01K\x3ftb"],
    "a structure": [number_type("f8,O"), STATE, b"b"],
    "a subarray": [scalar(number_type("(1000000,)f8"), POINTER)],
    "a text": [scalar(number_type("U2"), POINTER)],
    "a date": [scalar(number_type("M8"), POINTER)],
    "a type by number": [named("numpy", "dtype"), b"K\x08\x85R"],
    "too few bytes": [scalar(number_type("f8"), b"\0\0")],
    "too many bytes": [scalar(number_type("f8"), b"\0" * 16)],
    "big-endian numbers": [number_type("f8"), b"(K\x03" + text(">") + b"tb"],
    "a state without a type": [b"]", STATE, b"b"],
    "a state of what is named": [named("numpy", "dtype"), b"N}" + text("__call__") + b"K\x01s\x86b"],
    "a state of an ordered dictionary": [
        named("collections", "OrderedDict"),
        b")RN}" + text("items") + b"K\x01s\x86b",
    ],
    "a call of a number": [b"K\x01)R"],
    "a call without a tuple": [named("numpy.core.multiarray", "scalar"), b"K\x01R"],
    "a dictionary of given items": [named("collections", "OrderedDict"), b"]\x85R"],
    "a scalar of a text": [named("numpy.core.multiarray", "scalar"), text("f8"), raw(POINTER), b"\x86R"],
    "items of a text": [text("x"), b"K\x01a"],
    "items of a type": [number_type("f8"), b"K\x01K\x02s"],
    "an item of a list by place": [b"](K\x01K\x02u"],
    "a key that is a list": [b"}]K\x01s"],
    "an odd number of items": [b"}(K\x01u"],
    "a huge place in the memory": [b"]j\xff\xff\xff\xff"],
    "a huge text": [b"\x8d" + b"\xff" * 7 + b"\x7f"],
    "a huge array of bytes": [b"\x96" + b"\xff" * 7 + b"\x7f"],
    "a text beyond the end": [b"X\xff\xff\xff\x7fabc"],
    "bytes beyond the end": [b"B\xff\xff\xff\xffabc"],
    "a number beyond the end": [b"\x8a\xffabc"],
    "another object's class": [named("collections", "OrderedDict"), b")\x81"],
    "an extension": [b"\x82\x01"],
    "a persistent object": [b"K\x01Q"],
    "values from an empty stack": [b"\x87"],
    "a mark from an empty stack": [b"t"],
    "marks that cross": [b"K\x01(\x850(t\x85\x85t"],
    "nothing at all": [],
    "a name that is no text": [b"K\x01K\x02\x93"],
    "a name of deep lists": [b"]" * 5000 + b"a" * 4999 + text("x") + b"\x93"],
}


@pytest.mark.parametrize("parts", FORGED.values(), ids=FORGED)
def test_a_forged_pickle_is_an_error(tmp_path, parts):
    with pytest.raises(
        EvaluationError,
        match=r"must be a pickle compressed with bz2, and can't be read: \w+: .*Download it again",
    ):
        read_pickle(forged(tmp_path / "a", *parts))


def test_the_parts_of_forged_pickles_are_put_together_rightly(tmp_path):
    good = [b"](", scalar(number_type("f8")[:-1] + b"R" + STATE + b"b", struct.pack("<d", 0.25)), b"e"]
    assert read_pickle(forged(tmp_path / "a", *good)) == [0.25]
    assert pickle.loads(bz2.decompress((tmp_path / "a").read_bytes())) == [0.25]


@pytest.mark.parametrize(
    "deep",
    [b"}" + b")" + b"\x85" * 3_000_000 + b"K\x01s", b"\x8f()" + b"\x85" * 3_000_000 + b"\x90"],
    ids=["key", "item"],
)
def test_tuples_nested_deeply_are_not_hashed(tmp_path, deep):
    with pytest.raises(EvaluationError, match="a key contains a tuple"):
        read_pickle(forged(tmp_path / "a", deep))


def test_lists_nested_deeply_are_read_and_forgotten(tmp_path):
    read = read_pickle(forged(tmp_path / "a", b"]" * 1_000_000 + b"a" * 999_999))
    assert len(read) == 1
    del read


def test_a_huge_place_in_the_memory_costs_no_memory(tmp_path):
    assert read_pickle(forged(tmp_path / "a", b"K\x07r\xff\xff\xff\xff")) == 7


def test_a_file_that_grows_without_end_is_an_error(tmp_path):
    (tmp_path / "a").write_bytes(bz2.compress(bytes(80 << 20)))
    with pytest.raises(EvaluationError, match="it has more than 67,"):
        read_pickle(tmp_path / "a")


def test_a_folder_is_an_error(tmp_path):
    with pytest.raises(EvaluationError, match="can't be read: IsADirectoryError"):
        read_pickle(tmp_path)
