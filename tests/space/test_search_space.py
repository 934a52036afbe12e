import copy
import json
import math
import pickle

import numpy as np
import pytest

from retia.errors import ArchitectureError, SpaceError
from retia.space import (
    Architecture,
    Categorical,
    Clause,
    Condition,
    Integer,
    Parameter,
    Real,
    SearchSpace,
    Subset,
)


def when(label, *values):
    return Condition(((Clause(label, frozenset(values)),),))


@pytest.fixture
def space():
    """op: conv has a kernel, and a kernel of 5 a dilation; pool has nothing. 1 + 2 + 1 = 4 architectures of
    op, times two widths.
    """
    return SearchSpace(
        [
            Parameter("op", Categorical(("conv", "pool"))),
            Parameter("kernel", Categorical((3, 5)), when("op", "conv")),
            Parameter("dilation", Integer(1, 2), when("kernel", 5)),
            Parameter("width", Categorical((16, 32))),
        ]
    )


def described(space):
    return {tuple(sorted(architecture.items(), key=str)) for architecture in space.enumerate()}


def test_known_size_and_order(space):
    assert space.size() == 8
    assert [tuple(architecture.values()) for architecture in space.enumerate()] == [
        ("conv", 3, 16),
        ("conv", 3, 32),
        ("conv", 5, 1, 16),
        ("conv", 5, 1, 32),
        ("conv", 5, 2, 16),
        ("conv", 5, 2, 32),
        ("pool", 16),
        ("pool", 32),
    ]
    assert len(space) == 4


def test_the_space_without_parameters_has_one_architecture():
    empty = SearchSpace({})
    assert empty.size() == 1
    assert list(empty.enumerate()) == [{}]
    assert empty.default() == empty.sample(np.random.default_rng(0)) == {}
    assert empty.encode({}).shape == (0,)


def test_default(space):
    assert space.default() == {"op": "conv", "kernel": 3, "width": 16}


# --- membership


def test_validate_returns_the_space_s_own_spelling(space):
    valid = space.validate({"width": 16.0, "kernel": 5, "op": "conv", "dilation": True + 0.0})
    assert valid == {"op": "conv", "kernel": 5, "dilation": 1, "width": 16}
    assert list(valid) == ["op", "kernel", "dilation", "width"]
    assert type(valid["width"]) is int
    assert valid.to_json() == '{"dilation":1,"kernel":5,"op":"conv","width":16}'


def test_canonical_drops_what_is_not_active(space):
    assert space.canonical({"op": "pool", "kernel": 5, "dilation": 2, "width": 16}) == {
        "op": "pool",
        "width": 16,
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"op": "pool"}, r"lacks 'width' \({16, 32}\), which is active: always"),
        ({"op": "conv", "width": 16}, r"lacks 'kernel' .* which is active: op=conv"),
        ({"op": "pool", "widht": 16}, "no parameter 'widht'. Did you mean 'width'"),
        (
            {"op": "pool", "width": 16, "zzz": 1},
            r"no parameter 'zzz'. The labels are \['op', 'kernel', 'dilation', 'width'\]",
        ),
        (
            {"op": "pool", "width": 16, "kernel": 3},
            "'kernel' is not active in this architecture: it exists only while op=conv",
        ),
        ({"op": "lstm", "width": 16}, r"'op' takes one of {conv, pool}, got 'lstm'"),
        ({"op": "pool", "width": (16,)}, r"'width' takes one of {16, 32}, got \(16,\)"),
    ],
)
def test_validate_says_what_is_wrong(space, values, message):
    with pytest.raises(ArchitectureError, match=message):
        space.validate(values)
    with pytest.raises(ArchitectureError, match=message):
        space.validate(Architecture(values))
    assert values not in space


def test_contains(space):
    assert space.default() in space
    assert {"op": "pool", "width": 32} in space
    assert 3 not in space
    assert None not in space
    assert [("op", "pool")] not in space


def test_tuples_are_read_as_lists_too():
    space = SearchSpace({"pair": Categorical(((1, 2), (3, 4))), "some": Subset(("a", "b"))})
    assert space.validate({"pair": [3, 4], "some": ["b", "a"]}) == {"pair": (3, 4), "some": ("a", "b")}


# --- sampling


def test_samples_reach_everything_and_are_valid(space):
    rng = np.random.default_rng(0)
    drawn = [space.sample(rng) for _ in range(400)]
    assert all(space.validate(architecture) == architecture for architecture in drawn)
    assert len(set(drawn)) == 8


def test_uniform_over_choices_gives_each_choice_its_share(space):
    rng = np.random.default_rng(1)
    drawn = [space.sample(rng) for _ in range(4000)]
    assert abs(sum(one["op"] == "pool" for one in drawn) - 2000) < 5 * math.sqrt(1000)


def test_uniform_over_architectures(space):
    rng = np.random.default_rng(2)
    n = 8000
    drawn = [space.sample(rng, uniform="architectures") for _ in range(n)]
    counts = np.array([drawn.count(architecture) for architecture in space.enumerate()])
    assert counts.sum() == n
    statistic = float(
        ((counts - n / 8) ** 2 / (n / 8)).sum()
    )  # chi-square with 7 degrees of freedom: mean 7, 99.999 % below 37
    assert statistic < 37


def test_uniform_over_architectures_with_a_few_values_singled_out():
    space = SearchSpace([Parameter("n", Integer(1, 5)), Parameter("x", Integer(1, 4), when("n", 2))])
    rng = np.random.default_rng(3)
    drawn = [space.sample(rng, uniform="architectures") for _ in range(8000)]
    counts = np.array([drawn.count(architecture) for architecture in space.enumerate()])
    assert len(counts) == 8
    assert np.all(np.abs(counts - 1000) < 5 * math.sqrt(1000))


def test_uniform_over_architectures_of_a_huge_range_is_quick():
    space = SearchSpace([Parameter("n", Integer(0, 10**12)), Parameter("x", Integer(1, 4), when("n", 5))])
    assert space.size() == 10**12 + 4
    rng = np.random.default_rng(4)
    assert len({space.sample(rng, uniform="architectures") for _ in range(50)}) == 50


def test_sampling_needs_a_known_way(space):
    with pytest.raises(SpaceError, match="uniform is 'choices' or 'architectures', got 'values'"):
        space.sample(np.random.default_rng(0), uniform="values")
    real = SearchSpace({"x": Real(0, 1)})
    with pytest.raises(SpaceError, match="can't be drawn uniformly from a space with a real interval"):
        real.sample(np.random.default_rng(0), uniform="architectures")


def test_sampling_depends_on_the_generator_alone(space):
    assert space.sample(np.random.default_rng(7)) == space.sample(np.random.default_rng(7))


# --- moving


def test_neighbours_are_one_decision_away(space):
    around = list(space.neighbours(Architecture({"op": "conv", "kernel": 3, "width": 16})))
    assert around == [
        {"op": "pool", "width": 16},  # closes kernel
        {"op": "conv", "kernel": 5, "dilation": 1, "width": 16},  # opens dilation, at its default
        {"op": "conv", "kernel": 3, "width": 32},
    ]
    assert all(one in space for one in around)


def test_neighbours_open_with_sampled_values_if_a_generator_is_given(space):
    rng = np.random.default_rng(0)
    opened = {next(iter(space.neighbours(Architecture({"op": "pool", "width": 16}), rng))) for _ in range(40)}
    assert opened == {
        architecture
        for architecture in space.enumerate()
        if architecture["op"] == "conv" and architecture["width"] == 16
    }


def test_mutants_change_one_decision(space):
    rng = np.random.default_rng(0)
    start = Architecture({"op": "conv", "kernel": 5, "dilation": 2, "width": 16})
    mutants = {space.mutate(start, rng) for _ in range(200)}
    assert mutants == {
        Architecture({"op": "pool", "width": 16}),
        Architecture({"op": "conv", "kernel": 3, "width": 16}),
        Architecture({"op": "conv", "kernel": 5, "dilation": 1, "width": 16}),
        Architecture({"op": "conv", "kernel": 5, "dilation": 2, "width": 32}),
    }


def test_mutation_needs_a_second_value():
    space = SearchSpace({"a": Integer(3, 3)})
    with pytest.raises(SpaceError, match="No parameter of {'a': 3} has a second value"):
        space.mutate(space.default(), np.random.default_rng(0))


def test_crossover_takes_each_value_from_a_parent(space):
    rng = np.random.default_rng(0)
    a, b = (
        Architecture({"op": "conv", "kernel": 5, "dilation": 2, "width": 16}),
        Architecture({"op": "pool", "width": 32}),
    )
    children = {space.crossover(a, b, rng) for _ in range(200)}
    assert children == {
        Architecture({"op": op, **({"kernel": 5, "dilation": 2} if op == "conv" else {}), "width": width})
        for op in ("conv", "pool")
        for width in (16, 32)
    }


def test_crossover_samples_what_neither_parent_has():
    both = Condition(((Clause("a", frozenset({1})), Clause("b", frozenset({1}))),))
    space = SearchSpace(
        [Parameter("a", Integer(0, 1)), Parameter("b", Integer(0, 1)), Parameter("c", Integer(1, 9), both)]
    )
    rng = np.random.default_rng(0)
    children = {
        space.crossover(Architecture({"a": 1, "b": 0}), Architecture({"a": 0, "b": 1}), rng)
        for _ in range(300)
    }
    assert {child.get("c") for child in children} == {None, *range(1, 10)}


# --- restrictions


def test_where_holds_everywhere(space):
    narrow = space.where(lambda one: one["width"] == 32 or one["op"] == "pool", "no thin convolution")
    rng = np.random.default_rng(0)
    assert narrow.size() == 5
    assert space.size() == narrow.size_before_restrictions() == 8
    assert len(list(narrow.enumerate())) == 5
    assert {narrow.sample(rng) for _ in range(100)} == set(narrow.enumerate())
    assert {narrow.sample(rng, uniform="architectures") for _ in range(100)} == set(narrow.enumerate())
    start = Architecture({"op": "pool", "width": 16})
    assert list(narrow.neighbours(start)) == [{"op": "pool", "width": 32}]
    assert {narrow.mutate(start, rng) for _ in range(20)} == {Architecture({"op": "pool", "width": 32})}
    wide = Architecture({"op": "conv", "kernel": 3, "width": 32})
    assert all(narrow.crossover(start, wide, rng) in narrow for _ in range(50))
    with pytest.raises(ArchitectureError, match="breaks the restriction 'no thin convolution'"):
        narrow.validate(space.default())
    with pytest.raises(
        SpaceError, match="The default architecture .* breaks the restriction 'no thin convolution'"
    ):
        narrow.default()


def test_where_adds_up_and_names_itself(space):
    def wide(architecture):
        return architecture["width"] == 32

    narrow = space.where(wide).where(lambda one: one["op"] == "conv", "convolution")
    assert [restriction.description for restriction in narrow.restrictions] == ["wide", "convolution"]
    assert narrow.size() == 3
    assert not space.restrictions


def test_restrictions_that_nothing_meets(space):
    nothing = space.where(lambda one: False, "impossible")
    rng = np.random.default_rng(0)
    assert nothing.size() == 0
    with pytest.raises(SpaceError, match="No sampled architecture met 'impossible' in 10,000 tries"):
        nothing.sample(rng)
    with pytest.raises(SpaceError, match="No mutant of .* met .* in 10,000 tries"):
        nothing.mutate(space.default(), rng)
    with pytest.raises(SpaceError, match="No child of .* and .* met"):
        nothing.crossover(space.default(), space.default(), rng)


def test_restrictions_are_not_counted_in_large_spaces():
    large = SearchSpace({f"x{i}": Integer(0, 9) for i in range(7)}).where(lambda one: True)
    with pytest.raises(SpaceError, match="this one has 10,000,000 architectures without them"):
        large.size()


# --- spaces from spaces


def test_extend(space):
    assert space.size() == 8  # counted before, and not remembered by the new space
    wider = space.extend({"lr": Categorical((0.1, 0.01))})
    assert wider.size() == 16
    assert list(wider.parameters)[-1] == "lr"
    assert wider.sample(np.random.default_rng(0))["lr"] in (0.1, 0.01)
    assert space.size() == 8
    with pytest.raises(SpaceError, match="The space already has a parameter 'width'"):
        space.extend({"width": Integer(1, 2)})


def test_extend_keeps_restrictions(space):
    assert space.where(lambda one: one["op"] == "pool").extend({"lr": Categorical((0.1, 0.01))}).size() == 4


def test_discretize():
    space = SearchSpace({"lr": Real(1e-4, 1e-2, log=True), "n": Integer(1, 2)})
    assert space.size() == math.inf
    points = space.discretize(3)
    assert points.size() == 6
    assert points.default()["lr"] == pytest.approx(1e-3)
    assert all(architecture in space for architecture in points.enumerate())
    with pytest.raises(SpaceError, match="at least one point, got points=0"):
        space.discretize(0)
    with pytest.raises(SpaceError, match="can't be enumerated"):
        list(space.enumerate())


def test_discretize_a_value_that_is_asked_about():
    space = SearchSpace([Parameter("x", Real(0, 1)), Parameter("y", Integer(1, 2), when("x", 0.3))])
    with pytest.raises(SpaceError, match="'y' compares 'x' with 0.3, which is not in"):
        space.discretize(3)


# --- numbers


def test_encode_known_answer(space):
    assert space.feature_labels == ["op", "op", "kernel", "kernel", "dilation", "dilation", "width", "width"]
    assert space.encode({"op": "conv", "kernel": 5, "dilation": 1, "width": 32}).tolist() == [
        1,
        0,
        0,
        1,
        0,
        1,
        0,
        1,
    ]
    assert space.encode({"op": "pool", "width": 16}).tolist() == [0, 1, 0, 0, 0, 0, 1, 0]


def test_encode_tells_all_architectures_apart(space):
    assert len({tuple(space.encode(architecture)) for architecture in space.enumerate()}) == space.size()


def test_distance_known_answer(space):
    a, b = {"op": "conv", "kernel": 5, "dilation": 1, "width": 32}, {"op": "pool", "width": 16}
    assert space.distance(a, b) == 1 + 1 + 1 + 1
    assert space.distance(a, {**a, "dilation": 2}) == 1
    assert space.distance(b, b) == 0


# --- data and text


def test_json_round_trip(space):
    data = space.to_json()
    assert json.loads(json.dumps(data)) == data
    again = SearchSpace.from_json(data)
    assert again.parameters == space.parameters
    assert described(again) == described(space)
    assert space.where(lambda one: True, "anything").to_json()["restrictions"] == ["anything"]


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda space: pickle.loads(pickle.dumps(space))]
)
def test_copies(space, copied):
    assert space.size() == 8
    assert copied(space).to_json() == space.to_json()
    assert copied(space).size() == 8


def test_prints_parameters_and_conditions(space):
    assert str(space) == (
        "SearchSpace: 4 parameters, 8 architectures\n"
        "op        {conv, pool}\n"
        "kernel    {3, 5}        while op=conv\n"
        "dilation  1..2          while kernel=5\n"
        "width     {16, 32}"
    )
    assert repr(space) == "<SearchSpace: 4 parameters>"
    narrow = space.where(lambda one: True, "a < b")
    assert str(narrow).splitlines()[0] == "SearchSpace: 4 parameters, at most 8 architectures"
    assert str(narrow).splitlines()[-1] == "where a < b"
    assert "<td>kernel</td><td>{3, 5}</td><td>op=conv</td>" in space._repr_html_()
    assert "where a &lt; b" in narrow._repr_html_()


@pytest.mark.parametrize(
    ("domains", "words"),
    [
        ({"x": Real(0, 1)}, "infinitely many"),
        ({"x": Integer(1, 10**9 - 1)}, "999,999,999"),
        ({f"x{i}": Integer(1, 3) for i in range(40)}, "about 1.21e19"),
    ],
)
def test_prints_large_sizes_short(domains, words):
    assert f", {words} architectures" in str(SearchSpace(domains))


def test_a_plain_space_seeds_nothing(space):
    with space.seeded(0):
        pass
