import pickle

import numpy as np
import pytest

from retia.errors import ArchitectureError, InfeasibleArchitecture, SpaceError
from retia.space import (
    Architecture,
    Builder,
    Clause,
    Condition,
    SearchSpace,
    Tracer,
    active_recorder,
    apply,
    choice,
    explore,
    integer,
    reject,
    require,
)


def space_of(constructor):
    tracer = Tracer()
    with tracer.recording():
        constructor()
    space = SearchSpace(tracer.parameters.values())
    space._restrictions = tuple(tracer.restrictions)
    return space


def fits():
    width, heads = choice("width", [8, 16, 32]), choice("heads", [2, 3])
    require(width % heads == 0)


def test_a_requirement_is_a_restriction_of_the_space():
    space = space_of(fits)
    assert [restriction.description for restriction in space.restrictions] == ["(width % heads) == 0"]
    assert space.size() == 3
    assert {architecture["heads"] for architecture in space.enumerate()} == {2}
    rng = np.random.default_rng(0)
    for _ in range(20):
        architecture = space.sample(rng)
        assert architecture["heads"] == 2
        assert space.mutate(architecture, rng)["heads"] == 2
    with pytest.raises(
        InfeasibleArchitecture,
        match=r"breaks the restriction '\(width % heads\) == 0': {'width': 16, 'heads': 3}",
    ):
        space.validate({"width": 16, "heads": 3})


def test_it_pickles():
    space = pickle.loads(pickle.dumps(space_of(fits)))
    assert space.size() == 3
    assert space.restrictions == space_of(fits).restrictions
    assert space.to_json() == space_of(fits).to_json()


def test_it_uses_the_truth_of_no_comparison():
    tracer = Tracer()
    with tracer.recording():
        fits()
    assert not tracer.compared


def test_it_holds_where_its_parameters_are_active():
    def constructor():
        recorder = active_recorder()
        op, width = choice("op", ["conv", "skip"]), choice("width", [8, 16])
        with recorder.given(Condition(((Clause("op", frozenset({"conv"})),),))):
            kernel = choice("kernel", [3, 5])
            require(kernel * 4 < width)
        assert op

    space = space_of(constructor)
    assert {tuple(a.values()) for a in space.enumerate()} == {("conv", 16, 3), ("skip", 8), ("skip", 16)}


def test_it_holds_where_the_constructor_comes_by_the_call():
    def constructor():
        width = choice("width", [8, 16])
        choice("op", ["conv", "skip"])
        with active_recorder().given(Condition(((Clause("op", frozenset({"conv"})),),))):
            require(width > 8)

    space = space_of(constructor)
    assert [restriction.description for restriction in space.restrictions] == ["width > 8 while op=conv"]
    assert {tuple(a.values()) for a in space.enumerate()} == {(16, "conv"), (8, "skip"), (16, "skip")}


def test_conditions_join_by_and_or_and_not():
    def constructor():
        a, b = integer("a", 1, 4), integer("b", 1, 4)
        require((a > 3) | (b > 3))
        require(~((a == 4) & (b == 4)))

    assert space_of(constructor).size() == 6


def _even(number):
    return number % 2 == 0


def test_functions_go_through_apply():
    def constructor():
        require(apply(_even, integer("a", 1, 5)))

    assert [a["a"] for a in space_of(constructor).enumerate()] == [2, 4]


def _over_several_lines(a, b):
    first = a > 3
    require(
        first
        or
        # what follows is on a line of its own
        b > 3
    )


@pytest.mark.parametrize(
    "wrong",
    [
        lambda a, b: require(a > 3 or b > 3),
        lambda a, b: require(a > 4 or b > 3),
        lambda a, b: require(a > 3 and b > 3),
        lambda a, b: require(not a > 3),
        lambda a, b: require(1 < a < 9),
        lambda a, b: require(max(a, b) > 3),
        lambda a, b: require(a in (1, 2)),
        _over_several_lines,
    ],
)
def test_a_condition_whose_truth_was_used_before_is_rejected(wrong):
    tracer = Tracer()
    with (
        tracer.recording(),
        pytest.raises(SpaceError, match=r"can't see its whole condition.*Write one require"),
    ):
        wrong(integer("a", 1, 4), integer("b", 1, 4))


def test_a_truth_used_elsewhere_does_not_matter():
    def constructor():
        a = integer("a", 1, 4)
        for bound in (1, 2):
            if a > bound:
                require(a > bound)

    assert space_of(constructor).size() == 2


def test_a_condition_that_follows_no_choice_is_checked_by_the_build():
    def constructor():
        require(int(integer("a", 1, 4)) > 2)

    space = space_of(constructor)
    assert not space.restrictions
    builder = Builder(Architecture({"a": 1}), space.parameters)
    with (
        builder.recording(),
        pytest.raises(
            InfeasibleArchitecture,
            match=r"does not hold with {'a': 1}, at .*test_requirement.py:\d+, in .*: require\(int\(",
        ),
    ):
        constructor()
    with pytest.raises(InfeasibleArchitecture, match=r"A requirement of the constructor does not hold, at "):
        constructor()


def test_rejecting_has_the_words_of_the_model():
    with pytest.raises(InfeasibleArchitecture, match=r"^too deep$"):
        reject("too deep")
    assert issubclass(InfeasibleArchitecture, ArchitectureError)


def test_exploring_finds_requirements_under_a_branch():
    def constructor():
        depth, width = integer("depth", 1, 3), choice("width", [8, 16])
        if depth < 3:
            require(width > 8)

    def trace(fixed):
        tracer = Tracer(fixed)
        with tracer.recording():
            constructor()
        return tracer

    parameters, restrictions = explore(trace)
    space = SearchSpace(parameters)
    space._restrictions = tuple(restrictions)
    assert [restriction.description for restriction in restrictions] == ["width > 8 while depth in {1, 2}"]
    assert {tuple(a.values()) for a in space.enumerate()} == {(1, 16), (2, 16), (3, 8), (3, 16)}
