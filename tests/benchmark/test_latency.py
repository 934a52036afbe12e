"""Latencies of whole networks and of single operators."""

import gzip
import json
import pickle

import numpy as np
import pytest

from retia.benchmark import OnceForAllOperators, OperatorLatency, once_for_all_latency, read_operators
from retia.errors import EvaluationError
from retia.hub import MobileNetV3, Stage
from retia.nn import ModelSpace
from retia.rng import stream
from retia.space import Architecture, Integer, SearchSpace
from retia.strategy import GridSearch
from retia.study import Study
from retia.trial import Run

# --- of whole networks


@pytest.fixture
def latencies(real):
    return real("help_latency", "nb201_latency_5dev.npz")


def test_devices_are_joined_in_the_tables_order(cells, latencies):
    joined = cells.with_latency("raspi4", "pixel3", path=latencies)
    assert joined[0].metrics["raspi4_latency_ms"] == pytest.approx(10.4819765)
    assert joined[1].metrics["pixel3_latency_ms"] == pytest.approx(17.2381)
    assert joined.costs == ("params", "macs", "flops", "raspi4_latency_ms", "pixel3_latency_ms")


def test_architectures_in_another_order_get_their_own_latency(cells, latencies, tmp_path):
    with np.load(latencies) as table:
        order = np.random.default_rng(0).permutation(15_625)
        np.savez(tmp_path / "shuffled.npz", ops=table["ops"][order], raspi4=table["raspi4"][order])
    assert cells.with_latency(path=tmp_path / "shuffled.npz")[0].metrics[
        "raspi4_latency_ms"
    ] == pytest.approx(10.4819765)


def test_all_devices_by_default(cells, latencies):
    added = set(cells.with_latency(path=latencies).metrics) - set(cells.metrics)
    assert added == {
        f"{device}_latency_ms" for device in ("1080ti_1", "pixel3", "raspi4", "gold_6226", "eyeriss")
    }


def test_accuracy_and_latency_have_a_front(cells, latencies):
    joined = cells.with_latency("raspi4", path=latencies)
    front = joined.front(maximize="valid_accuracy", minimize="raspi4_latency_ms")
    accuracies, times = (
        [entry.metrics[name] for entry in front] for name in ("valid_accuracy", "raspi4_latency_ms")
    )
    assert accuracies[0] == cells.optimum()
    assert (np.diff(accuracies) < 0).all()
    assert (np.diff(times) < 0).all()
    # With two objectives the front is every new best accuracy on the way from the quickest to the slowest.
    accuracy, latency = joined.column("valid_accuracy"), joined.column("raspi4_latency_ms")
    best = np.maximum.accumulate(accuracy[np.lexsort((-accuracy, latency))])
    assert len(front) == len(np.unique(best)) == 57


def test_what_the_table_has_not(cells, latencies, tmp_path):
    with pytest.raises(EvaluationError, match=r"has the devices \['1080ti_1', .*, got 'abacus'"):
        cells.with_latency("abacus", path=latencies)
    with np.load(latencies) as table:
        np.savez(tmp_path / "part.npz", ops=table["ops"][:100], raspi4=table["raspi4"][:100])
    with pytest.raises(
        EvaluationError, match="contains 100 cells, and lacks 15,525 of the benchmark's 15,625"
    ):
        cells.with_latency("raspi4", path=tmp_path / "part.npz")


def test_what_is_no_table_of_latencies(cells, real, tmp_path):
    np.savez(tmp_path / "other.npz", raspi4=np.ones(3))
    with pytest.raises(
        EvaluationError,
        match=r"must contain the cells of NAS-Bench-201 as 'ops', of shape \(15,625, 6\)",
    ):
        cells.with_latency("raspi4", path=tmp_path / "other.npz")
    with pytest.raises(
        EvaluationError,
        match=r"'op_names' in .* must be one latency for each of its 15,625 cells, got the shape \(5,\)",
    ):
        cells.with_latency(path=real("nasbench201", "nb201.npz"))


def test_missing_latencies_say_where_they_are(cells, monkeypatch):
    monkeypatch.delenv("RETIA_BENCHMARKS", raising=False)
    with pytest.raises(EvaluationError, match="latencies of NAS-Bench-201 was not found"):
        cells.with_latency("raspi4")


# --- of operators

ONCE_FOR_ALL = {
    "stages": (
        Stage(16, activation="relu"),
        Stage(24, stride=2, activation="relu", depth=(2, 4)),
        Stage(40, stride=2, activation="relu", depth=(2, 4), squeeze_excite="force"),
        Stage(80, stride=2, activation="hswish", depth=(2, 4)),
        Stage(112, activation="hswish", depth=(2, 4), squeeze_excite="force"),
        Stage(160, stride=2, activation="hswish", depth=(2, 4), squeeze_excite="force"),
    ),
    "head_widths": (960, 1280),
    "width_multipliers": (1.0,),
    "expansions": (3.0, 4.0, 6.0),
}


@pytest.fixture(scope="module")
def space():
    """The networks of once-for-all, whose first two kernels are 3."""
    space = ModelSpace(MobileNetV3, **ONCE_FOR_ALL)
    return space.where(lambda one: one["stem/kernel"] == one["stage0/0/kernel"] == 3, "kernels of 3 at first")


def test_the_operators_of_the_smallest_network(space):
    architecture = space.validate(
        {
            "stem/kernel": 3,
            "stage0/0/kernel": 3,
            **{f"stage{stage}": 2 for stage in range(1, 6)},
            **{f"stage{stage}/{i}/kernel": 3 for stage in range(1, 6) for i in range(2)},
            **{f"stage{stage}/{i}/expansion": 3.0 for stage in range(1, 6) for i in range(2)},
        }
    )
    names = list(OnceForAllOperators()(architecture))
    assert names[:4] == [
        "first_conv-input:224x224x3-output:112x112x16",
        "MBConv-input:112x112x16-output:112x112x16-expand:1-kernel:3-stride:1-idskip:1-se:0",
        "MBConv-input:112x112x16-output:56x56x24-expand:3-kernel:3-stride:2-idskip:0-se:0",
        "MBConv-input:56x56x24-output:56x56x24-expand:3-kernel:3-stride:1-idskip:1-se:0",
    ]
    assert names[8] == "MBConv-input:14x14x80-output:14x14x112-expand:3-kernel:3-stride:1-idskip:0-se:1"
    assert names[-3:] == [
        "final_expand_layer-input:7x7x160-output:7x7x960",
        "feature_mix_layer-input:1x1x960-output:1x1x1280",
        "classifier-input:1280-output:1000",
    ]
    assert len(names) == 2 + 10 + 3


@pytest.mark.parametrize("resolution", [128, 176, 224, 256])
def test_every_network_was_measured(space, real, resolution):
    path = real("op_latency", "ofa_mbv3_i7-8700K.json.gz")
    latency = once_for_all_latency(resolution=resolution, path=path)
    raw = json.loads(gzip.decompress(path.read_bytes()))
    rng = stream(0, "networks")
    for _ in range(20):
        architecture = space.sample(rng)
        expected = sum(raw[name]["mean"] for name in OnceForAllOperators(resolution)(architecture))
        assert latency(architecture, Run(space)) == {"latency_ms": pytest.approx(expected)}


def test_larger_networks_and_images_take_longer(space, real):
    path = real("op_latency", "ofa_mbv3_i7-8700K.json.gz")
    small = {**space.default(), "stage3": 2}
    large = Architecture({**small, "stage3": 3, "stage3/2/kernel": 7, "stage3/2/expansion": 6.0})
    at = {size: once_for_all_latency(resolution=size, path=path) for size in (128, 224)}
    assert at[224](Architecture(small), Run(space))["latency_ms"] < at[224](large, Run(space))["latency_ms"]
    assert at[128](large, Run(space))["latency_ms"] < at[224](large, Run(space))["latency_ms"]


def test_tables_of_blocks_by_width(real):
    table = read_operators(real("op_latency", "tfnas_latency_cpu.json.gz"))
    assert table["base"] == pytest.approx(9.356469965)
    assert table["MBInvertedResBlock_112_16_0_24_k3_s2_relu/20"] == pytest.approx(1.6739766598)


class Blocks:
    def __call__(self, architecture):
        return ["stem", *["block"] * architecture["depth"]]


def test_a_study_keeps_to_a_bound_on_the_sum():
    latency = pickle.loads(
        pickle.dumps(OperatorLatency({"stem": 1.0, "block": 0.5}, Blocks(), "chip_latency_ms"))
    )
    space = SearchSpace({"depth": Integer(1, 6)})
    study = Study(space, Depth(), maximize="accuracy", constraints=["chip_latency_ms <= 2.5"], costs=latency)
    study.run(GridSearch(), trials=10)
    assert study.best.architecture == {"depth": 3}
    assert study.best.metrics["chip_latency_ms"] == 2.5
    assert latency.capabilities().settings() == {
        "type": "OperatorLatency",
        "operators": f"{__name__}.Blocks",
        "table": 2,
        "metric": "chip_latency_ms",
    }


class Depth:
    def __call__(self, architecture, run):
        return {"accuracy": architecture["depth"] / 10}


def test_an_operator_that_was_not_measured_is_said(space, real):
    latency = once_for_all_latency(path=real("op_latency", "ofa_mbv3_i7-8700K.json.gz"))
    with pytest.raises(
        EvaluationError, match="has no 'first_conv-input:224x224x3-output:112x112x16-kernel:5'"
    ):
        latency(Architecture({**space.default(), "stem/kernel": 5}), Run(space))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "must be a JSON object of operators and their latencies, and is empty"),
        ({}, "must be a JSON object of operators"),
        ({"conv": "fast"}, "The latency of operator 'conv' in .* must be in ms, got 'fast'"),
        ({"conv": {"16": True}}, "must be in ms, got True"),
    ],
)
def test_what_is_no_table_of_operators_is_said(tmp_path, content, message):
    (tmp_path / "table.json").write_text(json.dumps(content))
    with pytest.raises(EvaluationError, match=message):
        read_operators(tmp_path / "table.json")
