import itertools
import math

import numpy as np
import pytest

from retia.trial import crowding_distance, dominates, hypervolume, nondominated, nondominated_ranks
from retia.trial.pareto import crowded_order


def points(seed, n, m, levels=5):
    return [tuple(float(x) for x in row) for row in np.random.default_rng(seed).integers(0, levels, (n, m))]


def dominated_by(a, b):
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_dominates_is_a_strict_order(m):
    for a, b, c in itertools.product(points(m, 7, m, 3), repeat=3):
        assert dominates(a, b) == dominated_by(a, b)
        assert not (dominates(a, b) and dominates(b, a))
        if dominates(a, b) and dominates(b, c):
            assert dominates(a, c)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("m", [1, 2, 3])
def test_nondominated_is_what_brute_force_finds(seed, m):
    some = points(seed, 40, m)
    expected = [
        i for i, p in enumerate(some) if not any(dominated_by(q, p) for q in some) and p not in some[:i]
    ]
    assert nondominated(some) == expected
    assert nondominated([]) == []


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("m", [1, 2, 3])
def test_ranks_peel_fronts_off(seed, m):
    some = points(seed, 40, m)
    ranks = nondominated_ranks(np.array(some))
    left, rank = set(range(len(some))), 0
    while left:
        front = {i for i in left if not any(dominated_by(some[j], some[i]) for j in left)}
        assert {i for i in left if ranks[i] == rank} == front
        left -= front
        rank += 1


def test_crowding_known_answer():
    distance = crowding_distance(np.array([[0.0, 4.0], [1.0, 2.0], [2.0, 1.0], [4.0, 0.0]]))
    assert distance.tolist() == [
        math.inf,
        pytest.approx(2 / 4 + 3 / 4),
        pytest.approx(3 / 4 + 2 / 4),
        math.inf,
    ]


def test_crowding_of_few_or_equal_points():
    assert crowding_distance(np.array([[1.0, 2.0]])).tolist() == [math.inf]
    assert crowding_distance(np.zeros((3, 2))).tolist().count(math.inf) == 2


def test_crowded_order_is_by_front_then_lonely_then_early():
    losses = np.array([[5.0, 5.0], [0.0, 4.0], [1.0, 2.0], [1.5, 1.5], [4.0, 0.0], [5.0, 5.0]])
    # In the first front: the ends, then (1.5, 1.5) with gaps of 3 and 2 of 4, then (1, 2) with 1.5 and 2.5 of
    # 4.
    assert crowded_order(losses, nondominated_ranks(losses)).tolist() == [1, 4, 3, 2, 0, 5]


def test_hypervolume_known_answers():
    assert hypervolume([], (1, 1)) == 0
    assert hypervolume([(0.25,), (0.5,)], (1,)) == 0.75
    assert hypervolume([(0, 0)], (2, 3)) == 6
    assert hypervolume([(0, 2), (1, 1), (2, 0)], (3, 3)) == 3 + 2 + 1
    assert hypervolume([(0, 0, 0)], (2, 3, 4)) == 24
    assert hypervolume([(1, 0, 0), (0, 1, 0), (0, 0, 1)], (2, 2, 2)) == 4 * 3 - 2 * 3 + 1
    assert hypervolume([(3, 0), (0, 3), (5, 5)], (3, 3)) == 0


def inclusion_exclusion(some, reference):
    total = 0.0
    for count in range(1, len(some) + 1):
        for chosen in itertools.combinations(some, count):
            corner = [max(axis) for axis in zip(*chosen, strict=True)]
            total -= (-1) ** count * math.prod(max(r - c, 0) for r, c in zip(reference, corner, strict=True))
    return total


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_hypervolume_by_inclusion_and_exclusion(seed, m):
    some = [tuple(row) for row in np.random.default_rng(seed).random((8, m)).tolist()]
    reference = (0.9,) * m
    assert hypervolume(some, reference) == pytest.approx(inclusion_exclusion(some, reference))
    assert hypervolume(some[::-1], reference) == pytest.approx(hypervolume(some, reference))


def test_hypervolume_of_many_points_by_monte_carlo():
    rng = np.random.default_rng(0)
    some = rng.random((40, 3))
    drawn = rng.random((100_000, 3))
    covered = np.zeros(len(drawn), dtype=bool)
    for point in some:
        covered |= (point <= drawn).all(1)
    share = covered.mean()
    assert hypervolume([tuple(row) for row in some.tolist()], (1, 1, 1)) == pytest.approx(
        share, abs=5 * math.sqrt(share * (1 - share) / len(drawn))
    )
