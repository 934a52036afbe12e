"""NAS-Bench-101 from JSON, from a tfrecord made of the same entries, and from a compact table."""

import base64
import gzip
import json
import pickle
import struct

import numpy as np
import pytest

import retia
from retia.benchmark import compact, nasbench101, nasbench101_architecture, nasbench101_module
from retia.benchmark.model_metrics import Evaluation, ModelMetrics
from retia.benchmark.module_graph import module_hash
from retia.benchmark.tfrecord import crc32c
from retia.errors import ArchitectureError, EvaluationError
from retia.predictor import cell_graph
from retia.rng import stream

CONV3, CONV1, POOL = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"


@pytest.fixture(scope="module")
def entries(real):
    return json.loads(gzip.decompress(real("nasbench101_naslib30", "nb101_30.json.gz").read_bytes()))


# --- what the authors write, by hand


def framed(record):
    """A record of a tfrecord."""

    def checksum(data):
        crc = int(crc32c([data])[0])
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(record))
    return length + checksum(length) + record + checksum(record)


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def evaluation(*numbers):
    doubles = b"".join(
        bytes([i << 3 | 1]) + struct.pack("<d", number) for i, number in enumerate(numbers, start=1)
    )
    return doubles + b"\x32" + varint(10) + b"model.ckpt"


def metrics(params, *evaluations):
    messages = b"".join(b"\x0a" + varint(len(one)) + one for one in evaluations)
    return messages + b"\x10" + varint(params) + b"\x19" + struct.pack("<d", 12.5)


def test_a_message_is_read():
    message = (
        metrics(6_315_018, evaluation(0, 0, 0.1, 0.2, 0.3), evaluation(54, 697.5, 0.8, 0.7, 0.6))
        + b"\x25\x00\x00\x00\x00"
    )
    assert ModelMetrics.read(message) == ModelMetrics(
        (Evaluation(0, 0, 0.1, 0.2, 0.3), Evaluation(54, 697.5, 0.8, 0.7, 0.6)), 6_315_018
    )


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (b"\x0a\x05abc", "ends within a field"),
        (b"\x1a\x05ab", "ends within"),
        (b"\x19\x00\x00", "ends within"),
        (b"\x10\xff", "ends within"),
        (b"\x0b", "field 1 has the type 3"),
    ],
)
def test_what_is_no_message_is_said(message, what):
    with pytest.raises(EvaluationError, match=f"must be a protocol buffer, and can't be parsed: .*{what}"):
        ModelMetrics.read(message)


# --- the table


def test_a_row_by_hand(modules, entries):
    entry = entries[0]
    found = modules.query(nasbench101_architecture(entry["matrix"], entry["ops"]))
    assert found["valid_accuracy"] == pytest.approx(
        100 * (0.9255809187889099 + 0.9279847741127014 + 0.9246794581413269) / 3
    )
    assert found["test_accuracy"] == pytest.approx(
        100 * (0.9231770634651184 + 0.9192708134651184 + 0.9205729365348816) / 3
    )
    assert found["train_seconds"] == pytest.approx(
        (1396.137939453125 + 1395.739990234375 + 1386.18310546875) / 3
    )
    assert found["params"] == 6_315_018


def test_every_entry_is_found_by_its_hash(modules, entries):
    assert len(modules) == 30
    rows = set()
    for entry in entries:
        row = modules.index.row(nasbench101_architecture(entry["matrix"], entry["ops"]))
        assert module_hash(nasbench101_module(modules.index.architecture(row))) == entry["hash"]
        rows.add(row)
    assert rows == set(range(30))


def test_half_of_the_epochs_and_single_runs(real, entries):
    path = real("nasbench101_naslib30", "nb101_30.json.gz")
    architecture = nasbench101_architecture(entries[0]["matrix"], entries[0]["ops"])
    second = nasbench101(run=1, path=path)
    assert second.fidelities == (54, 108)
    assert second.query(architecture)["valid_accuracy"] == pytest.approx(92.79847741127014)
    assert second.query(architecture, 54)["valid_accuracy"] == pytest.approx(67.54807829856873)
    assert second.query(architecture, 54)["train_seconds"] == pytest.approx(696.2119750976562)


def test_isomorphic_and_unpruned_architectures_are_one_module(modules):
    # Two branches between input and output, a convolution and a pooling, with vertices on no path beside
    # them.
    space = modules.space
    base = {**dict.fromkeys(space.parameters, 0), **{f"operation/{i}": CONV3 for i in range(1, 6)}}
    one = {**base, "edge/1<-0": 1, "edge/6<-1": 1, "edge/2<-0": 1, "edge/6<-2": 1, "operation/2": POOL}
    other = {
        **base,
        "edge/3<-0": 1,
        "edge/6<-3": 1,
        "edge/5<-0": 1,
        "edge/6<-5": 1,
        "operation/3": POOL,
        "edge/4<-0": 1,
        "edge/2<-1": 1,
    }
    assert space.validate(one) != space.validate(other)
    assert module_hash(nasbench101_module(one)) == module_hash(nasbench101_module(other))
    assert nasbench101_module(one).edges == 4


def test_samples_are_modules(modules):
    rng = stream(0, "modules")
    sizes = set()
    for _ in range(50):
        module = nasbench101_module(modules.space.sample(rng))
        assert module.edges <= 9
        sizes.add(len(module.operations))
    assert len(sizes) > 2
    assert nasbench101_module(modules.space.default()).operations == ("input", "output")


def test_the_graph_that_predictors_see_is_the_pruned_module(modules):
    """Two programs that know nothing of each other: the graph that is drawn of labels, and the module that is
    hashed.
    """
    draw = cell_graph(modules.space)
    for number in range(300):
        architecture = modules.space.sample(stream(4, number))
        module, graph = nasbench101_module(architecture), draw(architecture)
        assert graph.labels == module.operations
        assert set(graph.edges) == {
            (i, j) for i, row in enumerate(module.matrix) for j, there in enumerate(row) if there
        }


def test_a_search_stays_in_what_the_table_has(modules):
    known = [entry.architecture for entry in modules.entries()]
    study = retia.search(
        modules.space,
        modules.evaluator,
        retia.strategy.Listed(known),
        trials=30,
        maximize="valid_accuracy",
        baseline=known[0],
        progress=False,
    )
    assert study.best.metrics["valid_accuracy"] == modules.optimum()
    assert study.history.count("completed") == 30


def test_a_benchmark_survives_a_pickle(modules):
    again = pickle.loads(pickle.dumps(modules))
    assert again.query(modules[3].architecture) == modules[3].metrics
    assert modules.space.to_json() == again.space.to_json()
    assert modules[3].architecture in again.space


@pytest.fixture
def tfrecord(entries, tmp_path):
    """The entries as the authors write them, with some made-up trainings of 36 epochs; an isomorphic twin of
    the first one.
    """
    records = []
    for entry in entries:
        for epochs in (36, 108):
            for run in entry["runs_108"]:
                halfway, final = (
                    [
                        run[f"{when}_{name}"]
                        for name in (
                            "training_time",
                            "train_accuracy",
                            "validation_accuracy",
                            "test_accuracy",
                        )
                    ]
                    for when in ("halfway", "final")
                )
                if epochs == 36:
                    halfway, final = [number / 4 for number in halfway], [number / 4 for number in final]
                message = metrics(
                    entry["trainable_parameters"],
                    evaluation(0, 0, 0.1, 0.1, 0.1),
                    evaluation(epochs / 2, *halfway),
                    evaluation(epochs, *final),
                )
                matrix = "".join(str(one) for row in entry["matrix"] for one in row)
                records.append(
                    json.dumps(
                        [
                            entry["hash"],
                            epochs,
                            matrix,
                            ",".join(entry["ops"]),
                            base64.b64encode(message).decode(),
                        ]
                    ).encode()
                )
    file = tmp_path / "nasbench_full.tfrecord"
    file.write_bytes(b"".join(map(framed, records)))
    return file


def test_a_tfrecord_holds_what_the_json_does(tfrecord, modules, tmp_path):
    table = nasbench101(path=tfrecord)
    small = nasbench101(path=compact(tfrecord, tmp_path / "nasbench101.npz"))
    assert table.fidelities == small.fidelities == (18, 36, 54, 108)
    for entry in modules.entries():
        for epochs in (54, 108):
            known = modules.query(entry.architecture, epochs)
            assert table.query(entry.architecture, epochs) == pytest.approx(known)
            assert small.query(entry.architecture, epochs) == pytest.approx(known, rel=1e-6)
        quarter = small.query(entry.architecture, 36)["valid_accuracy"]
        assert quarter == pytest.approx(entry.metrics["valid_accuracy"] / 4)
    assert nasbench101(run=2, path=tmp_path / "nasbench101.npz")[5].metrics == pytest.approx(
        nasbench101(run=2, path=tfrecord)[5].metrics, rel=1e-6
    )


def test_isomorphic_modules_of_a_file_are_one_row(tmp_path, entries):
    """The authors' table has none, but a table of one's own may."""
    entry = entries[0]
    twin = {**entry, "matrix": [[0, 1, 0], [0, 0, 1], [0, 0, 0]], "ops": ["input", CONV1, "output"]}
    twin["hash"] = module_hash(nasbench101_module(nasbench101_architecture(twin["matrix"], twin["ops"])))
    spelled = {
        **twin,
        "matrix": [[0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]],
        "ops": ["input", POOL, CONV1, "output"],
        "runs_108": entry["runs_108"][:1],
    }
    (tmp_path / "a.json").write_text(json.dumps([twin, spelled, entry]))
    table = nasbench101(path=tmp_path / "a.json")
    assert len(table) == 2
    runs = [run["final_validation_accuracy"] for run in entry["runs_108"]]
    assert table.query(nasbench101_architecture(twin["matrix"], twin["ops"]))[
        "valid_accuracy"
    ] == pytest.approx(100 * np.mean([*runs, runs[0]]))
    assert np.isnan(nasbench101(run=3, path=tmp_path / "a.json").column("valid_accuracy")).sum() == 1


# --- errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edge/6<-0": 0}, "needs a path from vertex 0 to vertex 6, got .* without one"),
        (
            dict.fromkeys([f"edge/{j}<-{i}" for i in range(5) for j in range(i + 1, 5)] + ["edge/6<-4"], 1),
            "at most 9 edges .* got 12",
        ),
        ({"edge/6<-0": "yes"}, "has the labels 'edge/1<-0' to 'edge/6<-5'"),
        ({"operation/2": "conv5x5"}, "must be 'input', some of"),
    ],
)
def test_what_is_no_architecture_is_said(modules, changes, message):
    architecture = {**modules.space.default(), **changes}
    with pytest.raises(ArchitectureError, match=message):
        modules.query(architecture)
    assert architecture not in modules.space


def test_architectures_that_the_table_has_not(modules):
    with pytest.raises(ArchitectureError, match="has the labels .* .KeyError"):
        modules.query({"edge/1<-0": 1})
    with pytest.raises(ArchitectureError, match="contains 30 of the 423,624 modules, but not Module"):
        modules.query(modules.space.default())
    with pytest.raises(ArchitectureError, match="at most 7 vertices, got 8"):
        nasbench101_architecture(np.zeros((8, 8), int), ["input", *[CONV3] * 6, "output"])


def test_runs_that_there_are_not(real):
    with pytest.raises(EvaluationError, match="has the runs 0 to 2, got run=3"):
        nasbench101(run=3, path=real("nasbench101_naslib30", "nb101_30.json.gz"))
    with pytest.raises(EvaluationError, match="results after 54, 108 epochs, got 36"):
        nasbench101(epochs=36, path=real("nasbench101_naslib30", "nb101_30.json.gz"))


def test_files_that_are_none(tmp_path, entries):
    def fails(name, content, message):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(EvaluationError, match=message):
            nasbench101(path=tmp_path / name)

    fails("a.json", b"[]", "contains no module of NAS-Bench-101")
    fails("a.json", b"{}", "contains no module of NAS-Bench-101")
    fails(
        "a.json",
        json.dumps([{**entries[0], "hash": entries[1]["hash"]}]).encode(),
        "gives the hash 'c4f6b.*|gives the hash .* to a module with the hash 'ff92c322",
    )
    fails("a.json", json.dumps([{"hash": "a"}]).encode(), "needs 'hash', 'matrix', .*KeyError")
    fails(
        "a.tfrecord",
        framed(b"text"),
        "must be a hash, the epochs, a matrix, .* Give the path of the tfrecord of NAS-Bench-101",
    )
    short = [
        entries[0]["hash"],
        108,
        "0100",
        "input,output",
        base64.b64encode(metrics(1, evaluation(0, 0, 0, 0, 0))).decode(),
    ]
    fails("a.tfrecord", framed(json.dumps(short).encode()), "has three evaluations, got 1 in")
    fails("a.npz", b"text", "must be an npz file, but .* contains pickled objects. Make it with")
    np.savez(tmp_path / "b.npz", a=np.zeros(1))
    with pytest.raises(
        EvaluationError, match="must be a table in the format 'retia/nasbench101/1', got 'None'"
    ):
        nasbench101(path=tmp_path / "b.npz")
