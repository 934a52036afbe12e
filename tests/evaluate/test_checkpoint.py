"""A checkpoint comes back as it was, and anything else is an error that names the file and says what to
do.
"""

import json

import pytest
import torch

from retia.errors import StorageError
from retia.evaluate import load_checkpoint, save_checkpoint
from retia.nn import read_tensors, write_tensors

STATE = {
    "weights": torch.arange(6.0).reshape(2, 3),
    "steps": [1, None, "x", (2, [])],
    "moments": {0: torch.ones(2, dtype=torch.bfloat16), "a": {}},
}


def test_it_comes_back(tmp_path):
    save_checkpoint(tmp_path / "file", STATE, {"seed": 1})
    state = load_checkpoint(tmp_path / "file", {"seed": 1})
    assert torch.equal(state["weights"], STATE["weights"])
    assert state["steps"] == STATE["steps"]
    assert torch.equal(state["moments"][0], STATE["moments"][0])
    assert state["moments"]["a"] == {}
    assert load_checkpoint(tmp_path / "none", {"seed": 1}) is None


DESCRIPTIONS = [
    "",
    "null",
    "[1]",
    '{"version": 3}',
    '{"version": 3, "identity": {}, "state": {"tensor": "9"}}',
    '{"version": 3, "identity": {}, "state": {"other": 1}}',
    '{"version": 3, "identity": {}, "state": {"items": [[1]]}}',
    '{"version": 3, "identity": {}, "state": {"items": 7}}',
    "[" * 100_000,
]


@pytest.mark.parametrize("text", DESCRIPTIONS, ids=range(len(DESCRIPTIONS)))
def test_another_description_is_an_error(tmp_path, text):
    write_tensors(tmp_path / "file", {"0": torch.ones(1)}, text)
    with pytest.raises(
        StorageError,
        match=r"file' should be a checkpoint of a training, but its description is not one: .*Remove it to train from the beginning",
    ):
        load_checkpoint(tmp_path / "file", {})


def test_another_version_is_an_error(tmp_path):
    write_tensors(tmp_path / "file", {}, json.dumps({"version": 1, "identity": {}, "state": None}))
    with pytest.raises(
        StorageError, match=r"file' has version 1 of the format, and this retia reads 3. Remove it"
    ):
        load_checkpoint(tmp_path / "file", {})


def test_a_changed_description_is_damage(tmp_path):
    save_checkpoint(tmp_path / "file", STATE, {"seed": 1})
    whole = (tmp_path / "file").read_bytes()
    (tmp_path / "file").write_bytes(whole.replace(b'\\"seed\\": 1', b'\\"seed\\": 2'))
    with pytest.raises(StorageError, match="is damaged: its checksum differs"):
        load_checkpoint(tmp_path / "file", {"seed": 2})


def test_a_body_of_zeros_is_damage(tmp_path):
    save_checkpoint(tmp_path / "file", STATE, {})
    whole = (tmp_path / "file").read_bytes()
    (tmp_path / "file").write_bytes(whole[:-24] + bytes(24))
    with pytest.raises(
        StorageError,
        match=(
            "is damaged: its checksum differs.*Remove it to train from the beginning, "
            "or give another directory"
        ),
    ):
        load_checkpoint(tmp_path / "file", {})
    (tmp_path / "file").write_bytes(whole)
    assert read_tensors(tmp_path / "file", "a file", "Write it.")[0]["0"].shape == (2, 3)
