"""A table that is not there is an error that says where to get it."""

import gzip
import json

import pytest

from retia.benchmark import nasbench101, nasbench201, natsbench
from retia.benchmark.files import Download, locate, read_json
from retia.errors import EvaluationError

TABLE = Download("Some Table", ("some.npz", "other/some.npz"), "https://example.org/some.npz")


def test_a_path_is_taken_as_it_is(tmp_path):
    (tmp_path / "mine.npz").touch()
    assert locate(TABLE, tmp_path / "mine.npz") == tmp_path / "mine.npz"


def test_the_folder_is_searched_for_every_name_in_order(tmp_path, monkeypatch):
    monkeypatch.setenv("RETIA_BENCHMARKS", str(tmp_path))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "some.npz").touch()
    assert locate(TABLE, None) == tmp_path / "other" / "some.npz"
    (tmp_path / "some.npz").touch()
    assert locate(TABLE, None) == tmp_path / "some.npz"


def test_what_is_missing_is_said_with_where_to_get_it(tmp_path, monkeypatch):
    monkeypatch.delenv("RETIA_BENCHMARKS", raising=False)
    with pytest.raises(
        EvaluationError, match="neither path= nor the environment variable RETIA_BENCHMARKS"
    ) as caught:
        locate(TABLE, None)
    assert "Download: https://example.org/some.npz" in str(caught.value)
    assert "Checksum: not published" in str(caught.value)
    assert "Put it at: $RETIA_BENCHMARKS/some.npz" in str(caught.value)
    with pytest.raises(EvaluationError, match="Some Table was not found: .*absent.npz does not exist"):
        locate(TABLE, tmp_path / "absent.npz")
    monkeypatch.setenv("RETIA_BENCHMARKS", str(tmp_path))
    with pytest.raises(EvaluationError, match="does not contain some.npz or other/some.npz"):
        locate(TABLE, None)


@pytest.mark.parametrize(
    ("call", "source", "checksum"),
    [
        (
            nasbench201,
            "NATS-tss-v1_0-3ffb9-simple.tar from https://drive.google.com",
            "the last five of its MD5",
        ),
        (
            lambda: natsbench("size"),
            "NATS-sss-v1_0-50262-simple.tar from https://drive.google.com",
            "not published for the .tar; the digits in the name",
        ),
        (
            nasbench101,
            "https://storage.googleapis.com/nasbench/nasbench_only108.tfrecord",
            "4c39c3936e36a85269881d659e44e61a245babcb72cb374eacacf75d0e5f4fd1",
        ),
    ],
)
def test_each_benchmark_says_where_its_table_comes_from(call, source, checksum, monkeypatch):
    monkeypatch.delenv("RETIA_BENCHMARKS", raising=False)
    with pytest.raises(EvaluationError, match="was not found") as caught:
        call()
    assert source in str(caught.value)
    assert checksum in str(caught.value)


def test_json_may_be_compressed(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([1]))
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"[2]", mtime=0))
    assert read_json(tmp_path / "a.json") == [1]
    assert read_json(tmp_path / "a.json.gz") == [2]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", b"{"), ("a.json.gz", b"{}"), ("a.json.gz", gzip.compress(b"{}", mtime=0)[:8])],
)
def test_what_is_no_json_is_said(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EvaluationError, match="must be a table in JSON, and can't be read"):
        read_json(tmp_path / name)
