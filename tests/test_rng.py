import subprocess
import sys

import numpy as np
import pytest

from retia.rng import stream, stream_seed


def drawn(*place):
    return tuple(stream(*place).integers(2**32, size=8).tolist())


def test_the_same_place_has_the_same_numbers_and_another_others():
    places = [(0,), (1,), (-1,), (2**70,), (0, "propose"), (0, "propose", 1), (0, "propose", "1"), (0, "propose", 1, 0), (0, "prop", "ose"), (0, 1, "propose")]
    assert all(drawn(*place) == drawn(*place) for place in places)
    assert len({drawn(*place) for place in places}) == len({stream_seed(*place) for place in places}) == len(places)


def test_strings_do_not_run_into_each_other():
    assert drawn(0, "a', 'b") != drawn(0, "a", "b")
    assert drawn(0, "ab", "c") != drawn(0, "a", "bc")


def test_numpys_integers_are_integers():
    assert drawn(np.int64(3), "train", np.int32(5)) == drawn(3, "train", 5)


def test_the_numbers_are_the_same_in_any_process():
    code = "from retia.rng import *; print(stream(7, 'propose', 3).integers(1000, size=4).tolist(), stream_seed(7, 'train', 3))"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env={"PYTHONHASHSEED": "5"})
    assert ran.stdout.strip() == f"{stream(7, 'propose', 3).integers(1000, size=4).tolist()} {stream_seed(7, 'train', 3)}"


def test_neighbouring_places_are_independent():
    first = np.array([stream(0, "propose", i).random(2) for i in range(4000)])
    assert first.mean() == pytest.approx(0.5, abs=0.015)
    assert first.std() == pytest.approx(12**-0.5, abs=0.01)
    assert abs(np.corrcoef(first[:-1, 0], first[1:, 0])[0, 1]) < 0.05
    assert abs(np.corrcoef(first[:, 0], first[:, 1])[0, 1]) < 0.05


def test_a_seed_has_63_bits():
    seeds = [stream_seed(0, "train", i) for i in range(2000)]
    assert len(set(seeds)) == 2000
    assert 2**61 < max(seeds) < 2**63
    assert all(isinstance(seed, int) for seed in seeds)
