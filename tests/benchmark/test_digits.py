from pathlib import Path

import numpy as np
import pytest

from retia import benchmark
from retia.benchmark import digits, digits_space
from retia.errors import EvaluationError
from retia.strategy import RegularizedEvolution
from retia.study import Study


def test_the_whole_space_was_trained():
    table = digits()
    space = digits_space()
    assert len(table) == table.space.size() == space.size() == 1008
    assert table.space.to_json() == space.to_json()
    assert {entry.architecture for entry in table.entries()} == set(space.enumerate())
    assert table.metrics == ("valid_accuracy", "test_accuracy", "train_seconds", "params", "macs", "flops")
    assert table.costs == ("params", "macs", "flops")
    assert not any(np.isnan(table.column(metric)).any() for metric in table.metrics)
    assert (table.objective, table.epochs, table.settings) == ("valid_accuracy", 6, {"seed": None})


def test_the_file_is_small():
    assert Path(benchmark.__file__).with_name("digits.npz").stat().st_size < 1_000_000


@pytest.mark.parametrize("metric", ["valid_accuracy", "test_accuracy", "train_seconds"])
def test_the_mean_is_that_of_three_seeds(metric):
    by_seed = [digits(seed=seed).column(metric) for seed in range(3)]
    assert not np.array_equal(by_seed[0], by_seed[1])
    np.testing.assert_allclose(np.mean(by_seed, axis=0), digits().column(metric), rtol=1e-5)


def test_accuracies_are_shares_of_599_images_in_percent():
    for metric in ("valid_accuracy", "test_accuracy"):
        images = digits(seed=1).column(metric) * 599 / 100
        np.testing.assert_allclose(images, images.round(), atol=1e-3)
        assert 599 / 10 < images.max() <= 599


def test_costs_are_those_of_the_networks():
    table, space = digits(), digits_space()
    for row in range(0, len(table), 101):
        architecture = table[row].architecture
        model = space.build(architecture, seed=0)
        assert table[row].metrics["params"] == sum(parameter.numel() for parameter in model.parameters())
        assert table[row].metrics["flops"] == 2 * table[row].metrics["macs"]


def test_the_validation_accuracy_says_something_about_the_test():
    table = digits()
    valid, test = table.column("valid_accuracy"), table.column("test_accuracy")
    assert np.corrcoef(valid, test)[0, 1] > 0.98
    # Seeds agree on which network is better, though not about each.
    first, second = digits(seed=0).column("valid_accuracy"), digits(seed=1).column("valid_accuracy")
    assert 0.8 < np.corrcoef(first, second)[0, 1] < 0.99


def test_a_study_runs_on_it():
    table = digits()
    study = Study(
        table.space,
        table.evaluator,
        maximize="valid_accuracy",
        minimize="params",
        constraints=["params <= 2000"],
    )
    study.run(RegularizedEvolution(20, 5), trials=100)
    assert study.history.count("completed") == 100
    assert all(trial.metrics["params"] <= 2000 for trial in study.pareto)


def test_other_seeds_are_refused():
    with pytest.raises(EvaluationError, match=r"seeds \[0, 1, 2\], got seed=3"):
        digits(seed=3)
