"""The data of a supernet's training: each batch follows from its number, whatever loads it."""

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

import retia
from retia.evaluate import Training
from retia.nn import ModelSpace, seeded
from retia.oneshot import DARTS, ENAS, GDAS, SPOS, DrNAS, ProxylessNAS
from retia.trial import Run

LEARNING = [DARTS(), DARTS(unrolled=True), GDAS(), DrNAS(), ProxylessNAS(), ENAS()]


def net():
    candidates = {"linear": lambda: torch.nn.Linear(8, 8), "tanh": torch.nn.Tanh}
    return torch.nn.Sequential(
        torch.nn.Linear(4, 8), retia.layer_choice("op", candidates), torch.nn.Linear(8, 2)
    )


def batches(count, seed):
    """Return batches of 8 samples, the first feature of which is the number of the batch."""
    x = torch.randn(8 * count, 4, generator=torch.Generator().manual_seed(seed))
    x[:, 0] = torch.arange(count).repeat_interleave(8)
    return list(zip(x.split(8), (x[:, 1] > 0).long().split(8), strict=True))


class Loaded:
    """A collection of batches that counts how often it is iterated."""

    def __init__(self, data):
        self.data, self.iterations = data, 0

    def __len__(self):
        return len(self.data)

    def __iter__(self):
        self.iterations += 1
        return iter(self.data)


class Noisy(Dataset):
    """Samples with noise from torch's global generator."""

    def __len__(self):
        return 32

    def __getitem__(self, index):
        return torch.randn(4) + index % 2, index % 2


def training(train, valid, *, seen=None, **settings):
    def inputs(batch):
        if seen is not None:
            seen.append(int(batch[0][0, 0]) if len(batch[0]) == 8 else None)
        return batch[0]

    def loss(outputs, batch):
        return torch.nn.functional.cross_entropy(outputs, batch[1])

    return Training(
        train, valid, loss=loss, inputs=inputs, **{"epochs": 3, "batch_size": 8, "device": "cpu", **settings}
    )


def reports(method, evaluator, *, stop=None, directory=None):
    found = []

    def listener(metrics, step):
        found.append(dict(metrics))
        if step == stop:
            raise KeyboardInterrupt

    run = Run(ModelSpace(net), seed=3, listener=listener, directory=directory)
    if stop is None:
        method.prepare(evaluator, run)
    else:
        with pytest.raises(KeyboardInterrupt):
            method.prepare(evaluator, run)
    return found


@pytest.mark.parametrize("method", LEARNING, ids=lambda method: type(method).__name__)
@pytest.mark.parametrize(
    "load", [list, lambda data: DataLoader(data, batch_size=None)], ids=["list", "loader"]
)
def test_architectures_are_judged_by_each_held_out_batch_in_turn(method, load):
    seen = []
    held_out = [(x + torch.tensor([100.0, 0, 0, 0]), y) for x, y in batches(4, 1)]
    evaluator = training(load(batches(5, 0)), load(held_out), seen=seen, epochs=4)
    seen.clear()
    reports(method, evaluator)
    assert [number - 100 for number in seen if number is not None and number >= 100] == [0, 1, 2, 3] * 5


def test_a_loader_of_held_out_data_is_iterated_once_a_pass():
    held_out = Loaded(batches(4, 1))
    evaluator = training(batches(6, 0), held_out)
    before = held_out.iterations
    DARTS().prepare(evaluator, Run(ModelSpace(net), seed=3))
    assert held_out.iterations - before == 5  # 18 steps: four passes and a half


def test_a_loader_with_fewer_batches_than_its_length_is_refused():
    class Short(Loaded):
        def __len__(self):
            return 5

    with pytest.raises(
        retia.EvaluationError,
        match=r"The validation data LoadedData\(Short\) ended after 4 batches in pass 1, but its length is 5",
    ):
        reports(DARTS(), training(batches(6, 0), Short(batches(4, 1))))


def shuffled(generator=None):
    x, y = (torch.cat(parts) for parts in zip(*batches(4, 2), strict=True))
    return DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True, generator=generator)


LOADERS = {
    "global generator": shuffled,
    "own generator": lambda: shuffled(torch.Generator().manual_seed(5)),
    "random transforms": lambda: DataLoader(Noisy(), batch_size=8, shuffle=True),
    "dataset": Noisy,
}


@pytest.mark.parametrize("make", LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize("method", [SPOS(), DARTS()], ids=lambda method: type(method).__name__)
def test_a_loader_that_shuffles_gives_the_same_training_again(tmp_path, make, method):
    with seeded(1):
        state = torch.get_rng_state()
        whole = reports(method, training(make(), make()))
        assert torch.equal(torch.get_rng_state(), state)
    with seeded(2):
        assert reports(method, training(make(), make())) == whole
    part = reports(method, training(make(), make()), stop=1, directory=tmp_path)
    assert part + reports(method, training(make(), make()), directory=tmp_path) == whole


@pytest.mark.parametrize("make", LOADERS.values(), ids=LOADERS)
def test_a_search_scores_alike_twice_with_a_loader_that_shuffles(make):
    found = []
    for seed in (1, 2):
        with seeded(seed):
            state = torch.get_rng_state()
            study = retia.search(
                net, training(make(), make()), SPOS(), trials=2, minimize="loss", progress=False
            )
            assert torch.equal(torch.get_rng_state(), state)
        found.append([trial.metrics["loss"] for trial in study.trials])
    assert found[0] == found[1]


def test_an_own_generator_is_left_where_it_was_and_orders_epochs_differently():
    generator, seen = torch.Generator().manual_seed(5), []
    state = generator.get_state()
    loader = DataLoader(batches(4, 0), batch_size=None, shuffle=True, generator=generator)
    reports(SPOS(), training(loader, batches(1, 1), seen=seen, epochs=6))
    assert torch.equal(generator.get_state(), state)
    orders = [tuple(seen[-24:][4 * epoch :][:4]) for epoch in range(6)]
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    assert len(set(orders)) > 1
