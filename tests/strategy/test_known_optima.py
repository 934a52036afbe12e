"""Every strategy finds the optimum that is known."""

import numpy as np
import pytest

from retia.space import Categorical, SearchSpace
from retia.strategy import CMAES, NSGA2, TPE, GridSearch, LocalSearch, Random, RegularizedEvolution
from retia.study import Study, architecture_evaluator
from retia.trial import hypervolume, nondominated

SMALL = SearchSpace({name: Categorical(tuple("abcd")) for name in "xyz"})
LARGE = SearchSpace({f"op{i}": Categorical(tuple("abcde")) for i in range(6)})


@architecture_evaluator
def matches(architecture):
    """1 for every parameter that spells "cabbed", as far as there are any."""
    return {
        "score": sum(value == letter for value, letter in zip(architecture.values(), "cabbed", strict=False))
    }


@pytest.mark.parametrize(
    "strategy",
    [GridSearch(), Random(), RegularizedEvolution(10, 3), LocalSearch(), NSGA2(population=6), CMAES(), TPE()],
    ids=lambda one: type(one).__name__,
)
def test_the_optimum_of_a_small_table_is_found(strategy):
    study = Study(SMALL, matches, maximize="score")
    study.run(strategy, trials=64)
    assert study.best.architecture == {"x": "c", "y": "a", "z": "b"}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "strategy",
    [RegularizedEvolution(20, 5), LocalSearch(), NSGA2(), CMAES(), TPE()],
    ids=lambda one: type(one).__name__,
)
def test_a_climber_finds_the_optimum_of_a_smooth_landscape_where_chance_does_not(strategy, seed):
    """Of 15,625 architectures random search finds the one with probability 0.02 in 300 trials."""
    study = Study(LARGE, matches, maximize="score", seed=seed)
    study.run(strategy, trials=300)
    assert "".join(study.best.architecture.values()) == "cabbed"


@pytest.fixture(scope="module")
def cells(shared_data):
    """NAS-Bench-201: the validation accuracy of every cell on CIFAR-10 after 200 epochs, by its six
    operations.
    """
    path = shared_data / "nasbench201" / "nb201.npz"
    if not path.exists():
        pytest.skip(f"needs the table of NAS-Bench-201, and there is no {path}")
    with np.load(path, allow_pickle=False) as table:
        accuracies = table["c10valid_200ep_valid_accuracy"].astype(float)
        return dict(zip(map(tuple, table["ops"].tolist()), accuracies.tolist(), strict=True))


CELL = SearchSpace({f"edge{i}": Categorical(tuple(range(5))) for i in range(6)})


def search(cells, strategy, trials, seed):
    @architecture_evaluator
    def accuracy(architecture):
        return {"accuracy": cells[tuple(architecture.values())]}

    # The baseline takes one more trial, and is the worst there is: every edge is "none".
    study = Study(CELL, accuracy, maximize="accuracy", seed=seed)
    study.run(strategy, trials=trials + 1)
    return study


def regrets(cells, strategy, trials, seeds=20):
    best = max(cells.values())
    return [best - search(cells, strategy, trials, seed).best.metrics["accuracy"] for seed in range(seeds)]


def test_random_search_on_nas_bench_201_is_as_good_as_it_must_be(cells):
    """The expected best of 100 draws without replacement follows from the table; it is 0.58 below the
    optimum.
    """
    ordered = np.sort(list(cells.values()))
    ranks = np.arange(len(ordered))
    # The largest of 100 is the one at rank r with probability C(r, 99) / C(15625, 100).
    below = np.cumprod(
        np.concatenate(
            [[1.0], [(len(ordered) - 100 - i) / (len(ordered) - i) for i in range(len(ordered) - 100)]]
        )
    )
    probability = np.zeros(len(ordered))
    probability[ranks[::-1][: len(below)]] = below * 100 / (len(ordered) - np.arange(len(below)))
    assert probability.sum() == pytest.approx(1)
    expected = ordered[-1] - probability @ ordered
    assert expected == pytest.approx(0.58, abs=0.02)
    spread = np.sqrt(probability @ ordered**2 - (probability @ ordered) ** 2)
    assert np.mean(regrets(cells, Random(), 100)) == pytest.approx(expected, abs=3 * spread / np.sqrt(20))


@pytest.mark.parametrize(
    ("strategy", "trials", "most"),
    [
        (RegularizedEvolution(50, 10), 200, 0.1),
        (LocalSearch(), 100, 0.15),
        (LocalSearch(), 200, 0.04),
        (LocalSearch(starts=10, move="best"), 200, 0.12),
        (CMAES(), 200, 0.12),
        (TPE(), 100, 0.15),
    ],
    ids=str,
)
def test_regret_on_nas_bench_201(cells, strategy, trials, most):
    """Random search has 0.58 after 100 trials and 0.39 after 200."""
    assert np.mean(regrets(cells, strategy, trials, seeds=8 if isinstance(strategy, TPE) else 20)) <= most


def test_local_search_reaches_the_optimum_of_nas_bench_201_in_a_tenth_of_a_thousand_trials(cells):
    best = max(cells.values())
    studies = [search(cells, LocalSearch(), 200, seed) for seed in range(20)]
    needed = [
        next((trial.number for trial in study.trials if trial.metrics["accuracy"] == best), 9999)
        for study in studies
    ]
    assert np.median(needed) <= 100  # 7,813 for random search


@pytest.mark.parametrize(
    ("strategy", "least"),
    [(NSGA2(), 0.98), (LocalSearch(), 0.97), (RegularizedEvolution(50, 10), 0.98)],
    ids=str,
)
def test_the_front_of_accuracy_and_latency_on_nas_bench_201(cells, shared_data, strategy, least):
    """500 trials, by the hypervolume beyond 80 % and 60 ms; random search has 0.96 of the front's."""
    with np.load(shared_data / "help_latency" / "nb201_latency_5dev.npz", allow_pickle=False) as table:
        latencies = dict(
            zip(map(tuple, table["ops"].tolist()), table["raspi4"].astype(float).tolist(), strict=True)
        )
    points = [(-cells[ops], latencies[ops]) for ops in cells]
    reference = {"accuracy": 80.0, "latency_ms": 60.0}
    true = hypervolume([points[i] for i in nondominated(points)], (-80.0, 60.0))

    @architecture_evaluator
    def both(architecture):
        ops = tuple(architecture.values())
        return {"accuracy": cells[ops], "latency_ms": latencies[ops]}

    shares: list[float] = []
    for seed in range(10):
        study = Study(CELL, both, maximize="accuracy", minimize="latency_ms", seed=seed)
        study.run(strategy, trials=500)
        shares.append(study.hypervolume(reference) / true)
    assert np.mean(shares) >= least
