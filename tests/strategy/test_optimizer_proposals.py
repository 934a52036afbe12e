from retia.rng import stream
from retia.space import Integer, SearchSpace
from retia.strategy.sampling.optimizer_proposals import ASKS, optimizer_proposals
from retia.trial import History, Objective, Trial

SPACE = SearchSpace({f"x{i}": Integer(0, 9) for i in range(4)})
ZERO = SPACE.default()


def history_of(*architectures, space=SPACE):
    trials = [
        Trial(i, one).end("completed", at=1, metrics={"score": i}) for i, one in enumerate(architectures)
    ]
    return History([Objective("score", "maximize")], trials=trials)


def changes(a, b):
    return sum(a[label] != b[label] for label in a)


def test_what_is_new_is_proposed_as_it_is():
    told = []

    def ask(proposed):
        told.append(list(proposed))
        return SPACE.validate({"x0": len(told), "x1": 0, "x2": 0, "x3": 0})

    proposals = optimizer_proposals(SPACE, history_of(ZERO), 3, stream(0), ask)
    assert [one.architecture["x0"] for one in proposals] == [1, 2, 3]
    assert told == [[], [proposals[0].architecture], [proposals[0].architecture, proposals[1].architecture]]


def test_what_is_known_is_asked_for_again_and_then_mutated():
    asked = []

    def ask(proposed):
        asked.append(1)
        return ZERO

    proposals = optimizer_proposals(SPACE, history_of(ZERO), 2, stream(0), ask)
    assert len(asked) == 2 * ASKS
    assert [changes(one.architecture, ZERO) for one in proposals] == [1, 1]
    assert proposals[0] != proposals[1]


def test_what_breaks_a_restriction_gives_way_to_a_mutant_of_the_best():
    space = SPACE.where(lambda architecture: architecture["x0"] >= 5)
    five, seven = (space.validate({**ZERO, "x0": x}) for x in (5, 7))
    for i in range(10):
        (proposal,) = optimizer_proposals(
            space, history_of(five, seven), 1, stream(0, i), lambda proposed: ZERO
        )
        assert proposal.architecture in space
        assert changes(proposal.architecture, seven) == 1
    assert (
        optimizer_proposals(space, history_of(), 1, stream(0), lambda proposed: ZERO)[0].architecture in space
    )


def test_a_finite_space_comes_to_an_end():
    space = SearchSpace({"a": Integer(0, 4)})
    proposals = optimizer_proposals(
        space, history_of(space.default()), 9, stream(0), lambda proposed: space.default()
    )
    assert {one.architecture["a"] for one in proposals} == {1, 2, 3, 4}
