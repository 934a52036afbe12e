"""BOHB and its densities."""

import math
from statistics import median

import numpy as np
import pytest

from retia.errors import SpaceError
from retia.rng import stream
from retia.space import Categorical, Clause, Condition, Integer, Parameter, Real, SearchSpace, Subset
from retia.strategy import BOHB, Hyperband, ParzenModel, Random
from retia.strategy.sampling.flat_space import FlatSpace
from retia.strategy.sampling.kernel_density import KernelDensity, rows_of
from retia.trial import History, Objective, Trial

UP = (Objective("y", "maximize"),)


def density(space, *architectures):
    flat = FlatSpace(space)
    return flat, KernelDensity(flat, rows_of(flat, [space.validate(one) for one in architectures]))


# --- densities


def test_the_density_of_a_number_is_the_mean_of_normal_kernels():
    space = SearchSpace({"x": Real(0, 1)})
    flat, kernel = density(space, {"x": 0.2}, {"x": 0.6})
    width = 1.06 * 0.2 * 2 ** (-1 / 5)  # Scott: 1.06 sigma n^(-1 / (4 + d))
    assert kernel.bandwidths == pytest.approx([width])
    at = 0.3
    expected = (
        sum(math.exp(-0.5 * ((at - x) / width) ** 2) / (width * math.sqrt(2 * math.pi)) for x in (0.2, 0.6))
        / 2
    )
    assert kernel.log_density(rows_of(flat, [space.validate({"x": at})])) == pytest.approx(
        [math.log(expected)]
    )


def test_the_density_of_categories_is_that_of_aitchison_and_aitken():
    space = SearchSpace({"op": Categorical(("a", "b", "c"))})
    flat, kernel = density(space, *[{"op": "a"}] * 3, {"op": "b"})
    gini = (1 - (0.75**2 + 0.25**2)) / (1 - 1 / 3)
    width = 1.06 * math.sqrt(gini) * 4 ** (-1 / 5)
    assert kernel.bandwidths == pytest.approx([min(width, 2 / 3)])
    found = np.exp(kernel.log_density(rows_of(flat, list(space.enumerate()))))
    width = kernel.bandwidths[0]
    assert found == pytest.approx(
        [(3 * (1 - width) + width / 2) / 4, ((1 - width) + 3 * width / 2) / 4, width / 2]
    )
    assert found.sum() == pytest.approx(1)


def test_a_density_is_one_over_the_conditional_space():
    convolution = Condition(((Clause("op", frozenset({"conv"})),),))
    space = SearchSpace(
        [
            Parameter("op", Categorical(("skip", "conv"))),
            Parameter("kernel", Categorical((3, 5, 7)), convolution),
            Parameter("bias", Categorical((False, True)), convolution),
        ]
    )
    flat, kernel = density(
        space,
        {"op": "skip"},
        {"op": "conv", "kernel": 5, "bias": True},
        {"op": "conv", "kernel": 5, "bias": False},
    )
    everything = list(space.enumerate())
    found = dict(zip(everything, np.exp(kernel.log_density(rows_of(flat, everything))).tolist(), strict=True))
    assert sum(found.values()) == pytest.approx(1)
    drawn = [kernel.sample(stream(0, "draw", i), widening=1.0) for i in range(3000)]
    for architecture, share in found.items():
        assert drawn.count(architecture) / 3000 == pytest.approx(share, abs=0.035)


def test_all_alike_are_sampled_alike_but_for_a_little():
    space = SearchSpace(
        {
            "x": Real(0, 1),
            "op": Categorical(("a", "b")),
            "n": Integer(1, 8),
            "ops": Subset(("p", "q"), least=1),
        }
    )
    same = {"x": 1.0, "op": "b", "n": 8, "ops": ("q",)}
    _, kernel = density(space, same, same, same)
    drawn = [kernel.sample(stream(0, "draw", i), widening=3.0) for i in range(200)]
    assert all(one in space for one in drawn)
    assert sum(one["op"] == "b" and one["n"] == 8 and one["ops"] == ("q",) for one in drawn) > 190
    assert all(one["x"] > 0.98 for one in drawn)


# --- the model


def planted_space():
    return SearchSpace(
        {
            **{f"op{i}": Categorical(("a", "b", "c", "d", "e")) for i in range(6)},
            "x": Real(0, 1),
            "n": Integer(1, 16),
        }
    )


def planted(architecture, fidelity):
    """The share of what is as planted, with a noise that falls with the epochs."""
    right = (
        sum(architecture[f"op{i}"] == "bdacea"[i] for i in range(6))
        + (1 - abs(architecture["x"] - 0.7))
        + (1 - abs(architecture["n"] - 4) / 16)
    )
    noise = stream(0, "noise", architecture.key, int(fidelity)).normal() * 0.5
    return right / 8 + noise / fidelity


def best_after(strategy, epochs, seed, full=27):
    """Return the best at full fidelity after so many epochs; a promoted trial pays for the new ones."""
    space, history, spent, best = planted_space(), History(UP), 0.0, -math.inf
    while spent < epochs:
        (one,) = strategy.propose(space, history, 1, stream(seed, "propose", len(history)))
        trial = Trial(len(history), one.architecture, fidelity=one.fidelity, parent=one.parent)
        before = history.continued(trial)
        spent += (one.fidelity or full) - (0 if before is None else before.fidelity)
        history.record(
            trial.end("completed", at=1.0, metrics={"y": planted(one.architecture, one.fidelity or full)})
        )
        best = history.best.metrics["y"] if history.best.fidelity is None else best
    return best


def test_bohb_beats_random_search_and_hyperband_on_a_planted_problem():
    fidelities, epochs, seeds = (1, 3, 9, 27), 27 * 60, range(5)
    bohb = [best_after(BOHB(fidelities=fidelities), epochs, seed) for seed in seeds]
    hyperband = [best_after(Hyperband(Random(), fidelities=fidelities), epochs, seed) for seed in seeds]
    random = [best_after(Random(), epochs, seed) for seed in seeds]
    assert median(bohb) > median(hyperband) > median(random)
    assert median(bohb) > max(random)


def test_the_model_is_random_until_there_are_enough_trials():
    space, history = SearchSpace({"x": Real(0, 1), "y": Real(0, 1)}), History(UP)

    def spread():
        return float(
            np.std(
                [
                    ParzenModel(random=0.0).propose(space, history, 1, stream(i, "ask"))[0].architecture["x"]
                    for i in range(40)
                ]
            )
        )

    for number in range(30):
        if number == 4:
            assert spread() > 0.2  # d + 3 = 5 are enough
        architecture = space.sample(stream(0, "sample", number))
        history.record(Trial(number, architecture, "completed", {"y": -abs(architecture["x"] - 0.5)}))
    assert spread() < 0.2


def test_failed_trials_are_among_the_others():
    space, history = (
        SearchSpace({"op": Categorical(tuple("abcdefgh")), "n": Categorical(tuple(range(50)))}),
        History(UP),
    )
    for number in range(24):
        architecture = space.validate({"op": "ab"[number % 2], "n": number})
        trial = Trial(number, architecture)
        history.record(
            trial.end("failed", at=1.0, error="no")
            if number % 2
            else trial.end("completed", at=1.0, metrics={"y": 1.0})
        )
    chosen = [
        one.architecture["op"]
        for one in ParzenModel(random=0.0).propose(space, history, 30, np.random.default_rng(0))
    ]
    assert chosen.count("a") > 20
    assert chosen.count("b") <= 2


def test_restrictions_hold():
    space = SearchSpace({"a": Integer(1, 9), "b": Integer(1, 9)}).where(lambda one: one["a"] + one["b"] == 10)
    history = History(UP)
    for number, architecture in enumerate(list(space.enumerate())[:6]):
        history.record(Trial(number, architecture, "completed", {"y": float(architecture["a"])}))
    proposals = ParzenModel(random=0.0).propose(space, history, 9, np.random.default_rng(0))
    assert len(proposals) == 3
    assert all(one.architecture in space for one in proposals)


@pytest.mark.parametrize("name", ["share", "random"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_shares_are_shares(name, value):
    with pytest.raises(
        SpaceError, match=f"'{name}' of ParzenModel must be a number >= 0 and <= 1, got {value}"
    ):
        ParzenModel(**{name: value})


@pytest.mark.parametrize("settings", [{"candidates": 0}, {"widening": 0.0}])
def test_sampling_needs_candidates_and_a_width(settings):
    with pytest.raises(SpaceError, match=f"'{next(iter(settings))}' of ParzenModel must be"):
        ParzenModel(**settings)
