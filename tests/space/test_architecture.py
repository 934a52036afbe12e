import copy
import pickle
import subprocess
import sys

import pytest

from retia.errors import SpaceError
from retia.space import Architecture


def test_equal_whatever_the_order():
    a, b = Architecture({"x": 1, "y": "b"}), Architecture({"y": "b", "x": 1})
    assert a == b
    assert hash(a) == hash(b)
    assert a.key == b.key
    assert a == {"x": 1, "y": "b"}
    assert a != Architecture({"x": 1})
    assert a != 3


def test_is_a_mapping_that_never_changes():
    a = Architecture({"x": [1, 2], "y": None})
    assert dict(a) == {"x": (1, 2), "y": None}
    assert list(a) == list(a.keys()) == ["x", "y"]
    assert list(a.values()) == [(1, 2), None]
    assert len(a) == 2
    assert "x" in a
    assert "z" not in a
    assert a.unwrapped == dict(a)
    with pytest.raises(TypeError, match="does not support item assignment"):
        a["x"] = 3


def test_does_not_follow_the_mapping_it_came_from():
    values = {"x": 1}
    a = Architecture(values)
    values["x"] = 2
    assert a["x"] == 1


@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        copy.deepcopy,
        lambda a: pickle.loads(pickle.dumps(a)),
        lambda a: Architecture.from_json(a.to_json()),
    ],
)
def test_copies_are_equal(copied):
    a = Architecture({"b": (1, "x", None), "a": 0.1, "c": True, "ü": "ß"})
    assert copied(a) == a
    assert hash(copied(a)) == hash(a)
    assert copied(a).key == a.key


def test_json_is_canonical():
    assert Architecture({"b": (1, 2), "a": None}).to_json() == '{"a":null,"b":[1,2]}'


def test_key_is_the_same_in_another_process():
    a = Architecture({"width": 16, "kernel": 3})
    code = "from retia.space import Architecture; print(Architecture({'kernel': 3, 'width': 16}).key)"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert shown == a.key == "4c9fba9cbc4c5893"


def test_prints_as_a_table():
    a = Architecture({"op": "<conv>", "width": 16})
    assert str(a) == "op     <conv>\nwidth  16"
    assert repr(a) == "Architecture({'op': '<conv>', 'width': 16})"
    assert "<td>op</td><td>&lt;conv&gt;</td>" in a._repr_html_()
    assert not str(Architecture({}))


def test_refuses_what_is_no_json():
    with pytest.raises(SpaceError, match="got <object"):
        Architecture({"x": object()})
