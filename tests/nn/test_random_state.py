import pytest
import torch

from retia.nn import seeded


def test_the_same_seed_draws_the_same():
    with seeded(1):
        first = torch.rand(3)
    with seeded(1):
        assert torch.equal(torch.rand(3), first)
    with seeded(2):
        assert not torch.equal(torch.rand(3), first)


def test_the_generator_is_put_back():
    before = torch.get_rng_state()
    with seeded(1):
        torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_generator_is_put_back_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), seeded(1):
        torch.rand(1 // 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_nested_seeds_do_not_disturb_each_other():
    with seeded(1):
        torch.rand(1)
        expected = torch.rand(1)
    with seeded(1):
        torch.rand(1)
        with seeded(2):
            torch.rand(5)
        assert torch.equal(torch.rand(1), expected)


def test_no_seed_leaves_everything_as_it_is():
    with seeded(1):
        torch.rand(1)
        expected = torch.rand(1)
    with seeded(1), seeded(None):
        torch.rand(1)
        assert torch.equal(torch.rand(1), expected)
