"""Every way in which an npz file may be damaged is an error that says what to do."""

import pickle

import numpy as np
import pytest

from retia.benchmark.npz import open_npz
from retia.errors import EvaluationError


@pytest.fixture
def file(tmp_path):
    np.savez(tmp_path / "table.npz", numbers=np.arange(1000.0))
    return tmp_path / "table.npz"


def read(path):
    with open_npz(path, "Make it again.") as table:
        return table["numbers"]


def fails(path, message):
    with pytest.raises(EvaluationError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith("Make it again.")


def test_what_is_in_it_is_read(file):
    assert read(file).sum() == 999 * 500


@pytest.mark.parametrize("left", [0, 3, 100, 4000])
def test_a_download_that_stopped(file, left):
    file.write_bytes(file.read_bytes()[:left])
    fails(file, "must be an npz file, but .* can't be read as one: .*")


def test_a_byte_that_changed(file):
    content = bytearray(file.read_bytes())
    content[4000] ^= 1
    file.write_bytes(content)
    fails(file, "Bad CRC-32")


def test_what_is_no_npz_file(tmp_path):
    fails(tmp_path / "absent.npz", "No such file")
    (tmp_path / "text.npz").write_text("<html>try again later</html>")
    fails(tmp_path / "text.npz", "it is another kind of file, or contains pickled objects")
    np.save(tmp_path / "one.npy", np.ones(3))
    fails(tmp_path / "one.npy", "is a single array")
    np.savez(tmp_path / "other.npz", letters=np.ones(3))
    fails(tmp_path / "other.npz", "lacks a part of a table: numbers is not a file in the archive")


class Evil:
    ran = False

    def __reduce__(self):
        return setattr, (Evil, "ran", True)


def test_pickled_objects_are_not_run(tmp_path):
    np.savez(tmp_path / "evil.npz", numbers=np.array([Evil()], object))
    fails(tmp_path / "evil.npz", "contains pickled objects")
    (tmp_path / "evil.pickle").write_bytes(pickle.dumps(Evil()))
    fails(tmp_path / "evil.pickle", "contains pickled objects")
    assert not Evil.ran
