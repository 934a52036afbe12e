"""A table that is damaged, or is something else, is an error of ours that names the file and says what to
do.
"""

import bz2
import gzip
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from retia.benchmark import (
    compact,
    digits,
    nasbench101,
    nasbench201,
    nasbench_macro,
    natsbench,
    read_operators,
    read_table,
    write_table,
)
from retia.benchmark.cells import TOPOLOGIES
from retia.benchmark.index import Grid
from retia.benchmark.latency import device_latencies
from retia.errors import EvaluationError

CELLS = Grid(TOPOLOGIES.labels, TOPOLOGIES.values, np.zeros((1, 6), np.int8))
LOADERS = {
    "nasbench101": lambda path: nasbench101(path=path),
    "nasbench201": lambda path: nasbench201(path=path),
    "natsbench": lambda path: natsbench("size", path=path),
    "macro": lambda path: nasbench_macro(path=path),
    "latencies": lambda path: device_latencies(CELLS, (), path),
    "operators": read_operators,
    "table": read_table,
    "compact": lambda path: compact(path, Path(path).with_name("target.npz")),
}


def npz(path, **arrays):
    with path.open("wb") as file:
        np.savez(file, **arrays)


KINDS = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no table"),
    "zeros": lambda path: path.write_bytes(bytes(4096)),
    "json null": lambda path: path.write_text("null"),
    "json list": lambda path: path.write_text("[1, 2]"),
    "json of lists": lambda path: path.write_text('{"a": [1, {}], "b": null}'),
    "json of objects": lambda path: path.write_text(
        '[{"hash": 1, "matrix": 2, "ops": 3, "runs_x": 4, "trainable_parameters": []}]'
    ),
    "json of macro": lambda path: path.write_text('{"01": {"test_acc": "x"}, "10": {"test_acc": [1, []]}}'),
    "json, deep": lambda path: path.write_text("[" * 100_000),
    "zipped json": lambda path: path.write_bytes(gzip.compress(b"{}")),
    "a pickle": lambda path: path.write_bytes(pickle.dumps([1])),
    "a pickle, bz2": lambda path: path.write_bytes(
        bz2.compress(pickle.dumps({"meta_archs": [1], "arch2infos": [2]}))
    ),
    "npz": lambda path: npz(path, a=np.zeros(3)),
    "npz of numbers": lambda path: npz(
        path, format=np.array("retia/nasbench101/1"), keys=np.zeros(3), **{"x/y/z": np.zeros(2)}
    ),
    "npz of no runs": lambda path: npz(
        path,
        format=np.array("retia/nasbench101/1"),
        keys=0,
        edges=0,
        operations=0,
        params=0,
        **{"108/a": np.zeros(2)},
    ),
    "npz of nats": lambda path: npz(
        path,
        format=np.array("retia/natsbench-size/1"),
        **{f"{one}/x/seeds": np.zeros(2) for one in ("cifar10-valid", "cifar10")},
    ),
    "npz of cells": lambda path: npz(path, ops=np.full((3, 6), 99), raspi=np.zeros(3)),
    "npz of a table": lambda path: npz(
        path, format=np.array("retia/table/1"), header=np.frombuffer(b'{"architectures": 7}', np.uint8)
    ),
    "npz of objects": lambda path: path.write_bytes(pickled_npz(path)),
    "npy": lambda path: path.write_bytes(
        b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117)
        + b"\n"
    ),
    "a folder": lambda path: path.mkdir(),
}


def pickled_npz(path):
    with path.open("wb") as file:
        np.savez(file, format=np.array([{}], dtype=object))
    return path.read_bytes()


@pytest.mark.parametrize("suffix", [".npz", ".tfrecord", ".json", ".json.gz", ".pickle.pbz2", ".other"])
@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_any_other_file_is_an_error_with_its_name(tmp_path, load, suffix):
    for kind, write in KINDS.items():
        path = tmp_path / f"{kind}{suffix}"
        write(path)
        with pytest.raises(EvaluationError) as caught:
            load(path)
        assert path.name in str(caught.value) or "Row 0 of the table" in str(caught.value), kind


def test_a_folder_instead_of_a_file_says_which_file(tmp_path):
    with pytest.raises(
        EvaluationError, match=r"is a folder, and the table is a file; pass path='.*/nasbench101.npz'"
    ):
        nasbench101(path=tmp_path)
    (tmp_path / "nasbench_only108.tfrecord").touch()
    with pytest.raises(
        EvaluationError,
        match=r"is a folder, and the table is a file; pass path='.*/nasbench_only108.tfrecord'",
    ):
        nasbench101(path=tmp_path)


def test_every_part_of_a_table_may_be_damaged(tmp_path):
    path = write_table(digits(), tmp_path / "table.npz")
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        spoilt = bytearray(whole)
        start = int(rng.integers(len(whole)))
        spoilt[start : start + int(rng.integers(1, 400))] = bytes(int(rng.integers(1, 400)))
        path.write_bytes(spoilt)
        try:
            read_table(path)
        except EvaluationError as error:
            assert "table.npz" in str(error)


def test_results_of_another_form_are_an_error_when_they_are_asked_for(real, tmp_path):
    import shutil

    folder = real("nats_official_fixture", "NATS-tss-v1_0-3ffb9-simple")
    shutil.copytree(folder, tmp_path / "archive", copy_function=shutil.copyfile)
    (tmp_path / "archive").chmod(0o755)
    benchmark = nasbench201(path=tmp_path / "archive")
    rows = sorted((tmp_path / "archive").glob("0*.pbz2"))
    for content in (
        {"200": None},
        {"200": {"dataset_seed": {"cifar10-valid": [7]}, "all_results": {}}},
        [1],
        {"x": {}},
    ):
        rows[-1].unlink()
        rows[-1].write_bytes(bz2.compress(pickle.dumps(content)))
        opened = nasbench201(path=tmp_path / "archive")
        row = int(rows[-1].name.split(".")[0])
        with pytest.raises(
            EvaluationError, match="archive can't be read as this table|archive.* has no|no epochs|epochs"
        ):
            opened.query(benchmark.index.architecture(row))


def test_json_that_is_deep_is_an_error(tmp_path):
    (tmp_path / "deep.json").write_text(json.dumps({"a": 1}) + "[" * 10)
    with pytest.raises(EvaluationError, match="deep.json"):
        read_operators(tmp_path / "deep.json")
