"""NAS-Bench-201 and NATS-Bench, from the small file and from the authors' own."""

import bz2
import pickle
import shutil

import numpy as np
import pytest
from scipy.stats import spearmanr

from retia.benchmark import nasbench201, natsbench, simulate
from retia.benchmark.cells import SIZES, TOPOLOGIES, cell_costs
from retia.cost import Costs
from retia.errors import EvaluationError
from retia.hub import NasBench201, nasbench201_architecture
from retia.nn import ModelSpace
from retia.strategy import Random
from retia.trial import Run


def test_the_space_is_the_hubs():
    assert TOPOLOGIES.space.to_json() == ModelSpace(NasBench201).to_json()
    assert TOPOLOGIES.space.size() == 15_625
    assert SIZES.space.size() == 32_768


@pytest.mark.parametrize(
    "string", ["|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"]
)
def test_strings_are_read_as_the_hub_reads_them(string):
    grid = TOPOLOGIES.index(TOPOLOGIES.read([string]))
    assert grid.architecture(0) == nasbench201_architecture(string)


def test_sizes_are_read():
    assert SIZES.index(SIZES.read(["8:16:24:56:64"])).architecture(0) == {
        f"channels/{i}": value for i, value in enumerate((8, 16, 24, 56, 64))
    }


@pytest.mark.parametrize(
    "string",
    ["8:16:24:56:64", "|sep_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|", "|none~0|+|none~0|none~1|"],
)
def test_what_is_no_architecture_is_said(string):
    with pytest.raises(
        EvaluationError, match="Row 0 of the table must be an architecture of the topology space"
    ):
        TOPOLOGIES.read([string])


@pytest.mark.parametrize(("classes", "side"), [(10, 32), (120, 16)])
def test_the_costs_are_those_of_the_hubs_models(classes, side):
    space = ModelSpace(NasBench201, classes=classes)
    choices = np.array([[0] * 6, [1, 2, 3, 4, 2, 3]], np.int8)
    costs = cell_costs(choices, classes, side)
    evaluator, grid = Costs((3, side, side)), TOPOLOGIES.index(choices)
    for row in range(len(choices)):
        counted = evaluator(grid.architecture(row), Run(space))
        assert {name: costs[name][row] for name in ("params", "macs", "flops")} == {
            name: counted[name] for name in ("params", "macs", "flops")
        }


# --- the small file


def test_the_optimum_is_the_published_one(cells):
    assert len(cells) == 15_625
    best = cells.best()
    assert cells.index.row(best.architecture) == 6111
    assert best.architecture == nasbench201_architecture(
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
    )
    assert cells.optimum() == pytest.approx(91.6067, abs=1e-4)
    assert cells.optimum("test_accuracy") == pytest.approx(91.5233, abs=1e-4)
    assert cells.index.row(cells.best("test_accuracy").architecture) == 1459


def test_a_row_by_hand(cells):
    architecture = nasbench201_architecture(
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    )
    after_200, after_12 = cells.query(architecture), cells.query(architecture, 12)
    assert after_200["valid_accuracy"] == pytest.approx(81.982667, abs=1e-5)
    assert after_200["test_accuracy"] == pytest.approx(81.52, abs=1e-5)
    assert after_200["train_seconds"] == pytest.approx(200 * 7.221093 + 2.548979, abs=1e-2)
    assert after_12["valid_accuracy"] == pytest.approx(63.364, abs=1e-4)
    assert after_12["train_seconds"] == pytest.approx(12 * 7.221093 + 2.548979, abs=1e-3)
    assert "test_accuracy" not in after_12
    assert after_200["params"] == after_12["params"] == 129_306
    assert after_200["flops"] == 2 * after_200["macs"]


def test_every_row_is_found(cells):
    assert [cells.index.row(cells.index.architecture(row)) for row in range(0, 15_625, 25)] == list(
        range(0, 15_625, 25)
    )
    assert cells.index.rows(cells.index.choices).tolist() == list(range(15_625))


def test_size_goes_with_accuracy_as_it_is_known_to(cells):
    accuracy = cells.column("test_accuracy")
    assert spearmanr(cells.column("params"), accuracy)[0] == pytest.approx(0.72, abs=0.005)
    assert spearmanr(cells.column("flops"), accuracy)[0] == pytest.approx(0.72, abs=0.005)


@pytest.mark.parametrize(("dataset", "optimum"), [("cifar100", 63.18), ("ImageNet16-120", 37.6)])
def test_other_data_sets_after_twelve_epochs(real, dataset, optimum):
    table = nasbench201(dataset=dataset, epochs=12, path=real("nasbench201", "nb201.npz"))
    assert table.fidelities == (12,)
    assert table.metrics == ("valid_accuracy", "test_accuracy", "params", "macs", "flops")
    with np.load(real("nasbench201", "nb201.npz")) as raw:
        name = {"cifar100": "cifar100", "ImageNet16-120": "imagenet"}[dataset]
        assert table.optimum() == float(raw[f"ep12_{name}_val"].max())


def test_all_of_cifar10_has_test_accuracies_alone(real):
    table = nasbench201(dataset="cifar10", epochs=12, path=real("nasbench201", "nb201.npz"))
    assert table.objective == "test_accuracy"
    assert table[0].metrics["test_accuracy"] == pytest.approx(69.55)


def expected_regret(accuracies, n):
    """The expected distance from the best of n draws without replacement to the best of all."""
    ordered = np.sort(accuracies)[::-1]
    rest = np.arange(len(ordered) - 1, -1, -1)  # how many are worse
    # The rank-r best is the best drawn with probability C(rest, n - 1) / C(N, n).
    logs = np.zeros(len(ordered))
    for i in range(n - 1):
        logs += np.log(np.maximum(rest - i, 1e-300)) - np.log(len(ordered) - 1 - i)
    probability = np.exp(logs) * n / len(ordered)
    assert probability.sum() == pytest.approx(1)
    return ordered[0] - probability @ ordered


def test_random_search_regrets_what_it_must(cells):
    """Over 60 seeds, against the expectation of the table and against draws by numpy alone."""
    accuracies = cells.column("valid_accuracy")
    curves = np.array([simulate(cells, Random(), evaluations=200, seed=seed).regret() for seed in range(60)])
    drawn = [np.random.default_rng(seed).permutation(accuracies)[:200] for seed in range(60)]
    for n, known in ((100, 0.582), (200, 0.427)):
        expected = expected_regret(accuracies, n)
        assert expected == pytest.approx(known, abs=0.003)
        direct = np.array([accuracies.max() - values[:n].max() for values in drawn])
        for regrets in (curves[:, n - 1], direct):
            assert regrets.mean() == pytest.approx(expected, abs=3 * regrets.std() / np.sqrt(60))


# --- the authors' files

KNOWN = {
    # dataset, epochs, seed: what the authors' own reader gives of architecture 11
    ("cifar10-valid", 200, None): {"valid_accuracy": 87.94, "test_accuracy": 87.65},
    ("cifar10-valid", 12, None): {"valid_accuracy": 63.278},
    ("cifar10", 12, 111): {"test_accuracy": 74.0},
    ("cifar100", 12, 111): {"valid_accuracy": 33.64, "test_accuracy": 32.76},
    ("ImageNet16-120", 12, None): {"valid_accuracy": 15.666667},
}


@pytest.mark.parametrize(("dataset", "epochs", "seed"), KNOWN)
def test_topologies_in_the_authors_format(topology, dataset, epochs, seed):
    table = natsbench("topology", dataset=dataset, epochs=epochs, seed=seed, path=topology)
    row = table[11]
    for name, value in KNOWN[dataset, epochs, seed].items():
        assert row.metrics[name] == pytest.approx(value, abs=1e-5)
    assert (
        row.metrics["params"]
        == {"cifar10-valid": 802_426, "cifar10": 802_426, "cifar100": 808_276, "ImageNet16-120": 809_576}[
            dataset
        ]
    )
    assert ("valid_accuracy" in row.metrics) == (dataset != "cifar10")


def test_the_small_file_agrees_with_the_authors(topology, cells):
    theirs = natsbench(path=topology)
    assert theirs.fidelities == cells.fidelities == (12, 200)
    for row in (0, 11, 284):
        assert theirs[row].architecture == cells[row].architecture
        for epochs in (12, 200):
            ours, known = (
                cells.query(cells[row].architecture, epochs),
                theirs.query(cells[row].architecture, epochs),
            )
            assert known["latency_ms"] > 1
            for name in ours.keys() - {"macs", "flops"}:
                assert ours[name] == pytest.approx(known[name], rel=1e-6)
            assert ours["macs"] == pytest.approx(
                known["macs"], abs=10
            )  # the authors count the bias of the classifier


def test_the_mean_is_that_of_the_seeds(topology):
    seeds = [natsbench(path=topology, seed=seed)[11].metrics for seed in (777, 888, 999)]
    mean = natsbench(path=topology)[11].metrics
    for name in ("valid_accuracy", "test_accuracy", "train_seconds"):
        assert mean[name] == pytest.approx(np.mean([one[name] for one in seeds]))
    assert len({one["valid_accuracy"] for one in seeds}) == 3


def test_every_epoch_is_a_fidelity_with_curves(topology):
    table = natsbench(path=topology, curves=True)
    architecture = table[11].architecture
    assert table.fidelities == tuple(range(1, 201))
    assert table.query(architecture)["valid_accuracy"] == pytest.approx(87.94)
    assert table.query(architecture, 1)["train_seconds"] == pytest.approx(12.462057 + 4.151251, abs=1e-4)
    assert table.query(architecture, 7)["valid_accuracy"] == pytest.approx(48.396)
    assert "test_accuracy" not in table.query(architecture, 7)
    short = natsbench(path=topology, curves=True, epochs=12, seed=777)
    assert [short.query(architecture, epochs)["valid_accuracy"] for epochs in (1, 2, 12)] == pytest.approx(
        [27.508, 26.836, 63.976], abs=1e-3
    )


def test_sizes_in_the_authors_format(size):
    table = natsbench("size", path=size)
    assert len(table) == 32_768
    assert table.fidelities == (1, 12, 90)
    assert table[11].architecture == {
        "channels/0": 8,
        "channels/1": 8,
        "channels/2": 8,
        "channels/3": 16,
        "channels/4": 32,
    }
    assert table[11].metrics == pytest.approx(
        {
            "valid_accuracy": 83.724,
            "test_accuracy": 83.35,
            "train_seconds": 90 * 2.939917 + 1.363302,
            "params": 49_202,
            "macs": 6_840_650,
            "flops": 13_681_300,
            "latency_ms": 15.300797,
        },
        rel=1e-6,
    )
    assert natsbench("size", path=size, epochs=1, dataset="ImageNet16-120")[284].metrics["params"] == 149_344


def test_an_archive_reads_a_file_when_it_is_asked_for(topology, tmp_path):
    folder = tmp_path / "archive"
    folder.mkdir()
    for name in ("meta.pickle.pbz2", "000000.pickle.pbz2"):
        shutil.copy(topology / name, folder)
    table = natsbench(path=folder)
    architecture = table.index.architecture(11)
    with pytest.raises(
        EvaluationError, match=r"no results of architecture 11, .* complete archive of 15,625 architectures"
    ):
        table.query(architecture)
    shutil.copy(topology / "000011.pickle.pbz2", folder)
    assert table.query(architecture)["valid_accuracy"] == pytest.approx(87.94)
    (folder / "000011.pickle.pbz2").unlink()
    assert table.query(architecture)["valid_accuracy"] == pytest.approx(87.94)  # it is kept
    again = pickle.loads(pickle.dumps(table))
    with pytest.raises(EvaluationError, match="no results of architecture 11"):  # but not sent along
        again.query(architecture)


def test_a_column_of_an_archive_is_nan_where_a_file_is_absent(topology):
    column = natsbench(path=topology).column("valid_accuracy")
    assert np.flatnonzero(~np.isnan(column)).tolist() == [0, 11, 284]
    assert natsbench(path=topology).optimum() == pytest.approx(87.94)


@pytest.fixture
def one_file(topology, tmp_path):
    """All architectures in one file, as the authors offer it too, of which there are two here."""

    def read(name):
        return pickle.loads(bz2.decompress((topology / f"{name}.pickle.pbz2").read_bytes()))

    content = {
        **read("meta"),
        "arch2infos": {row: read(f"{row:06d}") for row in (11, 284)},
        "evaluated_indexes": {11, 284},
    }
    del content["arch2infos"][284]["12"]
    file = tmp_path / "NATS-tss-v1_0-3ffb9.pickle.pbz2"
    file.write_bytes(bz2.compress(pickle.dumps(content, protocol=4)))
    return file


def test_one_file_holds_what_the_folder_does(one_file, topology):
    table = nasbench201(path=one_file)
    assert table[284] == natsbench(path=topology)[284]
    assert np.flatnonzero(~np.isnan(table.column("params"))).tolist() == [11, 284]
    with pytest.raises(EvaluationError, match="no results of architecture 0"):
        table.query(table.index.architecture(0))
    with pytest.raises(EvaluationError, match="has no 'valid_accuracy' of .* after 12 epochs"):
        table.query(table.index.architecture(284), 12)


def test_the_folder_of_benchmarks_is_found(real, monkeypatch):
    monkeypatch.setenv("RETIA_BENCHMARKS", str(real("nasbench201").parent))
    assert nasbench201().optimum() == pytest.approx(91.6067, abs=1e-4)


# --- errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"dataset": "mnist"},
            r"the data sets \['cifar10-valid', 'cifar10', 'cifar100', 'ImageNet16-120'\], got 'mnist'",
        ),
        ({"epochs": 90}, "results after 12, 200 epochs, got 90"),
        ({"epochs": 90, "curves": True}, "results after 12, 200 epochs, got 90"),
    ],
)
def test_what_the_authors_files_have_not(topology, arguments, message):
    with pytest.raises(EvaluationError, match=message):
        natsbench(path=topology, **arguments)


def test_what_a_row_of_the_authors_files_has_not(topology):
    table = natsbench(path=topology, seed=42)
    architecture = table.index.architecture(11)
    with pytest.raises(EvaluationError, match=r"no 'valid_accuracy' of .* with .*'seed': 42"):
        table.query(architecture)
    with pytest.raises(EvaluationError, match="results after 12, 200 epochs, got 7"):
        natsbench(path=topology).query(architecture, 7)
    with pytest.raises(EvaluationError, match="results after 1 to 200 epochs, got 201"):
        natsbench(path=topology, curves=True).column("params", 201)
    with pytest.raises(EvaluationError, match="has the metrics .* got 'top5'"):
        natsbench(path=topology).column("top5")


def test_archives_that_are_none(tmp_path, topology):
    with pytest.raises(EvaluationError, match=r"has the spaces \['topology', 'size'\], got 'depth'"):
        natsbench("depth", path=tmp_path)
    (tmp_path / "meta.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps({})))
    with pytest.raises(EvaluationError, match="under 'meta_archs'"):
        natsbench(path=tmp_path)
    (tmp_path / "meta.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps({"meta_archs": [7]})))
    with pytest.raises(
        EvaluationError,
        match="Row 0 of the table must be an architecture of the topology space of NATS-Bench, got 7",
    ):
        natsbench(path=tmp_path)
    shutil.copy(topology / "meta.pickle.pbz2", tmp_path)
    with pytest.raises(EvaluationError, match="does not contain results"):
        natsbench(path=tmp_path)
    with pytest.raises(EvaluationError, match="must be an architecture of the size space"):
        natsbench("size", path=topology)


def test_small_files_that_are_none(tmp_path, real):
    np.savez(tmp_path / "other.npz", a=np.zeros(2))
    with pytest.raises(EvaluationError, match="must contain NAS-Bench-201, but has no 'ops'"):
        nasbench201(path=tmp_path / "other.npz")
    with pytest.raises(EvaluationError, match="is not a table of 'natsbench-size'"):
        natsbench("size", path=tmp_path / "other.npz")
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(
        EvaluationError, match="must be an npz file, but .*text.npz can't be read .* Download it again"
    ):
        nasbench201(path=tmp_path / "text.npz")
    path = real("nasbench201", "nb201.npz")
    with pytest.raises(EvaluationError, match="contains only means over seeds .* got seed=777"):
        nasbench201(path=path, seed=777)
    with pytest.raises(EvaluationError, match="got seed=None, curves=True"):
        nasbench201(path=path, curves=True)
    with pytest.raises(EvaluationError, match="the data sets .* got 'mnist'"):
        nasbench201(path=path, dataset="mnist")
    with pytest.raises(EvaluationError, match="results after 12 epochs, got 200"):
        nasbench201(path=path, dataset="cifar100")
    with np.load(path) as table:
        np.savez(tmp_path / "swapped.npz", **{**table, "op_names": table["op_names"][::-1]})
    with pytest.raises(EvaluationError, match=r"The operations of .* must be \['none', 'skip_connect'"):
        nasbench201(path=tmp_path / "swapped.npz")
