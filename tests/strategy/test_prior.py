from collections import Counter

import numpy as np
import pytest

from retia.errors import SpaceError
from retia.rng import stream
from retia.space import Categorical, Clause, Condition, Integer, Parameter, Real, SearchSpace, Subset
from retia.strategy import LocalSearch, Prior, Random, RegularizedEvolution
from retia.study import Study, architecture_evaluator
from retia.trial import History, Objective, Trial

HISTORY = History([Objective("score", "maximize")])
OPS = SearchSpace({"op": Categorical(("conv", "pool", "skip")), "width": Integer(0, 9999)})


def shares(strategy, label, space=OPS, history=HISTORY, draws=1500):
    drawn = Counter(
        strategy.propose(space, history, 1, stream(1, i))[0].architecture.get(label) for i in range(draws)
    )
    return {value: count / draws for value, count in drawn.items()}


def importance_resampled(weights, candidates, draws=200_000):
    """What drawing one of some uniform candidates by their weights comes to."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(weights), size=(draws, candidates))
    chosen = np.argmax(np.log(np.array(weights))[drawn] + rng.gumbel(size=drawn.shape), axis=1)
    return np.bincount(drawn[np.arange(draws), chosen], minlength=len(weights)) / draws


def test_over_random_it_draws_by_the_weights():
    got = shares(Prior(Random(), {"op": {"conv": 6, "skip": 2}}, candidates=30), "op")
    expected = importance_resampled([6, 1, 2], 30)
    assert expected == pytest.approx([6 / 9, 1 / 9, 2 / 9], abs=0.02)
    assert [got[op] for op in ("conv", "pool", "skip")] == [
        pytest.approx(share, abs=0.04) for share in expected
    ]


def test_few_candidates_bound_what_a_prior_can_do():
    got = shares(Prior(Random(), {"op": {"conv": 1e9}}, candidates=2), "op")
    assert got["conv"] == pytest.approx(1 - (2 / 3) ** 2, abs=0.04)


def test_patterns_functions_and_subsets():
    space = SearchSpace(
        {
            "a/k": Integer(1, 3),
            "b/k": Integer(1, 3),
            "lr": Real(0.0, 1.0),
            "in": Subset(("x", "y", "z"), least=1, most=1),
        }
    )
    strategy = Prior(
        Random(),
        {"*/k": {3: 1e6}, "lr": lambda value: 1e3 if value > 0.5 else 1, "in": {"z": 1e4}},
        candidates=400,
    )
    architectures = [strategy.propose(space, HISTORY, 1, stream(2, i))[0].architecture for i in range(20)]
    assert {(one["a/k"], one["b/k"], one["lr"] > 0.5, one["in"]) for one in architectures} == {
        (3, 3, True, ("z",))
    }


def test_weights_are_relative_to_their_mean_so_that_more_choices_weigh_no_more():
    conv = Condition(((Clause("op", frozenset({"conv"})),),))
    space = SearchSpace(
        [
            Parameter("op", Categorical(("skip", "conv"))),
            Parameter("kernel", Integer(1, 500), conv),
            Parameter("lr", Real(0, 1)),
        ]
    )
    assert shares(Prior(Random(), {"kernel": lambda value: 50.0}), "op", space)["conv"] == pytest.approx(
        0.5, abs=0.05
    )


def test_it_fades():
    history = History(
        [Objective("score", "maximize")],
        trials=[Trial(i, OPS.validate({"op": "skip", "width": i})) for i in range(30)],
    )
    weights = {"op": {"conv": 8}}
    halved = shares(Prior(Random(), weights, candidates=30, fade=30), "op", history=history)
    assert halved["conv"] == pytest.approx(importance_resampled([8**0.5, 1, 1], 30)[0], abs=0.04)


def test_what_is_known_is_no_candidate():
    space = SearchSpace({"op": Categorical(("conv", "pool", "skip"))})
    study = Study(space, architecture_evaluator(lambda one: {"score": 0.0}), maximize="score")
    assert study.run(Prior(Random(), {"op": {"conv": 9}}), trials=9) == "search space exhausted"
    assert len(study.trials) == 3


@pytest.mark.parametrize(
    "strategy", [RegularizedEvolution(10, 3), LocalSearch()], ids=lambda one: type(one).__name__
)
def test_a_good_prior_helps_every_strategy(strategy):
    space = SearchSpace({f"op{i}": Categorical(tuple("abcde")) for i in range(8)})
    evaluator = architecture_evaluator(
        lambda one: {"score": float(sum(value == "c" for value in one.values()))}
    )

    def mean_score(strategy, seed):
        study = Study(space, evaluator, maximize="score", seed=seed)
        study.run(strategy, trials=40)
        return np.mean([trial.metrics["score"] for trial in study.trials])

    for seed in range(2):
        assert mean_score(Prior(strategy, {"op*": {"c": 5}}), seed) > mean_score(strategy, seed) + 0.5


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (
            {"ops": {}},
            r"A prior has weights for 'ops', which matches no parameter of the space.*: \['op', 'width'\]",
        ),
        ({"op": {"dil": 2}}, "A prior has a weight for 'dil' of 'op', which takes {conv, pool, skip}"),
        (
            {"op": {"conv": 0}},
            "A weight must be a positive number, got 0 for 'conv' of 'op'. To exclude a value restrict the space",
        ),
        ({"op": {"conv": float("nan")}}, "A weight must be a positive number, got nan"),
        ({"width": lambda value: -1.0}, "A weight must be a positive number, got -1.0 for"),
    ],
)
def test_weights_that_cannot_be(weights, says):
    with pytest.raises(SpaceError, match=says):
        Prior(Random(), weights).propose(OPS, HISTORY, 1, stream(0))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"candidates": 1}, "'candidates' of Prior must be an integer of at least 2, got 1"),
        ({"fade": 0}, "'fade' of Prior must be a number > 0, got 0"),
    ],
)
def test_arguments_out_of_range(arguments, says):
    with pytest.raises(SpaceError, match=says):
        Prior(Random(), {}, **arguments)
