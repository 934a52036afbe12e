"""Zero-cost proxies as an evaluator."""

import json
import math
import pickle

import pytest
import torch
from scipy.stats import spearmanr
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import retia
from retia import datasets, hub
from retia.benchmark import nasbench201
from retia.cost import Costs
from retia.errors import EvaluationError
from retia.evaluate import PROXIES, Classification, Probe, Regression, ZeroCost
from retia.nn import ModelSpace
from retia.rng import stream
from retia.space import Architecture, Categorical, SearchSpace
from retia.strategy import GridSearch, Random, Screened
from retia.trial import History, Objective, Run


class Net(nn.Sequential):
    def __init__(self, classes=10):
        width = retia.choice("width", [4, 8, 16])
        super().__init__(
            *(nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout(0.1)),
            *(nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)),
        )


SPACE = ModelSpace(Net)
DIGITS = datasets.digits().train
CLASSES = Classification(DIGITS, DIGITS)


def evaluated(evaluator, space=SPACE, width=8, **run):
    return evaluator(Architecture({"width": width}), Run(space, **run))


def zero_cost(*proxies, **settings):
    return ZeroCost(
        CLASSES,
        **{"batch_size": 20, "device": "cpu", **({"proxies": proxies} if proxies else {}), **settings},
    )


def seen_by(data, **settings):
    """Return the batch that a proxy is given."""
    seen = []

    def look(probe):
        seen.append((probe.inputs, probe.targets))
        return 0.0

    evaluated(ZeroCost(Classification(data, data), proxies=(look,), device="cpu", **settings))
    return seen[0]


def test_all_proxies_and_what_they_must_beat():
    evaluator = zero_cost()
    metrics = evaluated(evaluator)
    assert tuple(metrics) == evaluator.capabilities().metrics == (*PROXIES, "params", "flops", "macs")
    counted = Costs((1, 8, 8))(Architecture({"width": 8}), Run(SPACE))
    assert {name: metrics[name] for name in counted} == counted
    assert metrics["params"] == (8 * 9 + 8) + 16 + (8 * 8 * 9 + 8) + 16 + (8 * 10 + 10)


def test_scores_follow_from_the_trials_seed_alone():
    everything = evaluated(zero_cost(), seed=3)
    assert evaluated(zero_cost(), seed=3) == everything
    for name in PROXIES:
        assert (
            evaluated(zero_cost(name), seed=3)[name] == everything[name]
        )  # whatever other proxies there are
        assert evaluated(zero_cost(name), seed=4)[name] != everything[name]


def test_a_copy_in_another_process_would_be_the_same():
    evaluator = zero_cost("snip", "naswot")
    assert evaluated(pickle.loads(pickle.dumps(evaluator))) == evaluated(evaluator)


def test_one_proxy_by_name():
    assert ZeroCost(CLASSES, proxies="snip").capabilities().metrics == ("snip", "params", "flops", "macs")


def test_a_user_proxy_gets_a_fresh_model_in_training_mode():
    models = []

    def depth(probe):
        assert isinstance(probe, Probe)
        assert probe.model.training
        models.append(probe.model)
        with torch.no_grad():
            probe.model[0].weight.zero_()
        return len(probe.model)

    metrics = evaluated(zero_cost(depth, "snip"))
    assert metrics["depth"] == 10
    assert metrics["snip"] == evaluated(zero_cost("snip"))["snip"]
    assert evaluated(zero_cost("snip", depth))["depth"] == 10
    assert models[0] is not models[1]


# --- the batch


def test_a_batch_holds_the_first_of_each_class():
    x, y = (
        torch.arange(9.0).reshape(9, 1, 1, 1).expand(-1, 1, 8, 8),
        torch.tensor([0, 0, 0, 0, 0, 1, 1, 2, 1]),
    )
    seen = seen_by((x, y), batch_size=5)
    assert seen[0][:, 0, 0, 0].tolist() == [0, 1, 5, 6, 7]
    assert seen[1].tolist() == [0, 0, 1, 1, 2]
    assert len(seen_by((x, y), batch_size=100)[1]) == 9
    assert seen_by((x.numpy(), y.numpy()), batch_size=5)[1].tolist() == [0, 0, 1, 1, 2]


def test_a_loader_gives_its_first_batch_the_same_for_every_trial():
    loader = DataLoader(TensorDataset(*DIGITS), batch_size=7, shuffle=True)
    first, second = (seen_by(loader) for _ in range(2))
    assert len(first[1]) == 7
    assert torch.equal(first[0], second[0])


def test_a_dataset_gives_its_first_samples():
    class Pairs(Dataset):
        def __len__(self):
            return 40

        def __getitem__(self, index):
            return DIGITS[0][index], int(DIGITS[1][index])

    seen = seen_by(Pairs(), batch_size=6)
    assert torch.equal(seen[0], DIGITS[0][:6])
    assert seen[1].dtype == torch.int64


def test_regression_is_judged_by_the_mean_squared_error():
    x, y = DIGITS[0], DIGITS[0].mean((1, 2, 3), keepdim=True).flatten(1)
    proxies = [name for name in PROXIES if name != "epe_nas"]
    space = ModelSpace(Net, 1)
    metrics = evaluated(
        ZeroCost(Regression((x, y), (x, y)), proxies=proxies, batch_size=8, device="cpu"), space
    )
    twice = Regression(
        (x, y), (x, y), loss=lambda outputs, batch: 2 * nn.functional.mse_loss(outputs, batch[1])
    )
    doubled = evaluated(ZeroCost(twice, proxies=["snip"], batch_size=8, device="cpu"), space)
    assert doubled["snip"] == pytest.approx(2 * metrics["snip"], rel=1e-5)


# --- settings


def test_settings_as_json():
    def mine(probe):
        return 1.0

    described = zero_cost("snip", mine).describe()
    assert json.loads(json.dumps(described)) == described
    assert described["proxies"][0] == "snip"
    assert "mine" in described["proxies"][1]
    assert described["batch_size"] == 20
    assert described["evaluator"]["train"]["x"]["shape"] == list(DIGITS[0].shape)


@pytest.mark.parametrize("proxy", ["snap", 3, object()])
def test_an_unknown_proxy(proxy):
    with pytest.raises(
        EvaluationError,
        match="A proxy is one of .*'snip'.* or a function probe -> float that has a name, got",
    ):
        zero_cost(proxy)


@pytest.mark.parametrize("proxies", [(), ("snip", "snip")])
def test_proxies_of_one_name(proxies):
    with pytest.raises(
        EvaluationError,
        match=r"ZeroCost needs proxies of different names, other than \['params', 'flops', 'macs'\]",
    ):
        ZeroCost(CLASSES, proxies=proxies)


def test_the_names_of_costs_are_taken():
    def params(probe):
        return 0.0

    with pytest.raises(EvaluationError, match="needs proxies of different names"):
        zero_cost(params)


def test_a_batch_has_a_size():
    with pytest.raises(
        EvaluationError, match="'batch_size' of ZeroCost must be a whole number of at least 1, got 0"
    ):
        zero_cost(batch_size=0)


@pytest.mark.parametrize("given", [3, DIGITS])
def test_what_is_not_a_training(given):
    with pytest.raises(
        EvaluationError,
        match=r"ZeroCost takes how models would be trained, such as retia.Classification\(train, valid\), got (int|Split|tuple)",
    ):
        ZeroCost(given)


def test_a_proxy_of_other_inputs_needs_to_know_where_they_are():
    own = Classification(DIGITS, DIGITS, inputs=lambda batch: batch[0])
    with pytest.raises(
        EvaluationError,
        match="This proxy runs the model on inputs of its own, but 'inputs' of Classification takes them out",
    ):
        evaluated(ZeroCost(own, proxies="synflow", batch_size=8, device="cpu"))
    assert evaluated(ZeroCost(own, proxies="snip", batch_size=8, device="cpu"))["snip"] > 0


# --- what goes wrong


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_that_is_not_finite_is_an_error(value):
    def odd(probe):
        return value

    with pytest.raises(
        EvaluationError,
        match=rf"The proxy 'odd' is {value} for {{'width': 8}}\. Does the model's output depend on its input",
    ) as caught:
        evaluated(zero_cost(odd))
    assert isinstance(caught.value.__cause__, FloatingPointError)  # so that a study goes on


def test_outputs_that_do_not_fit_the_targets():
    with pytest.raises(EvaluationError, match=r"returns 4 scores, but the targets go up to 9"):
        evaluated(zero_cost("snip"), ModelSpace(Net, 4))
    numbers = (DIGITS[0], DIGITS[0][:, 0, 0, :1])
    with pytest.raises(
        EvaluationError, match=r"outputs have the shape of its targets, \(20, 1\), got \(20, 10\)"
    ):
        evaluated(ZeroCost(Regression(numbers, numbers), proxies=["snip"], batch_size=20, device="cpu"))


def test_a_space_without_models():
    space = SearchSpace({"width": Categorical((4, 8))})
    with pytest.raises(
        EvaluationError, match=r"ZeroCost looks at models, but the space \(SearchSpace\) builds none"
    ):
        evaluated(zero_cost("snip"), space)


# --- searching


def test_a_search_by_a_proxy():
    study = retia.search(
        SPACE,
        zero_cost("synflow", "naswot"),
        strategy=GridSearch(),
        trials=3,
        maximize="synflow",
        minimize="params",
        progress=False,
    )
    assert {trial.architecture["width"] for trial in study.trials} == {4, 8, 16}
    best = max(study.trials, key=lambda trial: trial.metrics["synflow"])
    assert best.architecture["width"] == 16


def test_a_trial_whose_score_is_not_finite_fails_alone():
    class Dead(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.linear = retia.choice("scale", [0.0, 1.0]), nn.Linear(64, 10)

        def forward(self, x):
            return self.scale * self.linear((x**2).flatten(1))

    settings = {
        "strategy": GridSearch(),
        "trials": 2,
        "maximize": "jacob_cov",
        "baseline": {"scale": 1.0},
        "progress": False,
    }
    study = retia.search(ModelSpace(Dead), zero_cost("jacob_cov"), **settings)
    states = {trial.architecture["scale"]: trial.state for trial in study.trials}
    assert states == {0.0: "failed", 1.0: "completed"}


def test_a_proxy_screens_what_a_strategy_proposes():
    strategy = Screened(Random(), zero_cost("synflow").scorer(SPACE), keep=1 / 3)
    history = History((Objective("accuracy", "maximize"),))
    proposed = [
        strategy.propose(SPACE, history, 1, stream(seed, "propose"))[0].architecture["width"]
        for seed in range(10)
    ]
    assert proposed.count(16) > 5
    assert (
        zero_cost("synflow").scorer(SPACE, seed=3)(Architecture({"width": 8}))
        == evaluated(zero_cost(), seed=3)["synflow"]
    )


def test_what_is_not_finite_screens_as_nan():
    assert math.isnan(zero_cost(_infinite).scorer(SPACE)(SPACE.default()))
    with pytest.raises(EvaluationError, match="ZeroCost looks at models"):
        zero_cost("snip").scorer(SearchSpace({"width": Categorical((4, 8))}))(Architecture({"width": 8}))


def _infinite(probe):
    return math.inf


def test_proxies_rank_cells_of_nasbench201(shared_data):
    """Small networks of the space, on noise: what synflow and naswot see of a cell tells much of its accuracy
    on CIFAR-10.
    """
    table, space = (
        nasbench201(path=shared_data / "nasbench201" / "nb201.npz"),
        hub.get("nasbench201", channels=4, cells=1),
    )
    x, y = torch.randn(16, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.arange(16) % 10
    evaluator = ZeroCost(
        Classification((x, y), (x, y)), proxies=("synflow", "naswot"), batch_size=16, device="cpu"
    )
    rng = stream(0, "cells")
    chosen = [space.sample(rng) for _ in range(30)]
    accuracies = [table.query(architecture)["valid_accuracy"] for architecture in chosen]
    scores = [evaluator(architecture, Run(space)) for architecture in chosen]
    for name in evaluator.proxies:
        assert spearmanr([score[name] for score in scores], accuracies).statistic > 0.5
