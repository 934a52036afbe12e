from collections.abc import Set

from retia.rng import stream
from retia.space import Categorical, Clause, Condition, Parameter, Real, SearchSpace
from retia.strategy import sample_unseen
from retia.strategy.sampling.unseen import unseen_mutant, unseen_proposals
from retia.trial import History, Objective, Proposal


class Everything(Set):
    """Contains whatever it is asked for."""

    def __contains__(self, item):
        return True

    def __iter__(self):
        return iter(())

    def __len__(self):
        return 0


class AllBut(Everything):
    def __init__(self, holds):
        self.holds = holds

    def __contains__(self, item):
        return not self.holds(item)


def chain(*, end):
    """A space of which half the samples stop at the first step, a quarter at the second, and so on."""
    steps = [Parameter("step0", Categorical(("stop", "go")))]
    for i in range(1, 10):
        steps.append(
            Parameter(
                f"step{i}",
                Categorical(("stop", "go")),
                Condition(((Clause(f"step{i - 1}", frozenset({"go"})),),)),
            )
        )
    return SearchSpace([*steps, Parameter("end", end, Condition(((Clause("step9", frozenset({"go"})),),)))])


def test_it_lists_what_is_left_of_a_small_space():
    space = chain(end=Categorical((1, 2)))
    seen = {one for one in space.enumerate() if one.get("end") != 2}
    assert all(sample_unseen(space, seen, stream(seed))["end"] == 2 for seed in range(20))
    assert sample_unseen(space, set(space.enumerate()), stream(0)) is None


def test_what_is_left_is_drawn_uniformly():
    space = SearchSpace({"a": Categorical(tuple(range(1000)))})
    left = {17, 500, 999}
    seen = {one for one in space.enumerate() if one["a"] not in left}
    drawn = [sample_unseen(space, seen, stream(0, i))["a"] for i in range(150)]
    assert all(
        drawn.count(value) in range(30, 71) for value in left
    )  # 50 each, give or take three and a half standard deviations


def test_it_tries_longer_where_a_space_is_too_large_to_list():
    space = chain(end=Real(0, 1))
    new = AllBut(lambda architecture: "end" in architecture)  # 1 sample in 1,024
    found = [sample_unseen(space, new, stream(seed)) for seed in range(5)]
    assert all(one is not None and "end" in one for one in found)


def test_it_gives_up_on_a_large_space_that_yields_nothing_new():
    assert sample_unseen(chain(end=Real(0, 1)), Everything(), stream(0)) is None


def test_there_is_no_mutant_where_nothing_varies_or_all_is_seen():
    one, two = SearchSpace({"a": Categorical((1,))}), SearchSpace({"a": Categorical((1, 2))})
    assert unseen_mutant(one, set(), one.default(), stream(0)) is None
    assert unseen_mutant(two, set(two.enumerate()), two.default(), stream(0)) is None
    assert unseen_mutant(two, {two.default()}, two.default(), stream(0)) == {"a": 2}


def test_what_is_drawn_is_proposed_and_the_rest_is_random_until_the_space_is_exhausted():
    space, history = SearchSpace({"a": Categorical((1, 2, 3))}), History((Objective("y", "maximize"),))
    first, seen = Proposal(space.validate({"a": 2}), parent=7), []

    def draw(proposed):
        seen.append(list(proposed))
        return None if proposed else first

    proposals = unseen_proposals(space, history, 9, stream(0), draw)
    assert proposals[0] is first
    assert {one.architecture["a"] for one in proposals[1:]} == {1, 3}
    assert seen == [[one.architecture for one in proposals[:count]] for count in range(4)]
