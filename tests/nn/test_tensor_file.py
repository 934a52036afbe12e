"""Files of tensors come back to the bit, and a damaged one is an error that names it."""

import json
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, load_model, save_file
from torch import nn

from retia.errors import SpaceError, StorageError
from retia.nn import ModelSpace, read_tensors, seeded, write_tensors, write_weights
from retia.space import choice

DAMAGED = r"(?s)weights\.safetensors' .*Train the model again, or take another file"


@pytest.fixture
def space():
    return ModelSpace(
        lambda: nn.Sequential(nn.Linear(4, width := choice("width", [2, 3])), nn.BatchNorm1d(width))
    )


@pytest.fixture(autouse=True)
def fixed_weights():
    with seeded(0):
        yield


@pytest.fixture
def file(space, tmp_path):
    path = tmp_path / "kept" / "weights.safetensors"
    write_weights(path, space.build({"width": 3}, seed=0))
    return path


TYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int8,
    torch.uint8,
    torch.bool,
]


@pytest.mark.parametrize("of", TYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3), (5,)])
def test_tensors_and_text_come_back(tmp_path, of, shape):
    tensors = {"one": torch.ones(shape).to(of), "turned": torch.arange(6).reshape(2, 3).t().to(of)}
    write_tensors(tmp_path / "file", tensors, 'text, "quoted" and \u00e9')
    read, text = read_tensors(tmp_path / "file", "a file", "Write it.")
    assert text == 'text, "quoted" and \u00e9'
    assert all(torch.equal(read[name], tensor) and read[name].dtype == of for name, tensor in tensors.items())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_flipped_bits_are_noticed_or_change_no_tensor(space, file):
    whole, kept, noticed = file.read_bytes(), load_file(file), 0
    places = range(0, 8 * len(whole), 7)
    for place in places:
        spoilt = bytearray(whole)
        spoilt[place // 8] ^= 1 << place % 8
        file.write_bytes(spoilt)
        try:
            tensors, _ = read_tensors(file, "a file", "Write it.")
        except StorageError as error:
            assert "weights.safetensors'" in str(error)
            noticed += 1
        else:  # of what is not a tensor's, such as the name of the empty text
            assert tensors.keys() == kept.keys()
            assert all(torch.equal(tensor, kept[name]) for name, tensor in tensors.items())
    assert noticed > 0.95 * len(places)


SPOILT = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("nonsense"),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-10]),
    "a header of zeros": lambda path: path.write_bytes(bytes(100) + path.read_bytes()[100:]),
    "a body of zeros": lambda path: path.write_bytes(path.read_bytes()[:-80] + bytes(80)),
    "all zeros": lambda path: path.write_bytes(bytes(len(path.read_bytes()))),
    "an enormous header": lambda path: path.write_bytes(struct.pack("<Q", 2**62) + path.read_bytes()[8:]),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "gone": lambda path: path.unlink(),
    "a pickle": lambda path: torch.save({"weight": torch.ones(1)}, path),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_damaged_weights_are_an_error_that_names_the_file(space, file, spoil):
    spoil(file)
    with pytest.raises(StorageError, match=DAMAGED):
        space.load({"width": 3}, file)


def test_weights_without_a_checksum_are_read(space, tmp_path):
    model = space.build({"width": 3}, seed=1)
    save_file(model.state_dict(), tmp_path / "theirs.safetensors", metadata={"format": "pt"})
    assert torch.equal(space.load({"width": 3}, tmp_path / "theirs.safetensors")[0].weight, model[0].weight)


def test_a_checksum_that_is_missing_is_damage(file):
    length = struct.unpack("<Q", file.read_bytes()[:8])[0]
    header = json.loads(file.read_bytes()[8 : 8 + length])
    del header["__metadata__"]["sha256"]
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + file.read_bytes()[8 + length :])
    with pytest.raises(StorageError, match="is damaged: its checksum differs"):
        read_tensors(file, "a file", "Write it.")


def test_a_tied_weight_is_written_once_and_read_by_safetensors_itself(tmp_path):
    def tied():
        model = nn.ModuleDict({"embed": nn.Embedding(5, 4), "head": nn.Linear(4, 5, bias=False)})
        model["head"].weight = model["embed"].weight
        return model

    one, other = tied(), tied()
    write_weights(tmp_path / "file", one)
    assert list(load_file(tmp_path / "file")) == ["embed.weight"]
    load_model(other, tmp_path / "file")
    assert torch.equal(other["head"].weight, one["head"].weight)


@pytest.mark.parametrize("tensors", [{}, {"0.weight": torch.zeros(3, 4)}, {"more": torch.zeros(1)}])
def test_weights_of_another_model_are_not_damaged_but_other_ones(space, tmp_path, tensors):
    write_tensors(tmp_path / "weights.safetensors", tensors)
    with pytest.raises(SpaceError, match="do not fit this architecture"):
        space.load({"width": 3}, tmp_path / "weights.safetensors")


def test_parts_of_one_tensor_are_written_each(tmp_path):
    whole = torch.arange(12.0)
    write_tensors(tmp_path / "file", {"low": whole[:8], "high": whole[4:]})
    read, _ = read_tensors(tmp_path / "file", "a file", "Write it.")
    assert np.array_equal(read["high"], whole[4:])
