"""A compact table answers as the authors' files do."""

import numpy as np
import pytest

from retia.benchmark import compact, nasbench201, natsbench
from retia.errors import EvaluationError


@pytest.fixture(scope="module")
def small(topology, tmp_path_factory):
    return compact(topology, tmp_path_factory.mktemp("tables") / "new" / "topology.npz")


@pytest.mark.parametrize("dataset", ["cifar10-valid", "cifar10", "cifar100", "ImageNet16-120"])
@pytest.mark.parametrize("seed", [None, 777])
def test_the_ends_of_all_schedules_are_kept(small, topology, dataset, seed):
    before, after = (natsbench(dataset=dataset, seed=seed, path=path) for path in (topology, small))
    # Twelve epochs were trained with the seed 777 on one of the data sets only.
    assert after.fidelities == (before.fidelities if seed is None or dataset == "cifar10-valid" else (200,))
    assert set(after.metrics) == set(before.metrics)
    for row in (0, 11, 284):
        for epochs in after.fidelities:
            assert after.records.at(row, epochs) == pytest.approx(before.records.at(row, epochs), rel=1e-6)
    assert after[5].metrics == {}


def test_nasbench201_reads_it_too(small):
    assert nasbench201(path=small)[11].metrics["valid_accuracy"] == pytest.approx(87.94)


def test_sizes_and_every_epoch(size, tmp_path):
    heard = []
    table = compact(
        size, tmp_path / "size.npz", curves=True, progress=lambda done, total: heard.append((done, total))
    )
    assert heard == [(1, 32_768), (2, 32_768), (3, 32_768)]
    before, after = (natsbench("size", path=path, curves=True, epochs=12) for path in (size, table))
    assert after.fidelities == before.fidelities == tuple(range(1, 13))
    for epochs in before.fidelities:
        assert after.records.at(284, epochs) == pytest.approx(before.records.at(284, epochs), rel=1e-6)
    # The ends of the schedules are there all the same.
    assert natsbench("size", path=table)[11].metrics == pytest.approx(
        natsbench("size", path=size)[11].metrics, rel=1e-6
    )


def test_what_a_compact_table_has_not(small, tmp_path):
    with pytest.raises(
        EvaluationError,
        match=r"the data sets \['ImageNet16-120', 'cifar10', 'cifar10-valid', 'cifar100'\], got 'mnist'",
    ):
        natsbench(path=small, dataset="mnist")
    with pytest.raises(EvaluationError, match="results after 12, 200 epochs, got 90"):
        natsbench(path=small, epochs=90, curves=True)
    with pytest.raises(
        EvaluationError,
        match="is a table of 'retia/natsbench-topology/1', but 'natsbench-size' needs a table of 'size'",
    ):
        natsbench("size", path=small)
    with pytest.raises(
        EvaluationError, match=r"trainings on 'cifar100' with the seeds \[111, 777, 888, 999\], got seed=42"
    ):
        natsbench(path=small, dataset="cifar100", seed=42)
    with pytest.raises(EvaluationError, match="results after 200 epochs, got 12"):
        natsbench(path=small, dataset="cifar100", seed=777, epochs=12)


def test_what_can_not_be_converted(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.zeros(1))
    with pytest.raises(EvaluationError, match="has an unknown format. Give a folder"):
        compact(tmp_path / "a.npz", tmp_path / "b.npz")
    with pytest.raises(
        EvaluationError, match="absent.tfrecord does not exist. Download the authors' table first"
    ):
        compact(tmp_path / "absent.tfrecord", tmp_path / "b.npz")
    assert not (tmp_path / "b.npz").exists()
