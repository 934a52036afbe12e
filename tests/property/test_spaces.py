"""Laws of search spaces, over random conditional spaces."""

import itertools
import json
import pickle

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retia.errors import ArchitectureError
from retia.space import (
    ALWAYS,
    Architecture,
    Builder,
    Categorical,
    Clause,
    Condition,
    Integer,
    Parameter,
    Real,
    SearchSpace,
    Subset,
    Tracer,
    choice,
    explore,
)

laws = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([0.5, 1.5, "a", "b", "ü"]),
    st.tuples(st.integers(0, 1), st.sampled_from("xy")),
)


@st.composite
def domains(draw):
    kind = draw(st.sampled_from(["categorical", "integer", "log", "subset"]))
    if kind == "categorical":
        values = draw(st.lists(SCALARS, min_size=1, max_size=4, unique=True))
        return Categorical(tuple(values), default=draw(st.sampled_from(values)))
    if kind == "integer":
        low, step, count = draw(st.integers(-3, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
        return Integer(
            low, low + step * (count - 1), step=step, default=low + step * draw(st.integers(0, count - 1))
        )
    if kind == "log":
        return Integer(1, draw(st.integers(1, 4)), log=True)
    items = draw(st.integers(1, 3))
    least = draw(st.integers(0, items))
    return Subset(tuple(range(items)), least=least, most=draw(st.integers(least, items)))


@st.composite
def conditions(draw, parameters):
    if not parameters or draw(st.booleans()):
        return ALWAYS
    rows = []
    for _ in range(draw(st.integers(1, 2))):
        asked = draw(
            st.lists(
                st.sampled_from(parameters),
                min_size=1,
                max_size=2,
                unique_by=lambda parameter: parameter.label,
            )
        )
        row = []
        for parameter in asked:
            values = draw(
                st.sets(st.sampled_from(list(parameter.domain.enumerate())), min_size=1, max_size=3)
            )
            row.append(Clause(parameter.label, frozenset(values)))
        rows.append(tuple(row))
    return Condition(tuple(rows))


@st.composite
def spaces(draw, most=5):
    parameters = []
    for i in range(draw(st.integers(0, most))):
        parameters.append(Parameter(f"p{i}", draw(domains()), draw(conditions(parameters))))
    return SearchSpace(draw(st.permutations(parameters)))


generators = st.integers(0, 2**32).map(np.random.default_rng)


def brute(space):
    """Return every architecture, found without any of the space's own walking: all combinations, with what is
    inactive dropped.
    """
    labels = list(space.parameters)
    found = set()
    for row in itertools.product(*(list(space.parameters[label].domain.enumerate()) for label in labels)):
        held = {}
        for label, value in zip(labels, row, strict=True):
            condition = space.parameters[label].condition
            if any(
                all(clause.label in held and held[clause.label] in clause.values for clause in alternative)
                for alternative in condition.alternatives
            ):
                held[label] = value
        found.add(Architecture(held))
    return found


def far(space, a, b):
    """Return the labels whose own decision differs: active in both, with other values."""
    return [label for label in space.parameters if label in a and label in b and a[label] != b[label]]


@laws
@given(spaces(most=4))
def test_size_and_enumerate_agree_with_brute_force(space):
    listed = list(space.enumerate())
    assert len(listed) == len(set(listed)) == space.size()
    assert set(listed) == brute(space)
    assert listed == list(space.enumerate())


@laws
@given(spaces(), generators, st.sampled_from(["choices", "architectures"]))
def test_samples_are_valid_and_canonical(space, rng, uniform):
    for _ in range(5):
        architecture = space.sample(rng, uniform=uniform)
        assert space.validate(architecture) == architecture
        assert space.canonical(architecture) == architecture
        assert list(architecture) == [label for label in space.parameters if label in architecture]


@laws
@given(spaces(), generators)
def test_a_mutant_is_another_architecture_one_decision_away(space, rng):
    architecture = space.sample(rng)
    if all(space.parameters[label].domain.size == 1 for label in architecture):
        return
    mutant = space.mutate(architecture, rng)
    assert mutant in space
    assert mutant != architecture
    changed = far(space, architecture, mutant)
    # One decision was made; others that differ were opened anew behind it, so without it they would not have
    # been free.
    assert any(space.parameters[label].condition.always or label in changed for label in changed)
    first = changed[0]
    decided = {label: value for label, value in architecture.items() if label != first}
    assert all(mutant[label] == value for label, value in decided.items() if label in mutant)


@laws
@given(spaces(), generators)
def test_neighbours_are_valid_distinct_and_mutual(space, rng):
    architecture = space.sample(rng)
    around = list(space.neighbours(architecture))
    assert len(set(around)) == len(around)
    assert architecture not in around
    for other in around:
        assert other in space
        assert len(far(space, architecture, other)) == 1
    single = sum(
        space.parameters[label].domain.size - 1
        for label in architecture
        if not isinstance(space.parameters[label].domain, Subset)
    )
    assert len(around) >= single


@laws
@given(spaces(), generators)
def test_a_mutant_with_defaults_is_a_neighbour_in_a_flat_space(space, rng):
    flat = SearchSpace({label: parameter.domain for label, parameter in space.parameters.items()})
    architecture = flat.sample(rng)
    if all(parameter.domain.size == 1 for parameter in flat.parameters.values()):
        return
    assert flat.mutate(architecture, rng) in set(flat.neighbours(architecture))


@laws
@given(spaces(), generators)
def test_a_child_takes_what_is_active_from_its_parents(space, rng):
    a, b = space.sample(rng), space.sample(rng)
    child = space.crossover(a, b, rng)
    assert child in space
    for label, value in child.items():
        held = [parent[label] for parent in (a, b) if label in parent]
        assert not held or value in held
    assert space.crossover(a, a, rng) == a


@laws
@given(spaces(), generators)
def test_canonical_drops_the_rest_and_is_idempotent(space, rng):
    everything = {label: parameter.domain.sample(rng) for label, parameter in space.parameters.items()}
    architecture = space.canonical(everything)
    assert architecture in space
    assert architecture.items() <= everything.items()
    assert space.canonical(architecture) == architecture
    superfluous = everything.keys() - architecture.keys()
    if superfluous:
        try:
            space.validate(everything)
        except ArchitectureError as error:
            assert "is not active" in str(error)
        else:
            raise AssertionError("validate let an inactive parameter pass")


@laws
@given(spaces())
def test_the_default_is_valid_and_of_defaults(space):
    default = space.default()
    assert default in space
    assert all(value == space.parameters[label].domain.default for label, value in default.items())


@laws
@given(spaces(), generators)
def test_json_round_trips(space, rng):
    again = SearchSpace.from_json(json.loads(json.dumps(space.to_json())))
    assert again.parameters == space.parameters
    assert list(again.enumerate()) == list(space.enumerate())
    architecture = space.sample(rng)
    assert again.validate(Architecture.from_json(architecture.to_json())) == architecture
    assert Architecture.from_json(architecture.to_json()).key == architecture.key
    assert pickle.loads(pickle.dumps(space)).to_json() == space.to_json()


@laws
@given(spaces(most=4))
def test_encodings_are_distinct_numbers_of_one_length(space):
    listed = list(space.enumerate())[:200]
    encoded = [tuple(space.encode(architecture)) for architecture in listed]
    assert len(set(encoded)) == len(listed)
    assert {len(row) for row in encoded} == {len(space.feature_labels)}
    assert all(0 <= number <= 1 for row in encoded for number in row)


@laws
@given(spaces(), generators)
def test_distance_is_a_metric(space, rng):
    a, b, c = (space.sample(rng) for _ in range(3))
    assert space.distance(a, b) == space.distance(b, a) >= 0
    assert (space.distance(a, b) == 0) == (a == b)
    assert space.distance(a, c) <= space.distance(a, b) + space.distance(b, c) + 1e-9


@laws
@given(spaces(), generators)
def test_real_intervals_take_part(space, rng):
    wider = space.extend({"lr": Real(1e-4, 1e-1, log=True)})
    a, b = wider.sample(rng), wider.sample(rng)
    assert wider.mutate(a, rng) in wider
    assert wider.crossover(a, b, rng) in wider
    assert all(one in wider for one in wider.neighbours(a))
    assert wider.discretize(3).size() == 3 * space.size()


@laws
@given(spaces(most=3), st.integers(0, 2**32))
def test_restrictions_filter(space, salt):
    def kept(architecture):
        return (int(architecture.key, 16) ^ salt) % 3 > 0

    narrow = space.where(kept, "two thirds")
    assert set(narrow.enumerate()) == {
        architecture for architecture in space.enumerate() if kept(architecture)
    }
    assert narrow.size() == len(list(narrow.enumerate()))


# --- constructors that branch


@st.composite
def constructors(draw, depth=2):
    """A constructor as data: choices, each with what is declared only for some of its values."""
    nodes = []
    for _ in range(draw(st.integers(1, 2))):
        values = draw(st.integers(1, 3))
        inside = (
            [
                (draw(st.integers(0, values - 1)), draw(constructors(depth=depth - 1)))
                for _ in range(draw(st.integers(0, 2)))
            ]
            if depth
            else []
        )
        nodes.append((values, inside))
    return nodes


def run(nodes, path=""):
    for i, (values, branches) in enumerate(nodes):
        label = f"{path}{i}"
        value = choice(label, list(range(values)))
        for j, (wanted, inside) in enumerate(branches):
            if value == wanted:
                run(inside, f"{label}.{j}.")


def architectures(nodes):
    total = 1
    for values, branches in nodes:
        count = 0
        for value in range(values):
            inner = 1
            for wanted, inside in branches:
                inner *= architectures(inside) if wanted == value else 1
            count += inner
        total *= count
    return total


@laws
@given(constructors())
def test_explore_finds_every_branch(nodes):
    def trace(fixed):
        tracer = Tracer(fixed)
        with tracer.recording():
            run(nodes)
        return tracer

    space = SearchSpace(explore(trace)[0])
    assert space.size() == architectures(nodes)
    for architecture in itertools.islice(space.enumerate(), 50):
        builder = Builder(architecture, space.parameters)
        with builder.recording():
            run(nodes)
        assert builder.asked == set(architecture)
