"""A module or tensor made outside of a constructor: each model has a copy of it, and the original is never
trained.
"""

import copy
import functools
import warnings
from itertools import pairwise

import cloudpickle
import pytest
import torch
from torch import nn

import retia
from retia.errors import SpaceError
from retia.nn import ModelSpace, layer_choice
from retia.space import choice

MADE_OUTSIDE = (
    r"uses modules or tensors that its constructor doesn't make: .*Each model gets a copy.*copy.deepcopy"
)


def backbone():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5))


@pytest.fixture(autouse=True)
def _generator():
    with torch.random.fork_rng(devices=[]):
        yield


def by_closure(part):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = part
            self.head = nn.Linear(8, choice("width", [2, 3]))

        def forward(self, x):
            return self.head(self.body(x))

    return ModelSpace(Net)


def by_argument(part):
    return ModelSpace(
        lambda body, *, classes: nn.Sequential(body, nn.Linear(8, choice("width", [2, classes]))),
        part,
        classes=3,
    )


def by_keyword(part):
    return ModelSpace(lambda body: nn.Sequential(body, nn.Linear(8, choice("width", [2, 3]))), body=part)


def by_default(part):
    def net(body=part):
        return nn.Sequential(body, nn.Linear(8, choice("width", [2, 3])))

    return ModelSpace(net)


def by_candidate(part):
    def net():
        body = layer_choice("body", {"own": lambda: nn.Linear(4, 8), "outside": lambda: part})
        return nn.Sequential(body, nn.Linear(8, choice("width", [2, 3])))

    return ModelSpace(net)


def by_return(part):
    def net():
        part[2] = nn.Linear(8, choice("width", [2, 3]))
        return part

    return ModelSpace(net)


SPACES = [by_closure, by_argument, by_keyword, by_default, by_candidate, by_return]


def train(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        loss = model(torch.randn(16, 4)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("make", SPACES)
def test_each_model_starts_with_the_same_weights(make):
    part = backbone()
    kept = copy.deepcopy(part.state_dict())
    with pytest.warns(UserWarning, match=MADE_OUTSIDE):
        space = make(part)
    architecture = {"width": 3, **({"body": "outside"} if make is by_candidate else {})}
    first = space.build(architecture, seed=0)
    start = copy.deepcopy(first.state_dict())
    assert not {id(one) for one in first.modules()} & {id(one) for one in (part, *part[:2].children())}
    train(first)
    first.eval()
    second = space.build(architecture, seed=0)
    assert same(second.state_dict(), start)
    assert all(one.training for one in second.modules())
    assert all(
        torch.equal(part.state_dict()[name], kept[name])
        for name in kept
        if not (make is by_return and name.startswith("2."))
    )
    assert all(parameter.grad is None for parameter in part.parameters())


def test_the_warning_names_the_paths_and_comes_once():
    part = backbone()
    with pytest.warns(UserWarning, match=MADE_OUTSIDE) as told:
        space = by_closure(part)
    assert len(told) == 1
    assert "'body'." in str(told[0].message)
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        space.build({"width": 2})
        space.where(lambda architecture: True, "all").build({"width": 2})
        cloudpickle.loads(cloudpickle.dumps(space)).build({"width": 2})


def test_a_copy_inside_of_the_constructor_is_nothing_to_warn_of():
    part = backbone()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        space = ModelSpace(
            lambda: nn.Sequential(
                copy.deepcopy(part),
                layer_choice("act", {"own": part[1], "relu": nn.ReLU}),
                nn.Linear(8, choice("w", [2, 3])),
            )
        )
        first = space.build({"act": "own", "w": 2}, seed=0)
        train(first)
        second = space.build({"act": "own", "w": 2}, seed=0)
    assert torch.equal(second[0][0].weight, part[0].weight)
    assert torch.equal(second[1].weight, part[1].weight)


def test_what_shares_weights_shares_them_in_each_model():
    embedding = nn.Embedding(10, 4)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = embedding
            self.again = embedding
            self.head = nn.Linear(4, 10)
            self.head.weight = embedding.weight
            self.width = nn.Linear(4, choice("width", [2, 3]))
            self.plain = {"steps": [self.embedding, self.width]}
            self.method = embedding.forward

    with pytest.warns(UserWarning, match="'embedding', 'head.weight'"):
        space = ModelSpace(Net)
    model, other = space.build({"width": 2}), space.build({"width": 2})
    assert model.embedding is model.again is model.plain["steps"][0] is model.method.__self__
    assert model.plain["steps"][1] is model.width
    assert model.embedding.weight is model.head.weight
    assert not {id(tensor) for tensor in model.parameters()} & {
        id(tensor) for tensor in (*other.parameters(), *embedding.parameters())
    }


def test_a_tensor_made_outside_is_copied():
    table, mean = nn.Parameter(torch.ones(3)), torch.zeros(3)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = table
            self.register_buffer("mean", mean)
            self.width = nn.Linear(4, choice("width", [2, 3]))

    with pytest.warns(UserWarning, match="'table', 'mean'"):
        space = ModelSpace(Net)
    model = space.build({"width": 2})
    with torch.no_grad():
        model.table.add_(1)
        model.mean.add_(1)
    again = space.build({"width": 2})
    assert again.table.tolist() == [1, 1, 1] == table.tolist()
    assert again.mean.tolist() == [0, 0, 0] == mean.tolist()
    assert isinstance(again.table, nn.Parameter)


def test_a_module_without_tensors_is_copied():
    dropout = nn.Dropout(0.5)
    with pytest.warns(UserWarning, match="'1'"):
        space = ModelSpace(lambda: nn.Sequential(nn.Linear(4, choice("width", [2, 3])), dropout))
    space.build({"width": 2}).eval()
    assert dropout.training
    assert space.build({"width": 2})[1].training


def test_on_meta_a_copy_needs_no_memory():
    with pytest.warns(UserWarning, match=MADE_OUTSIDE):
        space = by_closure(backbone())
    model = space.build({"width": 2}, device="meta")
    assert all(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))
    assert isinstance(model.body[0].weight, nn.Parameter)


def test_a_supernet_has_a_copy():
    part = backbone()
    with pytest.warns(UserWarning, match=MADE_OUTSIDE):
        space = by_closure(part)
    supernet = retia.Supernet(space)
    supernet.activate({"width": 2})
    supernet.train()
    before = copy.deepcopy(part.state_dict())
    train(supernet)
    assert same(part.state_dict(), before)
    assert same(retia.Supernet(space, seed=0).subnet({"width": 3}).body.state_dict(), before)


def test_what_the_constructor_keeps_from_its_trace_is_an_error():
    @functools.cache
    def cached():
        return nn.Linear(4, 8)

    with pytest.warns(UserWarning, match=MADE_OUTSIDE):
        space = ModelSpace(lambda: nn.Sequential(cached(), nn.Linear(8, choice("width", [2, 3]))))
    with pytest.raises(
        SpaceError,
        match=r"'0.weight' was made on the meta device while.*functools.cache.*Make it before the space",
    ):
        space.build({"width": 2})


def test_what_can_not_be_copied_is_an_error():
    part = backbone()
    part.stream = (i for i in range(3))
    with pytest.warns(UserWarning, match=MADE_OUTSIDE):
        space = by_closure(part)
    with pytest.raises(
        SpaceError,
        match=r"Sequential, which was made outside .* can't be copied for each model: TypeError.*Make it in the",
    ):
        space.build({"width": 2})


def test_an_ordinary_space_has_no_shared_parts():
    space = ModelSpace(lambda: nn.Sequential(nn.Linear(4, choice("width", [2, 3])), nn.BatchNorm1d(3)))
    assert not space._shared_parts
    assert not cloudpickle.loads(cloudpickle.dumps(space))._shared_parts


def test_one_worker_and_two_agree():
    part = backbone()
    with pytest.warns(UserWarning, match=MADE_OUTSIDE):
        space = by_closure(part)

    def fit(model):
        train(model)
        return float(sum(tensor.double().abs().sum() for tensor in model.state_dict().values()))

    def scores(workers):
        study = retia.Study(space, fit, maximize="score", seed=3)
        study.run(retia.strategy.GridSearch(), trials=2, workers=workers)
        return {trial.architecture["width"]: trial.metrics["score"] for trial in study.trials}

    one = [scores(1) for _ in range(2)]
    assert all(a == b for a, b in pairwise([*one, scores(2)]))
