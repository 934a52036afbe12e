"""TPE, OptunaGP and CMAES: what they learn, and that they serve every kind of space."""

import logging
import subprocess
import sys
from collections import Counter

import numpy as np
import optuna
import pytest

from retia.errors import SpaceError
from retia.rng import stream
from retia.space import Categorical, Clause, Condition, Integer, Parameter, Real, SearchSpace, Subset
from retia.strategy import CMAES, TPE, OptunaGP
from retia.strategy.optuna import history as optuna_history
from retia.study import Study, architecture_evaluator
from retia.trial import STOPPED_STEP, Constraint, History, Objective, Trial

ALL = {"TPE": TPE, "OptunaGP": OptunaGP, "CMAES": CMAES}
CONV = Condition(((Clause("op", frozenset({"conv"})),),))
MIXED = SearchSpace(
    [
        Parameter("op", Categorical(("skip", "conv", "pool"))),
        Parameter("kernel", Integer(1, 7, step=2), CONV),
        Parameter("width", Integer(8, 128, log=True), CONV),
        Parameter("lr", Real(1e-4, 1e-1, log=True)),
        Parameter("inputs", Subset(("a", "b", "c", "d"), least=1, most=2)),
        Parameter("bias", Categorical((True,))),
    ]
).where(
    lambda architecture: architecture["op"] != "pool" or "a" not in architecture["inputs"], "no pool of a"
)


def quality(architecture):
    """Best at a convolution of width 32 and kernel 5, a learning rate of 0.01, and the inputs b and c."""
    value = -abs(np.log10(architecture["lr"]) + 2) + len({"b", "c"} & set(architecture["inputs"]))
    if architecture["op"] == "conv":
        value += 3 - abs(np.log2(architecture["width"]) - 5) - abs(architecture["kernel"] - 5) / 2
    return float(value)


def history_of(space, score, count, seed=0, *, objectives=(Objective("score", "maximize"),), constraints=()):
    history, rng = History(objectives, constraints), stream(seed)
    while len(history) < count:
        architecture = space.sample(rng)
        if architecture not in history:
            history.record(
                Trial(len(history), architecture).end("completed", at=1, metrics=score(architecture))
            )
    return history


def proposed(strategy, space, history, draws=12):
    return [strategy.propose(space, history, 1, stream(7, i))[0].architecture for i in range(draws)]


@pytest.mark.parametrize(
    ("make", "draws", "gain"), [(TPE, 20, 1.5), (OptunaGP, 4, 1.5), (CMAES, 100, 0.4)], ids=ALL
)
def test_conditions_subsets_integers_reals_and_restrictions(make, draws, gain):
    history = history_of(MIXED, lambda one: {"score": quality(one)}, 60)
    architectures = proposed(make(), MIXED, history, draws)
    assert all(one in MIXED for one in architectures)
    chance = np.mean([quality(trial.architecture) for trial in history])
    assert np.mean([quality(one) for one in architectures]) > chance + gain


@pytest.mark.parametrize("make", [TPE, CMAES], ids=["TPE", "CMAES"])
def test_it_finds_nearly_the_optimum_of_a_mixed_space(make):
    """The optimum is 5; the best of 150 random architectures is 3.7 on average."""
    study = Study(
        MIXED, architecture_evaluator(lambda one: {"score": quality(one)}), maximize="score", seed=1
    )
    assert study.run(make(), trials=150) == "trials done"
    assert study.best.metrics["score"] > 4.2
    assert len({trial.architecture for trial in study.trials}) == 150


def test_gp_finds_the_optimum_of_a_smooth_function_in_few_trials():
    space = SearchSpace({"x": Real(0.0, 1.0), "y": Real(0.0, 1.0), "op": Categorical(("bad", "good"))})
    evaluator = architecture_evaluator(
        lambda one: {"loss": (one["x"] - 0.3) ** 2 + (one["y"] - 0.6) ** 2 + (one["op"] == "bad")}
    )
    study = Study(space, evaluator, minimize="loss")
    study.run(OptunaGP(startup=8), trials=18)
    assert study.best.metrics["loss"] < 1e-3  # the best of 18 random ones is about 0.03


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_what_it_keeps_is_only_a_cache_in_a_mixed_space_with_late_trials(make):
    full = history_of(MIXED, lambda one: {"score": quality(one)}, 24)
    late, strategy = History(full.objectives), make()
    for trial in full:
        late.record(Trial(trial.number, trial.architecture))
    for number in np.random.default_rng(0).permutation(24).tolist():
        late.record(full[number])
        if number % 12 == 0:
            strategy.propose(MIXED, late, 1, stream(0, number))
    assert strategy.propose(MIXED, late, 1, stream(3)) == make().propose(MIXED, full, 1, stream(3))


@pytest.mark.parametrize(("make", "draws"), [(TPE, 20), (OptunaGP, 1)], ids=["TPE", "OptunaGP"])
def test_constraints_are_learnt(make, draws):
    """The score grows with x and must, but the bound on the cost forbids all of the upper half."""
    space = SearchSpace({"x": Integer(0, 199), "y": Categorical((0, 1))})
    history = history_of(
        space,
        lambda one: {"score": one["x"], "cost": one["x"]},
        40,
        constraints=[Constraint("cost", upper=100)],
    )
    xs = [one["x"] for one in proposed(make(), space, history, draws)]
    assert np.mean(xs) == pytest.approx(90, abs=20)


def test_what_was_rejected_before_it_was_evaluated_teaches_tpe():
    space = SearchSpace({f"op{i}": Categorical(tuple("abc")) for i in range(5)})
    history = History([Objective("score", "maximize")], [Constraint("cost", upper=1)])
    rng = stream(0)
    while len(history) < 60:
        architecture = space.sample(rng)
        cost, trial = sum(value == "c" for value in architecture.values()), Trial(len(history), architecture)
        if architecture not in history:
            state, metrics = (
                ("infeasible", {"cost": cost}) if cost > 1 else ("completed", {"cost": cost, "score": 0.0})
            )
            history.record(trial.end(state, at=1, metrics=metrics))
    costs = [sum(value == "c" for value in one.values()) for one in proposed(TPE(), space, history, 60)]
    assert np.mean(costs) < 1.4  # by chance it is 5/3


@pytest.mark.parametrize("objectives", [1, 2])
def test_what_was_stopped_early_is_no_better_than_what_went_to_the_end(objectives):
    """The stopped trials have the better scores, but of an early step."""
    space = SearchSpace({"op": Categorical(("stopped", "whole")), "x": Integer(0, 9999)})
    history = History([Objective(f"score{i}", "maximize") for i in range(objectives)])
    for number in range(60):
        stopped = number % 2
        metrics = {f"score{i}": 0.9 if stopped else 0.1 for i in range(objectives)} | (
            {STOPPED_STEP: 1} if stopped else {}
        )
        architecture = space.validate({"op": "stopped" if stopped else "whole", "x": number})
        history.record(Trial(number, architecture).end("completed", at=1, metrics=metrics))
    ops = Counter(one["op"] for one in proposed(TPE(), space, history, 20))
    assert ops["whole"] >= 15


@pytest.mark.parametrize(("make", "draws"), [(TPE, 20), (OptunaGP, 2), (CMAES, 60)], ids=ALL)
def test_several_objectives(make, draws):
    """The front is where all but the first are 0."""
    space = SearchSpace({f"x{i}": Integer(0, 9) for i in range(3)})
    both = (Objective("up", "maximize"), Objective("down", "minimize"))
    history = history_of(
        space,
        lambda one: {"up": one["x0"] - one["x1"] - one["x2"], "down": one["x0"] + one["x1"] + one["x2"]},
        60,
        objectives=both,
    )
    distances = [one["x1"] + one["x2"] for one in proposed(make(), space, history, draws)]
    assert np.mean(distances) < 6.5  # by chance it is 9


@pytest.mark.parametrize("make", [TPE, OptunaGP], ids=["TPE", "OptunaGP"])
def test_at_once_it_proposes_different_ones(make):
    history = history_of(MIXED, lambda one: {"score": quality(one)}, 20)
    assert len({one.architecture for one in make().propose(MIXED, history, 2, stream(0))}) == 2


def test_tpe_sees_the_newest_trials_and_the_best():
    """The first trials say that a is good, hundreds of later ones say nothing; a memory without the best
    forgets.
    """
    space = SearchSpace({"op": Categorical(tuple("abcdefgh")), "x": Integer(0, 9999)})
    history, rng = History([Objective("score", "maximize")]), stream(0)
    for number in range(400):
        architecture = space.validate(
            {"op": "a" if number < 30 else "bcdefgh"[int(rng.integers(7))], "x": number}
        )
        history.record(
            Trial(number, architecture).end(
                "completed", at=1, metrics={"score": 1.0 if number < 30 else rng.random() / 2}
            )
        )
    ops = Counter(one["op"] for one in proposed(TPE(memory=50), space, history, 20))
    assert ops["a"] >= 15


def test_optuna_says_nothing_and_its_settings_stay(capfd):
    before = optuna.logging.get_verbosity()
    history = history_of(MIXED, lambda one: {"score": quality(one)}, 12)
    for make in (TPE, OptunaGP):
        make().propose(MIXED, history, 1, stream(0))
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == before
    assert logging.getLogger("optuna").handlers


def test_neither_optuna_nor_torch_is_imported_before_it_is_used():
    code = (
        "import sys; from retia.strategy import CMAES, OptunaGP, TPE; TPE(); OptunaGP(); CMAES(); "
        "assert not {'optuna', 'cmaes', 'torch'} & sys.modules.keys(), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_cma_es_gathers_numbers_around_the_optimum():
    space = SearchSpace({name: Real(0.0, 1.0) for name in "xyz"})
    evaluator = architecture_evaluator(
        lambda one: {"loss": sum((value - 0.8) ** 2 for value in one.values())}
    )
    study = Study(space, evaluator, minimize="loss")
    study.run(CMAES(), trials=200)
    assert study.best.metrics["loss"] < 1e-4  # the best of 200 random ones is about 0.01


def test_cma_es_shifts_to_better_categories():
    space = SearchSpace({f"op{i}": Categorical(tuple("abcd")) for i in range(8)})
    history = history_of(space, lambda one: {"score": sum(value == "c" for value in one.values())}, 150)
    share = np.mean(
        [list(one.values()).count("c") / 8 for one in proposed(CMAES(population=10), space, history, 30)]
    )
    assert share > 0.4  # it began with 0.25


@pytest.mark.parametrize(
    ("make", "arguments", "says"),
    [
        (TPE, {"startup": 0}, "'startup' of TPE must be an integer of at least 1, got 0"),
        (TPE, {"candidates": 2.5}, "'candidates' of TPE must be an integer of at least 1, got 2.5"),
        (OptunaGP, {"memory": 0}, "'memory' of OptunaGP must be an integer of at least 1, got 0"),
        (CMAES, {"population": 1}, "'population' of CMAES must be an integer of at least 2, got 1"),
    ],
)
def test_arguments_out_of_range(make, arguments, says):
    with pytest.raises(SpaceError, match=says):
        make(**arguments)


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("objectives", [1, 2])
def test_the_quick_way_to_ask_optuna_proposes_what_optuna_itself_does(monkeypatch, objectives, bounded):
    """Without what is overridden of its sampler and of its trials."""
    both = (Objective("up", "maximize"), Objective("down", "minimize"))[:objectives]
    constraints = [Constraint("down", upper=3)] if bounded else []
    history = history_of(
        MIXED,
        lambda one: {"up": quality(one), "down": one["lr"] * 50},
        60,
        objectives=both,
        constraints=constraints,
    )
    quick = TPE(memory=30).propose(MIXED, history, 3, stream(0))
    monkeypatch.setattr(optuna_history, "_Frozen", optuna.trial.FrozenTrial)
    monkeypatch.delattr(optuna_history.Parzen, "_get_internal_repr")
    assert TPE(memory=30).propose(MIXED, history, 3, stream(0)) == quick
