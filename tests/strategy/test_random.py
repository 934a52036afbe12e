from collections import Counter

import pytest

from retia.errors import SpaceError
from retia.rng import stream
from retia.space import Categorical, Clause, Condition, Integer, Parameter, SearchSpace
from retia.strategy import Random
from retia.trial import History, Objective, Proposal, Trial

CUBE = SearchSpace({name: Categorical(("a", "b", "c", "d")) for name in "xyz"})
NESTED = SearchSpace(
    [
        Parameter("op", Categorical(("skip", "conv"))),
        Parameter("kernel", Integer(1, 3), Condition(((Clause("op", frozenset({"conv"})),),))),
    ]
)


def history_of(*architectures):
    return History(
        [Objective("score", "maximize")], trials=[Trial(i, one) for i, one in enumerate(architectures)]
    )


def test_it_exhausts_a_space_exactly():
    history = history_of()
    for number in range(64):
        (proposal,) = Random().propose(CUBE, history, 1, stream(0, number))
        assert proposal.architecture not in history
        history.record(Trial(number, proposal.architecture))
    assert history.architectures == set(CUBE.enumerate())
    assert Random().propose(CUBE, history, 1, stream(0, 64)) == []


def test_it_proposes_n_different_ones_and_fewer_at_the_end():
    proposals = Random().propose(CUBE, history_of(), 60, stream(3))
    assert len({one.architecture for one in proposals}) == 60
    rest = Random().propose(CUBE, history_of(*(one.architecture for one in proposals)), 10, stream(3))
    assert {one.architecture for one in rest} == set(CUBE.enumerate()) - {
        one.architecture for one in proposals
    }


def test_its_proposals_have_no_parent_and_full_fidelity():
    (proposal,) = Random().propose(CUBE, history_of(), 1, stream(0))
    assert proposal == Proposal(proposal.architecture, fidelity=None, parent=None)


@pytest.mark.parametrize(("uniform", "share"), [("choices", 1 / 2), ("architectures", 1 / 4)])
def test_it_is_uniform_over_choices_or_over_architectures(uniform, share):
    strategy = Random(uniform=uniform)
    drawn = Counter(
        strategy.propose(NESTED, history_of(), 1, stream(7, i))[0].architecture["op"] for i in range(2000)
    )
    assert drawn["skip"] / 2000 == pytest.approx(share, abs=0.035)  # three standard deviations


def test_by_architectures_it_exhausts_a_space_too():
    proposals = Random(uniform="architectures").propose(NESTED, history_of(), 10, stream(1))
    assert {one.architecture for one in proposals} == set(NESTED.enumerate())


def test_uniform_is_one_of_two():
    with pytest.raises(
        SpaceError, match=r"'uniform' of Random must be one of \['choices', 'architectures'\], got 'models'"
    ):
        Random(uniform="models")
