import math

import numpy as np
import pytest

from retia.errors import SpaceError, StudyError
from retia.rng import stream
from retia.space import Categorical, Integer, SearchSpace
from retia.strategy import Listed, Random, RegularizedEvolution, Screened
from retia.study import Study, architecture_evaluator
from retia.trial import History, Objective

SPACE = SearchSpace({"a": Integer(0, 999)})
HISTORY = History([Objective("score", "maximize")])


def identity(architecture):
    return float(architecture["a"])


def test_the_best_of_ten_are_kept():
    asked = Random().propose(SPACE, HISTORY, 20, stream(0))
    best = sorted((one.architecture["a"] for one in asked), reverse=True)[:2]
    assert [
        one.architecture["a"] for one in Screened(Random(), identity).propose(SPACE, HISTORY, 2, stream(0))
    ] == best


def test_the_best_of_k_uniform_draws_is_at_k_by_k_plus_one():
    drawn = [
        Screened(Random(), identity, keep=0.25).propose(SPACE, HISTORY, 1, stream(0, i))[0].architecture["a"]
        for i in range(500)
    ]
    assert np.mean(drawn) / 999 == pytest.approx(4 / 5, abs=0.03)


def test_ties_and_nan():
    listed = Listed([{"a": 1}, {"a": 2}, {"a": 3}])
    scores = {1: math.nan, 2: 0.0, 3: 0.0}
    proposals = Screened(listed, lambda architecture: scores[architecture["a"]], keep=1).propose(
        SPACE, HISTORY, 3, stream(0)
    )
    assert [one.architecture["a"] for one in proposals] == [2, 3, 1]


def test_each_architecture_is_scored_once():
    space, asked = SearchSpace({"a": Integer(0, 9)}), []

    def score(architecture):
        asked.append(architecture["a"])
        return 0.0

    study = Study(space, architecture_evaluator(lambda architecture: {"score": 0.0}), maximize="score")
    assert study.run(Screened(Random(), score), trials=100) == "search space exhausted"
    assert sorted(asked) == list(range(1, 10))


def test_a_score_that_is_true_makes_a_search_quicker():
    """With the true score of ten candidates each, evolution needs fewer trials."""
    space = SearchSpace({f"op{i}": Categorical(tuple("abcde")) for i in range(8)})

    def ones(architecture):
        return sum(value == "a" for value in architecture.values())

    def trials(strategy, seed):
        baseline = dict.fromkeys(space.parameters, "e")
        study = Study(
            space,
            architecture_evaluator(lambda one: {"score": float(ones(one))}),
            maximize="score",
            seed=seed,
            baseline=baseline,
        )
        study.run(strategy, trials=250)
        return next((trial.number for trial in study.trials if trial.metrics["score"] == 8), 999)

    evolution = RegularizedEvolution(10, 3)
    assert (
        np.median([trials(Screened(evolution, ones), seed) for seed in range(3)])
        < 25
        < np.median([trials(evolution, seed) for seed in range(3)])
    )


def test_what_the_score_raises_is_raised():
    def score(architecture):
        raise ArithmeticError("no batch")

    with pytest.raises(ArithmeticError, match="no batch"):
        Screened(Random(), score).propose(SPACE, HISTORY, 1, stream(0))


@pytest.mark.parametrize("returned", [None, "high", {"params": 3}])
def test_a_score_is_a_number(returned):
    with pytest.raises(
        StudyError,
        match=r"The score of Screened must be a number, got .* for \{'a': \d+\}\. Return a number",
    ):
        Screened(Random(), lambda architecture: returned).propose(SPACE, HISTORY, 1, stream(0))


@pytest.mark.parametrize("keep", [0, -0.1, 1.1, 10])
def test_keep_is_a_share(keep):
    with pytest.raises(
        SpaceError,
        match=f"'keep' of Screened must be a number > 0 and <= 1, got {keep}",
    ):
        Screened(Random(), identity, keep=keep)
