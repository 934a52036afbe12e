import math
import re

import numpy as np
import pytest
import torch

from retia.errors import SpaceError
from retia.predictor import PPO, Reinforce
from retia.predictor.policy.decisions import decisions_of
from retia.predictor.policy.network import Policy
from retia.predictor.policy.search import _rewards
from retia.rng import stream
from retia.space import Categorical, Clause, Condition, Integer, Parameter, Real, SearchSpace, Subset
from retia.study import Study, architecture_evaluator
from retia.trial import Constraint, History, Objective, Trial

CONVOLUTION = Condition(((Clause("op", frozenset({"conv"})),),))
SPACE = SearchSpace(
    [
        Parameter("depth", Integer(1, 3)),
        Parameter("fixed", Categorical((8,))),
        Parameter("op", Categorical(("skip", "conv"))),
        Parameter("kernel", Categorical((3, 5, 7)), CONVOLUTION),
        Parameter("bias", Categorical((False, True)), CONVOLUTION),
        Parameter("tail", Categorical(("x", "y"))),
    ]
)
WORDS = SearchSpace({f"op{i}": Categorical(tuple("abcde")) for i in range(4)})


def policy_of(space, seed=0, scale=1.0):
    policy = Policy(space, 16, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for weight in policy.weights:
            weight *= scale
    return policy


def test_the_probabilities_of_all_architectures_sum_to_one():
    """Also where parameters are conditional: what is not active has no part in it."""
    policy = policy_of(SPACE, scale=20)
    log_probability, _ = policy.score(policy.decide(list(SPACE.enumerate())))
    assert log_probability.exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert log_probability.std() > 0.5


def test_it_draws_as_often_as_it_says():
    policy = policy_of(SPACE, scale=20)
    every = list(SPACE.enumerate())
    probabilities = policy.score(policy.decide(every))[0].exp().tolist()
    drawn = policy.sample(20_000, stream(0))
    counts = np.array([drawn.count(one) for one in every])
    assert counts.sum() == 20_000
    assert counts / 20_000 == pytest.approx(probabilities, abs=0.015)


def test_a_fresh_policy_is_almost_uniform_and_its_entropy_is_that_of_its_decisions():
    policy = policy_of(SPACE)
    short, long = ({"depth": 1, "fixed": 8, "op": op, "tail": "x"} for op in ("skip", "conv"))
    log_probability, entropy = policy.score(policy.decide([short, {**long, "kernel": 3, "bias": False}]))
    assert log_probability.tolist() == pytest.approx([-math.log(12), -math.log(72)], abs=0.1)
    assert entropy.tolist() == pytest.approx([math.log(12), math.log(72)], abs=0.01)


def test_options_are_those_of_the_space():
    assert policy_of(SPACE).decide(
        [{"depth": 3, "fixed": 8, "op": "conv", "kernel": 5, "bias": True, "tail": "x"}]
    ).tolist() == [[2, 0, 1, 1, 1, 0]]
    assert policy_of(SPACE).decide([{"depth": 1, "fixed": 8, "op": "skip", "tail": "y"}]).tolist() == [
        [0, 0, 0, -1, -1, 1]
    ]


def test_scales_are_divided_into_parts():
    space = SearchSpace(
        {
            "rate": Real(1e-4, 1, log=True),
            "width": Integer(1, 1000),
            "parts": Subset(tuple("abc"), least=1),
            "few": Integer(2, 8, step=2),
        }
    )
    rate, width, parts, few = decisions_of(space)
    assert [one.options for one in (rate, width, parts, few)] == [16, 16, 7, 4]
    assert [one.first for one in (rate, width, parts, few)] == [0, 16, 32, 39]
    assert (rate.option(1e-4), rate.option(1e-2), rate.option(1.0)) == (0, 8, 15)
    assert few.value(2, stream(0)) == 6
    for option in range(16):
        assert rate.option(rate.value(option, stream(0, option))) == option
        assert abs(width.option(width.value(option, stream(0, option))) - option) <= 1
    assert all(one in space for one in policy_of(space).sample(20, stream(0)))


def test_too_many_subsets_are_refused():
    with pytest.raises(
        SpaceError, match=re.escape("at most 4,096 subsets of a parameter, and 'parts' has 8,192")
    ):
        Reinforce().propose(
            SearchSpace({"parts": Subset(tuple(range(13)))}),
            History([Objective("score", "maximize")]),
            1,
            stream(0),
        )


# --- learning

STRATEGIES = {"Reinforce": Reinforce, "PPO": PPO}
each = pytest.mark.parametrize("make", STRATEGIES.values(), ids=STRATEGIES)


@architecture_evaluator
def matches(architecture):
    return {
        "score": sum(value == letter for value, letter in zip(architecture.values(), "cabe", strict=True))
    }


def taught(count, *, metric=lambda one: float(one["op0"] == "c"), constraints=(), failing=lambda one: False):
    history = History([Objective("score", "maximize")], constraints)
    for number in range(count):
        one = WORDS.sample(stream(7, number))
        trial = Trial(number, one)
        metrics = {"score": metric(one), "size": float("abcde".index(one["op1"]))}
        history.record(
            trial.end("failed", at=1, error="boom")
            if failing(one)
            else trial.end("completed", at=1, metrics=metrics)
        )
    return history


def share(strategy, history, holds):
    return np.mean([holds(one) for one in strategy.learn(WORDS, history).sample(500, stream(0))])


@each
def test_what_is_rewarded_becomes_more_probable(make):
    assert share(make(), taught(0), lambda one: one["op0"] == "c") == pytest.approx(0.2, abs=0.06)
    assert share(make(), taught(200), lambda one: one["op0"] == "c") > 0.6


@each
def test_what_fails_or_is_infeasible_becomes_less_probable(make):
    fails = taught(200, metric=lambda one: 0.0, failing=lambda one: one["op0"] == "c")
    assert share(make(), fails, lambda one: one["op0"] == "c") < 0.1
    large = taught(200, metric=lambda one: 0.0, constraints=[Constraint("size", upper=1)])
    assert share(make(), large, lambda one: one["op1"] in "ab") > 0.7


@each
def test_entropy_holds_it_back(make):
    free, held = (
        share(make(entropy=entropy), taught(200), lambda one: one["op0"] == "c") for entropy in (0.0, 3.0)
    )
    assert held < free - 0.2


@each
def test_a_batch_is_learnt_from_when_all_of_it_have_ended(make):
    strategy, history = make(batch=4), taught(4)
    history.record(Trial(4, WORDS.sample(stream(7, 4))))
    for number in (5, 6, 7):
        history.record(
            Trial(number, WORDS.sample(stream(7, number))).end("completed", at=1, metrics={"score": 1.0})
        )
    strategy.propose(WORDS, history, 1, stream(0))
    assert len(strategy._learnt) == 4
    history.record(history[4].end("completed", at=2, metrics={"score": 0.0}))
    strategy.propose(WORDS, history, 1, stream(0))
    assert len(strategy._learnt) == 8


def test_of_two_objectives_the_front_is_rewarded_before_what_it_dominates():
    history = History([Objective("a", "minimize"), Objective("b", "minimize")])
    for number, (a, b) in enumerate([(3, 3), (0, 2), (2, 0), (4, 4)]):
        history.record(
            Trial(number, WORDS.sample(stream(7, number))).end(
                "completed", at=1, metrics={"a": float(a), "b": float(b)}
            )
        )
    history.record(Trial(4, WORDS.sample(stream(7, 4))).end("failed", at=1, error="boom"))
    rewards = _rewards(history, list(history))
    assert np.argsort(-rewards).tolist() == [1, 2, 0, 3, 4]
    assert rewards.sum() == pytest.approx(0)


@each
def test_it_proposes_nothing_twice_though_it_is_sure(make):
    strategy, history = make(), taught(200)
    proposals = strategy.propose(WORDS, history, 10, stream(0))
    assert len({one.architecture for one in proposals} - history.architectures) == 10


@each
def test_it_finds_the_optimum_of_a_smooth_landscape_where_chance_does_not(make):
    """Of 625 architectures; by chance 150 trials find it once in four studies."""
    found = 0
    for seed in range(3):
        study = Study(WORDS, matches, maximize="score", seed=seed)
        study.run(make(), trials=150)
        found += study.best.metrics["score"] == 4
    assert found == 3


def test_ppo_keeps_near_to_the_policy_before():
    """Once the ratio is beyond the clip, further steps on a batch change nothing."""
    history = taught(20)
    near, far = (
        share(PPO(epochs=40, clip=clip, entropy=0.0), history, lambda one: one["op0"] == "c")
        for clip in (0.05, 1e3)
    )
    assert near < far


@pytest.mark.parametrize(
    ("make", "arguments", "says"),
    [
        (Reinforce, {"batch": 0}, "'batch' of Reinforce must be an integer of at least 1, got 0"),
        (
            Reinforce,
            {"decay": 1.0},
            "'decay' of Reinforce must be a number >= 0 and < 1, got 1.0",
        ),
        (PPO, {"clip": 0.0}, "'clip' of PPO must be a number > 0, got 0.0"),
        (PPO, {"entropy": -1.0}, "'entropy' of PPO must be a number >= 0, got -1.0"),
    ],
)
def test_arguments_are_checked(make, arguments, says):
    with pytest.raises(SpaceError, match=f"(?s){says}"):
        make(**arguments)
