import pytest
import torch

from retia import datasets
from retia.errors import EvaluationError


def parts(split):
    return {"train": split.train, "valid": split.valid, "test": split.test}


def test_digits():
    split = datasets.digits()
    assert {name: len(x) for name, (x, _) in parts(split).items()} == {
        "train": 1077,
        "valid": 360,
        "test": 360,
    }
    for x, y in parts(split).values():
        assert (tuple(x.shape[1:]), x.dtype, y.dtype) == ((1, 8, 8), torch.float32, torch.int64)
        assert (float(x.min()), float(x.max())) == (0.0, 1.0)
        assert len(x) == len(y)


def test_every_part_has_the_same_share_of_each_digit():
    whole = torch.cat([y for _, y in parts(datasets.digits()).values()]).bincount() / 1797
    for _, y in parts(datasets.digits()).values():
        assert torch.allclose(y.bincount() / len(y), whole, atol=0.01)


def test_no_sample_is_in_two_parts_and_none_is_lost():
    from sklearn.datasets import load_digits

    split = datasets.digits(seed=3)
    rows = torch.cat([torch.cat([x.flatten(1) * 16, y[:, None]], 1) for x, y in parts(split).values()])
    whole = torch.tensor(load_digits().images).float().flatten(1)
    original = torch.cat([whole, torch.tensor(load_digits().target)[:, None]], 1)
    assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, original.tolist()))


def test_the_seed_decides():
    first, same, other = datasets.digits(seed=1), datasets.digits(seed=1), datasets.digits(seed=2)
    assert torch.equal(first.train[0], same.train[0])
    assert not torch.equal(first.train[0], other.train[0])


def test_shares():
    split = datasets.digits(valid=0.5, test=0.1)
    assert [len(x) for x, _ in parts(split).values()] == [718, 899, 180]


def test_diabetes():
    split = datasets.diabetes()
    assert sum(len(x) for x, _ in parts(split).values()) == 442
    for x, y in parts(split).values():
        assert (tuple(x.shape[1:]), tuple(y.shape[1:]), x.dtype, y.dtype) == (
            (10,),
            (1,),
            torch.float32,
            torch.float32,
        )
    for tensors in zip(*parts(split).values(), strict=True):
        whole = torch.cat(tensors)
        assert torch.allclose(whole.mean(0), torch.zeros(1), atol=1e-5)
        assert torch.allclose(whole.std(0, correction=0), torch.ones(1), atol=1e-5)


@pytest.mark.parametrize(("valid", "test"), [(0.0, 0.2), (0.2, 0.0), (0.5, 0.5), (-0.1, 0.2)])
@pytest.mark.parametrize("load", [datasets.digits, datasets.diabetes])
def test_shares_that_leave_nothing(load, valid, test):
    with pytest.raises(
        EvaluationError, match=rf"must be positive and their sum less than 1, got valid={valid}, test={test}"
    ):
        load(valid=valid, test=test)
