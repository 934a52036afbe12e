"""A table of nine architectures, and the real tables, which are skipped where they are absent."""

import numpy as np
import pytest

from retia.benchmark import Benchmark, ColumnRecords, Grid, nasbench101, nasbench201
from retia.space import Categorical, SearchSpace


@pytest.fixture
def tiny():
    """Nine architectures, the last one without a run of nine epochs: after 9 epochs their valid accuracies
    are 10 to 80.
    """
    choices = np.array([[i, j] for i in range(3) for j in range(3)], np.int8)
    ranks = np.arange(1.0, 10.0)
    trained = {
        3: {"valid_accuracy": ranks, "train_seconds": np.full(9, 100.0)},
        9: {
            "valid_accuracy": np.where(ranks < 9, 10 * ranks, np.nan),
            "test_accuracy": np.where(ranks < 9, 90 - 10 * ranks, np.nan),
            "train_seconds": 100 * ranks,
        },
    }
    space = SearchSpace({"a": Categorical(("x", "y", "z")), "b": Categorical(("x", "y", "z"))})
    return Benchmark(
        "tiny",
        space,
        Grid(("a", "b"), ("x", "y", "z"), choices),
        ColumnRecords(trained, {"params": ranks}),
        9,
        {"dataset": "none"},
        "nobody",
    )


@pytest.fixture(scope="session")
def real(shared_data):
    """Return the path of a real table, or skip."""

    def path(*parts):
        found = shared_data.joinpath(*parts)
        if not found.exists():
            pytest.skip(f"needs a real table, and there is no {found}")
        return found

    return path


@pytest.fixture(scope="session")
def cells(real):
    """NAS-Bench-201 on CIFAR-10's validation images after 200 epochs."""
    return nasbench201(path=real("nasbench201", "nb201.npz"))


@pytest.fixture(scope="session")
def modules(real):
    """Thirty modules of NAS-Bench-101."""
    return nasbench101(path=real("nasbench101_naslib30", "nb101_30.json.gz"))


@pytest.fixture(scope="session")
def topology(real):
    """The authors' folder of topologies, with three of their files."""
    return real("nats_official_fixture", "NATS-tss-v1_0-3ffb9-simple")


@pytest.fixture(scope="session")
def size(real):
    """The authors' folder of sizes, with three of their files."""
    return real("nats_official_fixture", "NATS-sss-v1_0-50262-simple")
