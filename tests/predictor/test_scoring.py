import numpy as np
import pytest

from retia.errors import SpaceError
from retia.predictor import GaussianProcess, Score, cross_validate, score
from retia.rng import stream
from retia.space import Categorical, SearchSpace

SPACE = SearchSpace({f"op{i}": Categorical(tuple("abc")) for i in range(4)})
EVERY = list(SPACE.enumerate())
LOSSES = [float(sum("abc".index(value) for value in one.values())) for one in EVERY]


class Says:
    """Predicts a function of what is asked, whatever it has been told."""

    def __init__(self, loss):
        self.loss = loss
        self.told = []

    def fit(self, space, architectures, losses, rng):
        self.told.append((architectures, losses))
        return self

    def predict(self, architectures):
        return np.array([self.loss(one) for one in architectures]), np.ones(len(architectures))


TRUTH = dict(zip(EVERY, LOSSES, strict=True))


def test_the_right_order_scores_1_the_opposite_minus_1_and_none_0():
    both = ((EVERY[:40], LOSSES[:40]), (EVERY[40:], LOSSES[40:]))
    assert score(Says(lambda one: TRUTH[one] ** 3), SPACE, *both) == Score(pytest.approx(1), pytest.approx(1))
    assert score(Says(lambda one: -TRUTH[one]), SPACE, *both) == Score(pytest.approx(-1), pytest.approx(-1))
    assert score(Says(lambda one: 0.0), SPACE, *both) == Score(0.0, 0.0)


def test_the_correlations_are_those_of_the_books():
    order = dict(zip(EVERY[:5], [1, 2, 3, 5, 4], strict=True))
    found = score(Says(order.get), SPACE, (EVERY[5:9], LOSSES[5:9]), (EVERY[:5], [1, 2, 3, 4, 5]))
    assert found.kendall == pytest.approx(0.8)  # one of ten pairs is wrong: (9 - 1) / 10
    assert found.spearman == pytest.approx(0.9)  # 1 - 6 * 2 / (5 * 24)
    assert str(found) == "Kendall's tau 0.800, Spearman's rho 0.900"


def test_every_architecture_is_predicted_once_by_what_has_not_seen_it():
    asked = []
    says = Says(lambda one: asked.append(one) or TRUTH[one])
    assert cross_validate(says, SPACE, EVERY, LOSSES, folds=4).spearman == pytest.approx(1)
    assert sorted(asked, key=EVERY.index) == EVERY
    assert [len(architectures) for architectures, _ in says.told] == [60, 61, 61, 61]


def test_a_predictor_that_learns_scores_well():
    some = [EVERY[i] for i in stream(0).permutation(81)[:40]]
    assert cross_validate(GaussianProcess(), SPACE, some, [TRUTH[one] for one in some]).spearman > 0.9


def test_there_is_a_loss_for_each_architecture():
    with pytest.raises(
        SpaceError, match="at least two architectures to learn from .*, got 3 architectures and 2 losses"
    ):
        score(GaussianProcess(), SPACE, (EVERY[:3], LOSSES[:2]), (EVERY[:3], LOSSES[:3]))
    with pytest.raises(
        SpaceError, match="at least two architectures to rank .*, got 1 architectures and 1 losses"
    ):
        score(GaussianProcess(), SPACE, (EVERY[:3], LOSSES[:3]), (EVERY[:1], LOSSES[:1]))
    with pytest.raises(SpaceError, match="at least two folds with two architectures each, got folds=5 and 9"):
        cross_validate(GaussianProcess(), SPACE, EVERY[:9], LOSSES[:9])
