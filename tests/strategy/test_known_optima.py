"""Every strategy finds the optimum that is known."""

import numpy as np
import pytest

from retia.space import Categorical, SearchSpace
from retia.strategy import GridSearch, LocalSearch, Random, RegularizedEvolution
from retia.study import Study, architecture_evaluator

SMALL = SearchSpace({name: Categorical(tuple("abcd")) for name in "xyz"})
LARGE = SearchSpace({f"op{i}": Categorical(tuple("abcde")) for i in range(6)})


@architecture_evaluator
def matches(architecture):
    """1 for every parameter that spells "cabbed", as far as there are any."""
    return {"score": sum(value == letter for value, letter in zip(architecture.values(), "cabbed", strict=False))}


@pytest.mark.parametrize("strategy", [GridSearch(), Random(), RegularizedEvolution(10, 3), LocalSearch()], ids=lambda one: type(one).__name__)
def test_the_optimum_of_a_small_table_is_found(strategy):
    study = Study(SMALL, matches, maximize="score")
    study.run(strategy, trials=64)
    assert study.best.architecture == {"x": "c", "y": "a", "z": "b"}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("strategy", [RegularizedEvolution(20, 5), LocalSearch()], ids=lambda one: type(one).__name__)
def test_a_climber_finds_the_optimum_of_a_smooth_landscape_where_chance_does_not(strategy, seed):
    """Of 15,625 architectures random search finds the one with probability 0.02 in 300 trials."""
    study = Study(LARGE, matches, maximize="score", seed=seed)
    study.run(strategy, trials=300)
    assert "".join(study.best.architecture.values()) == "cabbed"


@pytest.fixture(scope="module")
def cells(shared_data):
    """NAS-Bench-201: the validation accuracy of every cell on CIFAR-10 after 200 epochs, by its six operations."""
    path = shared_data / "nasbench201" / "nb201.npz"
    if not path.exists():
        pytest.skip(f"needs the table of NAS-Bench-201, and there is no {path}")
    with np.load(path, allow_pickle=False) as table:
        accuracies = table["c10valid_200ep_valid_accuracy"].astype(float)
        return dict(zip(map(tuple, table["ops"].tolist()), accuracies.tolist(), strict=True))


CELL = SearchSpace({f"edge{i}": Categorical(tuple(range(5))) for i in range(6)})


def regrets(cells, strategy, trials):
    @architecture_evaluator
    def accuracy(architecture):
        return {"accuracy": cells[tuple(architecture.values())]}

    best = max(cells.values())
    for seed in range(20):
        # The baseline takes one more trial, and is the worst there is: every edge is "none".
        study = Study(CELL, accuracy, maximize="accuracy", seed=seed)
        study.run(strategy, trials=trials + 1)
        yield best - study.best.metrics["accuracy"]


def test_random_search_on_nas_bench_201_is_as_good_as_it_must_be(cells):
    """The expected best of 100 draws without replacement follows from the table; it is 0.58 below the optimum."""
    ordered = np.sort(list(cells.values()))
    ranks = np.arange(len(ordered))
    # The largest of 100 is the one at rank r with probability C(r, 99) / C(15625, 100).
    below = np.cumprod(np.concatenate([[1.0], [(len(ordered) - 100 - i) / (len(ordered) - i) for i in range(len(ordered) - 100)]]))
    probability = np.zeros(len(ordered))
    probability[ranks[::-1][: len(below)]] = below * 100 / (len(ordered) - np.arange(len(below)))
    assert probability.sum() == pytest.approx(1)
    expected = ordered[-1] - probability @ ordered
    assert expected == pytest.approx(0.58, abs=0.02)
    spread = np.sqrt(probability @ ordered**2 - (probability @ ordered) ** 2)
    assert np.mean(list(regrets(cells, Random(), 100))) == pytest.approx(expected, abs=3 * spread / np.sqrt(20))


def test_evolution_beats_random_search_on_nas_bench_201(cells):
    evolution = np.mean(list(regrets(cells, RegularizedEvolution(50, 10), 200)))
    chance = np.mean(list(regrets(cells, Random(), 200)))
    assert evolution < chance
