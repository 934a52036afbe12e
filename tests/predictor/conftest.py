import numpy as np
import pytest

from retia.space import Architecture, Categorical, SearchSpace

EDGES = ("1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2")


class Table:
    """NAS-Bench-201: every cell with its validation accuracy on CIFAR-10 after 200 epochs."""

    def __init__(self, operations, names, accuracies):
        self.space = SearchSpace({f"edge/{edge}": Categorical(tuple(names)) for edge in EDGES})
        self.architectures = [
            Architecture({f"edge/{edge}": names[i] for edge, i in zip(EDGES, row, strict=True)})
            for row in operations
        ]
        self.accuracies = accuracies
        self.of = dict(zip(self.architectures, accuracies.tolist(), strict=True))


@pytest.fixture(scope="session")
def table(shared_data):
    path = shared_data / "nasbench201" / "nb201.npz"
    if not path.exists():
        pytest.skip(f"needs the table of NAS-Bench-201, and there is no {path}")
    with np.load(path, allow_pickle=False) as data:
        return Table(
            data["ops"].tolist(),
            data["op_names"].tolist(),
            data["c10valid_200ep_valid_accuracy"].astype(float),
        )
