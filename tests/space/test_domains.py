"""The four domains: membership, sampling, mutation, distance and JSON."""

import json
import math

import numpy as np
import pytest

from retia.errors import SpaceError
from retia.space import Categorical, Integer, Real, Subset, domain_from_json, freeze

DOMAINS = [
    Categorical((16, 32, 64), default=32),
    Categorical((None, True, "x", 0.5, (1, "a"))),
    Integer(1, 6),
    Integer(4, 12, step=4, default=8),
    Integer(1, 1024, log=True),
    Integer(7, 7),
    Real(0.0, 2.0),
    Real(1e-4, 1e-1, log=True, default=1e-3),
    Subset(("a", "b", "c")),
    Subset((1, 2, 3, 4), least=1, most=2, default=(4, 2)),
]
FINITE = [domain for domain in DOMAINS if not isinstance(domain, Real)]


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
def test_samples_and_units_are_legal(domain):
    rng = np.random.default_rng(0)
    for value in [domain.sample(rng) for _ in range(200)] + [
        domain.from_unit(unit) for unit in (0.0, 0.5, 1 - 2**-53)
    ]:
        assert domain.contains(value)
        assert domain.normalize(value) == value


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
def test_json_round_trip(domain):
    again = domain_from_json(json.loads(json.dumps(domain.to_json())))
    assert again == domain
    assert again.default == domain.default


@pytest.mark.parametrize("domain", [one for one in DOMAINS if one.size > 1], ids=str)
def test_mutants_are_other_values(domain):
    rng = np.random.default_rng(1)
    for _ in range(100):
        value = domain.sample(rng)
        mutant = domain.mutate(value, rng)
        assert mutant != value
        assert domain.contains(mutant)


@pytest.mark.parametrize("domain", FINITE, ids=str)
def test_enumerate_has_size_distinct_values(domain):
    values = list(domain.enumerate())
    assert len(values) == len(set(values)) == domain.size


@pytest.mark.parametrize(
    "domain", [Categorical(("a", "b", "c")), Integer(2, 10, step=2), Subset((1, 2, 3), most=2)], ids=str
)
def test_samples_are_uniform_and_reach_every_value(domain):
    rng = np.random.default_rng(2)
    drawn = [domain.sample(rng) for _ in range(700 * domain.size)]
    for value in domain.enumerate():
        assert abs(drawn.count(value) - 700) < 5 * math.sqrt(700)


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
def test_encoding_has_its_width_and_tells_values_apart(domain):
    rng = np.random.default_rng(3)
    values = {domain.sample(rng) for _ in range(50)}
    encoded = {tuple(domain.encode(value)) for value in values}
    assert len(encoded) == len(values)
    assert all(len(row) == domain.width and all(0 <= number <= 1 for number in row) for row in encoded)


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
def test_distance_is_a_metric_of_at_most_one(domain):
    rng = np.random.default_rng(4)
    for _ in range(100):
        a, b, c = (domain.sample(rng) for _ in range(3))
        assert 0 <= domain.distance(a, b) <= 1
        assert domain.distance(a, b) == domain.distance(b, a)
        assert (domain.distance(a, b) == 0) == (a == b)
        assert domain.distance(a, c) <= domain.distance(a, b) + domain.distance(b, c) + 1e-12


def test_categorical_spells_values_its_own_way():
    domain = Categorical((1, 2))
    assert domain.contains(1.0)
    assert type(domain.normalize(True)) is int
    assert domain.normalize(np.int64(2)) == 2
    assert not domain.contains(3)
    assert not domain.contains(object())
    assert not domain.contains({})


def test_categorical_reads_lists_as_tuples():
    domain = Categorical(([1, [2, 3]], (4, 5)))
    assert domain.values == ((1, (2, 3)), (4, 5))
    assert domain.contains([4, 5])
    assert domain.normalize([4, 5]) == (4, 5)
    assert not domain.contains([5, 4])


def test_categorical_neighbours_are_all_others():
    assert list(Categorical(("a", "b", "c")).neighbours("b")) == ["a", "c"]


def test_integer_holds_its_steps_only():
    domain = Integer(4, 12, step=4)
    assert list(domain.enumerate()) == [4, 8, 12]
    assert [value for value in range(20) if domain.contains(value)] == [4, 8, 12]
    assert domain.contains(8.0)
    assert not any(domain.contains(value) for value in (True, "8", None, math.nan, math.inf, 8.5))
    assert type(domain.normalize(8.0)) is int


def test_logarithmic_integer_draws_each_octave_alike():
    domain, rng = Integer(1, 1023, log=True), np.random.default_rng(5)
    octaves = np.bincount([int(math.log2(domain.sample(rng))) for _ in range(5000)], minlength=10)
    assert np.all(np.abs(octaves - 500) < 5 * math.sqrt(500))


def test_real_defaults_to_the_middle_of_its_scale():
    assert Real(0, 4).default == 2.0
    assert Real(1e-4, 1e-2, log=True).default == pytest.approx(1e-3)


def test_real_neighbours_are_a_tenth_away_and_inside():
    assert list(Real(0, 10).neighbours(5.0)) == pytest.approx([4.0, 6.0])
    assert list(Real(0, 10).neighbours(0.0)) == pytest.approx([1.0])


def test_real_discretizes_evenly_on_its_scale():
    points = Real(1e-4, 1e-2, log=True, default=9e-3).discretize(3)
    assert points.values == pytest.approx((1e-4, 1e-3, 1e-2))
    assert points.default == points.values[2]
    assert Real(0, 2).discretize(1).values == (1.0,)


def test_real_is_infinite_and_not_listed():
    assert Real(0, 1).size == math.inf
    with pytest.raises(SpaceError, match=r"real interval \[0, 1\] can't be enumerated"):
        Real(0, 1).enumerate()


def test_subset_counts_and_orders():
    domain = Subset(("a", "b", "c", "d"), least=1, most=2)
    assert domain.size == 4 + 6
    assert domain.normalize(("d", "b")) == ("b", "d")
    assert domain.contains(["d", "b"])
    for wrong in ((), ("a", "b", "c"), ("a", "a"), ("e",), "ab", ({},), None):
        assert not domain.contains(wrong)


def test_subset_neighbours_add_remove_exchange():
    domain = Subset(("a", "b", "c"), least=1, most=2)
    assert set(domain.neighbours(("a",))) == {("a", "b"), ("a", "c"), ("b",), ("c",)}
    assert set(domain.neighbours(("a", "b"))) == {("a",), ("b",), ("b", "c"), ("a", "c")}


def test_subset_unit_covers_every_subset_once():
    domain = Subset((1, 2, 3, 4, 5), least=2, most=4)
    drawn = [domain.from_unit((rank + 0.5) / domain.size) for rank in range(domain.size)]
    assert set(drawn) == set(domain.enumerate())


def test_subset_default():
    assert Subset((1, 2, 3)).default == (1,)
    assert Subset((1, 2, 3), least=2).default == (1, 2)
    assert Subset((1, 2, 3), most=0).default == ()
    assert Subset((1, 2, 3), default=(3, 1)).default == (1, 3)


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        (Categorical((1, "a")), "{1, a}"),
        (Integer(1, 6), "1..6"),
        (Integer(4, 12, step=4), "4..12 step 4"),
        (Integer(1, 8, log=True), "1..8 log"),
        (Real(0.5, 2), "[0.5, 2]"),
        (Real(0.5, 2, log=True), "[0.5, 2] log"),
        (Subset((1, 2), least=1), "1..2 of {1, 2}"),
        (Subset((1, 2), least=1, most=1), "1 of {1, 2}"),
    ],
)
def test_prints_short(domain, text):
    assert str(domain) == text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Categorical(()), "at least one value"),
        (lambda: Categorical((1, 2, 1)), r"got 1 twice in \[1, 2, 1\]"),
        (lambda: Categorical((1, True)), "1, 1.0 and True are equal"),
        (lambda: Categorical((1, 2), default=3), r"default must be one of \[1, 2\], got 3"),
        (lambda: Categorical((print,)), "To choose between modules use layer_choice"),
        (lambda: Categorical((math.nan,)), "finite numbers.*got nan"),
        (lambda: Integer(1.5, 2), "'low' of an Integer must be a whole number, got 1.5"),
        (lambda: Integer(1, True), "'high' of an Integer must be a whole number, got True"),
        (lambda: Integer(3, 2), "low <= high, got low=3, high=2"),
        (lambda: Integer(1, 4, step=2), "divide high - low = 3, got 2"),
        (lambda: Integer(1, 4, step=0), "'step' must be positive"),
        (lambda: Integer(0, 4, log=True), "logarithmic Integer needs low >= 1, got 0"),
        (lambda: Integer(1, 4, default=5), r"default must be one of 1\.\.4, got 5"),
        (lambda: Real("a", 2), "'low' of a Real must be a finite number, got 'a'"),
        (lambda: Real(0, math.inf), "'high' of a Real must be a finite number, got inf"),
        (lambda: Real(1, 1), "low < high, got low=1.0, high=1.0"),
        (lambda: Real(0, 1, log=True), "logarithmic Real needs low > 0, got 0.0"),
        (lambda: Real(0, 1, default=2), r"default must be in \[0.0, 1.0\], got 2"),
        (lambda: Real(0, 1).discretize(0), "at least one point, got points=0"),
        (lambda: Subset(()), "distinct items, at least one"),
        (lambda: Subset((1, 1)), "distinct items"),
        (lambda: Subset((1, 2), least=2, most=1), "0 <= least <= most <= 2, got least=2, most=1"),
        (lambda: Subset((1, 2), most=3), "0 <= least <= most <= 2, got least=0, most=3"),
        (lambda: Subset((1, 2), default=(3,)), r"default must contain 0 to 2 of \[1, 2\], got \(3,\)"),
        (lambda: domain_from_json({"type": "graph"}), "got 'graph'. Was it written by a newer version"),
    ],
)
def test_impossible_domains_say_why(make, message):
    with pytest.raises(SpaceError, match=message):
        make()


def test_freeze_plain_values():
    assert freeze([1, (2.5, None)]) == (1, (2.5, None))
    assert type(freeze(np.float32(0.5))) is float
    assert type(freeze(np.bool_(True))) is bool
    assert type(freeze(type("Label", (str,), {})("a"))) is str
    with pytest.raises(SpaceError, match="a number, a string, a bool, None or a tuple"):
        freeze({"a": 1})
