"""Pickles of numbers are read; what would run code is not."""

import bz2
import os
import pickle
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
    assert isinstance(read["a"], OrderedDict)


class Command:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.mkdir, (self.file,)


def test_a_pickle_that_would_run_a_command_does_not(tmp_path):
    with pytest.raises(EvaluationError, match=r"asks for posix.mkdir|asks for nt.mkdir"):
        read_pickle(written(tmp_path / "a", [Command(str(tmp_path / "made"))]))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("value", [deque([1]), np.zeros(2), eval, EvaluationError("x")])
def test_nothing_else_is_read(tmp_path, value):
    with pytest.raises(EvaluationError, match="which no table of numbers needs"):
        read_pickle(written(tmp_path / "a", value))


@pytest.mark.parametrize("content", [b"", b"no bz2", bz2.compress(b""), bz2.compress(b"no pickle"), bz2.compress(pickle.dumps([1]))[:-9]])
def test_what_is_no_pickle_is_said(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(EvaluationError, match="must be a pickle compressed by bz2"):
        read_pickle(tmp_path / "a")
