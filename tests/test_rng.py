import subprocess
import sys

import numpy as np
import pytest

from retia.rng import stream, stream_seed

PLACES = [
    (0,),
    (1,),
    (0, "propose"),
    (0, "train"),
    (0, "propose", 1),
    (0, "propose", 2),
    (0, 1),
    (0, "1"),
    (0, 1, 2),
    (0, 12),
    (0, "a", "b"),
    (0, "ab"),
    (-1,),
    (2**64 - 1,),
]


def test_the_same_place_gives_the_same_numbers():
    for place in PLACES:
        assert np.array_equal(stream(*place).random(4), stream(*place).random(4))
        assert stream_seed(*place) == stream_seed(*place)


def test_other_places_give_other_numbers():
    assert len({tuple(stream(*place).random(2)) for place in PLACES}) == len(PLACES)
    assert len({stream_seed(*place) for place in PLACES}) == len(PLACES)


def test_another_process_gives_the_same_numbers():
    code = (
        "from retia.rng import stream, stream_seed; print(repr(float(stream(3, 'propose', 17).random())), "
        "stream_seed(3, 'train', 17))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert shown == [repr(float(stream(3, "propose", 17).random())), str(stream_seed(3, "train", 17))]


def test_a_generator_is_not_shared():
    first, second = stream(0, "x"), stream(0, "x")
    first.random(10)
    assert second.random() == stream(0, "x").random()


def test_numpy_s_integers_read_like_python_s():
    assert stream_seed(np.int64(3), "x", np.int32(4)) == stream_seed(3, "x", 4)


def test_seeds_fit_in_63_bits_and_fill_them():
    seeds = np.array([stream_seed(0, "train", i) for i in range(400)], dtype=np.uint64)
    assert seeds.max() < 2**63
    bits = np.array([int(seeds[seeds >> np.uint64(bit) & np.uint64(1) == 1].size) for bit in range(63)])
    assert np.all(np.abs(bits - 200) < 5 * 10)


def test_neighbouring_places_are_independent():
    numbers = np.array([stream(0, "propose", i).random(2) for i in range(2000)])  # (N, 2)
    assert numbers.mean() == pytest.approx(0.5, abs=5 * (1 / 12 / 4000) ** 0.5)
    assert abs(np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]) < 0.12
    assert abs(np.corrcoef(numbers.T)[0, 1]) < 0.12
