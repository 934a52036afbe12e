import math

import numpy as np
import pytest
import torch
from torch import nn

from retia.nn import ModelSpace, cell, layer_choice, repeat
from retia.oneshot.darts import DARTS
from retia.oneshot.relaxation.relaxation import Relaxation
from retia.space import choice


def operations(node, predecessor):
    return {"none": nn.Identity, "skip": nn.Identity, "relu": nn.ReLU}


class Celled(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = cell("cell", operations, nodes=3)
        self.head = nn.Linear(12, 2)

    def forward(self, x):
        return self.head(self.cell(x, x))


def test_a_cell_keeps_the_edges_with_the_strongest_operations_other_than_none(make_setting):
    setting = make_setting(
        ModelSpace(Celled),
        torch.randn(8, 4, generator=torch.Generator().manual_seed(0)),
        torch.zeros(8, dtype=torch.long),
    )
    relaxation = Relaxation(setting, "DARTS")
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for weights in relaxation.weights.values():
            weights.copy_(torch.from_numpy(rng.normal(size=3)))
    assert not [label for label in relaxation.weights if label.endswith("inputs")]
    best = next(relaxation.ranked())
    for node in range(3):
        likely = {
            i: relaxation.weights[f"cell/{node}/op/{i}"].softmax(0)[1:].tolist() for i in range(2 + node)
        }
        kept = sorted(sorted(likely, key=lambda i: -max(likely[i]))[:2])
        if node:
            assert best[f"cell/{node}/inputs"] == tuple(kept)
        assert [best[f"cell/{node}/op/{i}"] for i in kept] == [
            ("skip", "relu")[int(np.argmax(likely[i]))] for i in kept
        ]
    first_with_none = next(i for i, one in enumerate(relaxation.ranked()) if "none" in one.values())
    space = setting.supernet.space
    assert first_with_none == sum("none" not in one.values() for one in space.enumerate())
    assert sum(1 for _ in relaxation.ranked()) == space.size()


def test_every_edge_of_a_cell_counts_once_while_it_is_mixed(make_setting):
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    setting = make_setting(ModelSpace(Celled), x, torch.zeros(8, dtype=torch.long))
    session = DARTS().session(setting)
    one_hot = torch.tensor([0.0, 1.0, 0.0])
    setting.supernet.mix({**session.relaxation.fixed, **dict.fromkeys(session.relaxation.weights, one_hot)})
    node_0 = 2 * x
    node_1 = 2 * x + node_0
    node_2 = 2 * x + node_0 + node_1
    expected = setting.supernet.model.head(torch.cat([node_0, node_1, node_2], 1))
    torch.testing.assert_close(setting.outputs(x), expected)


# --- restrictions, bounds and conditions


class Conditional(nn.Module):
    def __init__(self):
        super().__init__()
        width = choice("width", [4, 8])
        self.stem = nn.Linear(4, width)
        self.body = repeat("body", lambda i: layer_choice("act", {"relu": nn.ReLU, "tanh": nn.Tanh}), (1, 3))
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.body(self.stem(x)))


def random_weights(relaxation, seed=0):
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for weights in relaxation.weights.values():
            weights.copy_(torch.from_numpy(rng.normal(size=len(weights))))


def test_what_is_ranked_meets_restrictions_and_bounds_and_is_in_the_order_of_brute_force(make_setting):
    x, y = torch.ones(8, 4), torch.zeros(8, dtype=torch.long)
    space = ModelSpace(Conditional).where(lambda a: a["width"] == 4 or a["body"] > 1, "wide or deep")
    setting = make_setting(space, x, y, allows=lambda a: a["body/0/act"] == "relu")
    session = DARTS().session(setting)
    random_weights(session.relaxation)
    allowed = [a for a in space.enumerate() if a["body/0/act"] == "relu"]
    probability = {
        a: math.prod(
            float(session.probabilities()[label][session.relaxation.values(label).index(value)])
            for label, value in a.items()
        )
        for a in allowed
    }
    ranked = list(session.ranked())
    assert set(ranked) == set(allowed)
    assert len(ranked) == len(allowed)
    found = [probability[a] for a in ranked]
    assert found == pytest.approx(sorted(found, reverse=True))
    assert session.relaxation.log_probability(ranked[0]) == pytest.approx(math.log(found[0]))


def test_where_few_are_allowed_they_are_sampled_and_put_in_order(make_setting, monkeypatch):
    monkeypatch.setattr("retia.oneshot.differentiable.PATIENCE", 2)
    x, y = torch.ones(8, 4), torch.zeros(8, dtype=torch.long)
    space = ModelSpace(Conditional)
    session = DARTS().session(make_setting(space, x, y, allows=lambda a: a["body"] == 3))
    random_weights(session.relaxation)
    with torch.no_grad():
        session.relaxation.weights["body"].copy_(torch.tensor([9.0, 0.0, -9.0]))
    ranked = list(session.ranked())
    assert set(ranked) == {a for a in space.enumerate() if a["body"] == 3}
    found = list(map(session.relaxation.log_probability, ranked))
    assert found == sorted(found, reverse=True)
