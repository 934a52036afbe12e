import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import retia
from retia.cost import Example, count, count_parameters
from retia.errors import SupernetError
from retia.hub import AutoFormer, Darts, MobileNetV3, NasBench201, Stage, TransformerSizes
from retia.nn import ModelSpace
from retia.oneshot.cost import expected_flops, sampled_cost
from retia.oneshot.cost import table as cost_table
from retia.oneshot.cost.penalty import Penalty
from retia.supernet import Supernet


def _spaces_of_every_kind():
    path = Path(__file__).parents[2] / "contract" / "test_supernets.py"
    spec = importlib.util.spec_from_file_location("spaces_of_every_kind", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SPACES


STAGES = [Stage(16), Stage(24, stride=2, depth=(1, 3), squeeze_excite="optional")]
SPACES = {
    **_spaces_of_every_kind(),
    "NAS-Bench-201": (lambda: ModelSpace(NasBench201, channels=4, cells=1), torch.zeros(1, 3, 8, 8)),
    "MobileNetV3": (
        lambda: ModelSpace(
            MobileNetV3, 10, stages=STAGES, width_multipliers=(0.5, 1.0), expansions=(2.0, 3.0)
        ),
        torch.zeros(1, 3, 16, 16),
    ),
    "DARTS": (lambda: ModelSpace(Darts, width=4, cells=3), torch.zeros(1, 3, 8, 8)),
}


def finite(space):
    return {
        label: list(parameter.domain.enumerate())
        for label, parameter in space.parameters.items()
        if parameter.domain.size < math.inf
    }


def one_hot(space, architecture):
    """Return the probabilities of an architecture; what is not active is any of its values for certain."""
    rng = np.random.default_rng(1)
    probabilities = {}
    for label, values in finite(space).items():
        position = (
            values.index(architecture[label]) if label in architecture else int(rng.integers(len(values)))
        )
        probabilities[label] = torch.eye(len(values))[position]
    return probabilities


def drawn(space, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        label: torch.rand(len(values), generator=generator, dtype=torch.float64).softmax(0)
        for label, values in finite(space).items()
    }


def by_enumeration(space, probabilities, cost):
    values, total, weight_of_all = finite(space), 0.0, 0.0
    for architecture in space.enumerate():
        weight = math.prod(
            probabilities[label][values[label].index(value)].item() for label, value in architecture.items()
        )
        total += weight * cost(architecture)
        weight_of_all += weight
    assert weight_of_all == pytest.approx(1)
    return total


def bound(space, metric="params", example=None, **options):
    return Penalty(metric, **options).bind(Supernet(space, seed=0), example=example)


@pytest.mark.filterwarnings("ignore:The layout of sizes")  # the cost is the same for any order
@pytest.mark.parametrize("name", SPACES)
def test_one_hot_probabilities_cost_what_the_model_alone_costs(name):
    make, x = SPACES[name]
    space, rng = make(), np.random.default_rng(0)
    supernet, example = Supernet(space, seed=0), Example.of(x)
    metrics = (
        ("params",) if name == "DARTS" else ("params", "macs")
    )  # its dry runs take long, and "cells" are of its kind
    penalties = {metric: Penalty(metric).bind(supernet, example=example) for metric in metrics}
    for _ in range(5 if name == "DARTS" else 12):
        architecture = space.sample(rng)
        counted = count(space.build(architecture, device="meta"), example)
        probabilities = one_hot(space, architecture)
        for metric, penalty in penalties.items():
            assert float(penalty.expected(probabilities)) == getattr(counted, metric)
            assert penalty.cost(architecture) == getattr(counted, metric)


@pytest.mark.filterwarnings("ignore:The layout of sizes")  # the cost is the same for any order
@pytest.mark.parametrize(
    "name", ["widths", "convolutions", "layers", "shared", "inputs", "parameters", "attention"]
)
def test_the_expectation_is_the_mean_over_all_architectures(name):
    make, x = SPACES[name]
    space = make()
    assert space.size() <= 6_000
    probabilities = drawn(space)
    params = bound(space)
    told = float(params.expected(probabilities))
    assert told == pytest.approx(
        by_enumeration(space, probabilities, lambda a: count_parameters(space.build(a, device="meta"))),
        rel=1e-9,
    )
    macs = bound(space, "macs", x)
    assert float(macs.expected(probabilities)) == pytest.approx(
        by_enumeration(space, probabilities, macs.cost), rel=1e-9
    )


@pytest.mark.parametrize("metric", ["params", "macs"])
@pytest.mark.parametrize("name", ["layers", "shared", "attention", "free cells"])
def test_the_gradient_is_that_of_finite_differences(name, metric):
    make, x = SPACES[name]
    space = make()
    penalty = bound(space, metric, x)
    probabilities = drawn(space)
    tensors = [probability.requires_grad_() for probability in probabilities.values()]
    scale = penalty.expected(probabilities).item()
    assert torch.autograd.gradcheck(
        lambda *given: penalty.expected(dict(zip(probabilities, given, strict=True))) / scale, tensors
    )


class Tied(nn.Module):
    """One width for two layers, one layer at two places, and one tensor in two layers."""

    def __init__(self):
        super().__init__()
        width = retia.choice("width", [2, 4])
        self.first, self.second = nn.Linear(3, width), nn.Linear(width, width)
        ready = nn.Linear(3, 5)
        self.a = retia.layer_choice("a", {"skip": nn.Identity, "layer": lambda: ready})
        self.b = retia.layer_choice("b", {"skip": nn.Identity, "layer": lambda: ready})
        self.up, self.down = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
        self.down.weight = self.up.weight

    def forward(self, x):
        return self.second(self.first(self.down(self.up(x)))).sum() + self.a(x).sum() + self.b(x).sum()


def test_a_shared_label_is_one_variable_and_a_shared_tensor_counts_once():
    space = ModelSpace(Tied)
    penalty = bound(space)
    half = torch.tensor([0.5, 0.5])
    # first: 3 w + w; second: w² + w, whose mean is 13 and not 3² + 3; up: 9; the layer of 20 is there unless
    # both are "skip"
    assert float(
        penalty.expected({"width": half, "a": half, "b": torch.tensor([0.75, 0.25])})
    ) == 12 + 13 + 9 + 20 * (1 - 0.5 * 0.75)


class Nested(nn.Module):
    def __init__(self):
        super().__init__()

        def block(i):
            return retia.layer_choice(
                "op", {"skip": nn.Identity, "linear": lambda: nn.Linear(4, 4, bias=False)}
            )

        self.body = retia.repeat("body", block, (0, 2))
        self.head = nn.Linear(4, 1)

    def forward(self, x):
        return self.head(self.body(x))


def test_what_lies_under_a_choice_counts_with_the_probability_that_it_is_present():
    probabilities = {
        "body": torch.tensor([0.2, 0.3, 0.5]),
        "body/0/op": torch.tensor([0.1, 0.9]),
        "body/1/op": torch.tensor([0.6, 0.4]),
    }
    expected = 0.8 * 0.9 * 16 + 0.5 * 0.4 * 16
    assert float(bound(ModelSpace(Nested)).expected(probabilities)) == pytest.approx(expected + 5)
    assert float(bound(ModelSpace(Nested), "flops", (4,)).expected(probabilities)) == pytest.approx(
        2 * (expected + 4)
    )
    table = {"body/0/op": {"skip": 1.0, "linear": 3.0}, "body/1/op": {"skip": 10.0, "linear": 30.0}}
    latency = bound(ModelSpace(Nested), "latency_ms", table=table, constant=0.5)
    assert float(latency.expected(probabilities)) == pytest.approx(0.5 + 0.8 * (0.1 + 2.7) + 0.5 * (6 + 12))
    assert latency.cost({"body": 1, "body/0/op": "linear"}) == 3.5
    assert latency.cost({"body": 2, "body/0/op": "skip", "body/1/op": "linear"}) == 31.5


def test_macs_follow_a_stride_downstream():
    class Strided(nn.Sequential):
        def __init__(self):
            stride = retia.choice("stride", [1, 2])
            super().__init__(
                nn.Conv2d(1, 2, 1, stride=stride, bias=False),
                nn.ReLU(),
                nn.Conv2d(2, retia.choice("width", [3, 5]), 1, bias=False),
            )

    penalty = bound(ModelSpace(Strided), "macs", (1, 8, 8))
    expected = (0.75 * 64 + 0.25 * 16) * (2 + 2 * 4)
    assert float(
        penalty.expected({"stride": torch.tensor([0.75, 0.25]), "width": torch.tensor([0.5, 0.5])})
    ) == pytest.approx(expected)


def test_macs_of_attention_with_relative_positions():
    sizes = {"widths": (128, 192), "depth": (1, 2), "heads": (2, 3), "mlp_ratios": (2.0,)}
    space = ModelSpace(AutoFormer, image_size=32, patch_size=16, sizes=TransformerSizes(**sizes), classes=3)
    penalty = bound(space, "macs", (3, 32, 32))
    rng = np.random.default_rng(5)
    for _ in range(6):
        architecture = space.sample(rng)
        assert (
            penalty.cost(architecture)
            == count(space.build(architecture, device="meta"), Example.of((3, 32, 32))).macs
        )


def test_the_supernet_stays_as_it_is():
    space = SPACES["layers"][0]()
    supernet = Supernet(space, seed=0)
    x = SPACES["layers"][1]
    before, weights = supernet(x), {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    Penalty("macs").bind(supernet, example=x)
    assert torch.equal(supernet(x), before) and supernet.training
    assert all(torch.equal(tensor, weights[name]) for name, tensor in supernet.state_dict().items())


def test_restrictions_make_no_difference_to_an_exact_expectation_but_to_an_estimate():
    half, restricted = (
        torch.tensor([0.5, 0.5]),
        ModelSpace(Tied).where(lambda a: a["a"] == a["b"] == "skip", "skips alone"),
    )
    probabilities = {"width": half, "a": half, "b": half}
    exact, estimated = bound(restricted), bound(restricted, samples=64)
    assert (
        exact.expected(probabilities)
        == bound(ModelSpace(Tied)).expected(probabilities)
        == 12 + 13 + 9 + 20 * 0.75
    )
    # Of what is allowed, the layer of 20 is no part: 3 w + w + w² + w is 14 or 36 for widths of 2 and 4.
    assert {estimated.cost({"width": width, "a": "skip", "b": "skip"}) for width in (2, 4)} == {
        9 + 14,
        9 + 36,
    }
    assert 9 + 14 < float(estimated.expected(probabilities)) < 9 + 36
    table = {"a": {"skip": 1.0, "layer": 9.0}}
    assert float(bound(restricted, "latency_ms", table=table).expected(probabilities)) == 5
    assert (
        float(
            bound(
                restricted, "latency_ms", evaluator=lambda a, run: {"latency_ms": table["a"][a["a"]]}
            ).expected(probabilities)
        )
        == 1
    )


# --- estimates


class Measured:
    """Costs that are no sum: the square of the parameters' number."""

    def __call__(self, architecture, run):
        return {"energy": float(count_parameters(run.space.build(architecture, device="meta"))) ** 2}


def test_an_estimate_and_its_gradient_are_unbiased():
    space = ModelSpace(Nested)
    penalty = bound(space, "energy", evaluator=Measured(), samples=4)
    probabilities = {label: probability.requires_grad_() for label, probability in drawn(space).items()}
    generator = torch.Generator().manual_seed(0)
    repeats = 3_000
    mean = sum(penalty.expected(probabilities, generator) for _ in range(repeats)) / repeats
    mean.backward()

    def exact(given):
        return by_enumeration(space, given, penalty.cost)

    assert mean.item() == pytest.approx(exact(probabilities), rel=0.02)
    # Along a direction in which the probabilities of a parameter add up to 1.
    for label, ends in {"body": (2, 0), "body/0/op": (1, 0), "body/1/op": (1, 0)}.items():
        moved = {name: probability.detach().clone() for name, probability in probabilities.items()}
        moved[label][ends[0]] += 0.1
        moved[label][ends[1]] -= 0.1
        slope = (exact(moved) - exact(probabilities)) / 0.1
        gradient = probabilities[label].grad
        assert float(gradient[ends[0]] - gradient[ends[1]]) == pytest.approx(slope, rel=0.1)


def test_an_estimate_follows_from_the_probabilities_or_the_generator():
    space = ModelSpace(Nested)
    penalty = bound(space, "params", samples=2)
    probabilities, others = drawn(space), drawn(space, seed=7)
    assert penalty.expected(probabilities) == penalty.expected(probabilities)
    several = {
        float(penalty.expected(probabilities, torch.Generator().manual_seed(seed))) for seed in range(8)
    }
    assert len(several) > 1
    assert penalty.expected(others) != penalty.expected(probabilities)
    architecture = space.sample(np.random.default_rng(0))
    assert float(penalty.expected(one_hot(space, architecture))) == count_parameters(
        space.build(architecture, device="meta")
    )


def test_an_estimate_keeps_to_the_restrictions():
    space = (
        ModelSpace(Nested)
        .where(lambda a: a["body"] == 2, "two blocks")
        .where(lambda a: a.get("body/0/op") == "linear", "linear first")
    )
    penalty = bound(space, "params", samples=32)
    told = float(penalty.expected(drawn(space)))
    assert 21 < told < 37  # 5 of the head, 16 of the first block, and the second now and then


def test_an_estimate_that_meets_no_restriction(monkeypatch):
    monkeypatch.setattr(sampled_cost, "TRIES", 5)
    space = ModelSpace(Nested).where(lambda a: a["body"] == 2, "two blocks")
    penalty = bound(space, "params", samples=2, target=1.0)
    with pytest.raises(
        SupernetError,
        match="5 architectures were sampled by their probabilities, but all break the restrictions",
    ):
        penalty.expected({**drawn(space), "body": torch.tensor([0.5, 0.5, 0.0])})


def test_values_without_probabilities_are_drawn_uniformly():
    space = ModelSpace(Nested).extend({"lr": retia.Real(0.1, 1.0)})
    penalty = bound(
        space, "lr", evaluator=lambda architecture, run: {"lr": architecture["lr"]}, samples=2_000
    )
    assert float(penalty.expected(drawn(space))) == pytest.approx(0.55, abs=0.02)


# --- what can't be


def test_a_cost_that_the_modules_do_not_make():
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.depth = retia.choice("depth", [1, 2])
            self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(self.depth)])

        def forward(self, x):
            for i in range(self.depth):
                x = self.layers[i](x)
            return x

    example = torch.zeros(2, 4)
    supernet = Supernet(ModelSpace(Loop), example=example, seed=0)
    with pytest.raises(
        SupernetError,
        match=r"the expected params of .*Loop.* their sum is 40, but the model has 20 for \{'depth': 1\}.*samples=16",
    ):
        Penalty("params").bind(supernet)
    assert Penalty("params", samples=4).bind(supernet).cost({"depth": 1}) == 20


def test_flops_without_an_example():
    with pytest.raises(SupernetError, match="flops depend on the inputs. Give example= to Penalty.bind"):
        bound(ModelSpace(Nested), "flops")


def test_a_size_that_depends_on_a_real_interval():
    class Scaled(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(4, retia.apply(lambda r: int(8 * r), retia.real("ratio", 0.5, 1.0))))

    with pytest.raises(
        SupernetError, match="expected params of .* it depends on 'ratio', a real interval.*discretize"
    ):
        bound(ModelSpace(Scaled))


def test_too_many_combinations(monkeypatch):
    monkeypatch.setattr(cost_table, "ENTRIES", 5)
    with pytest.raises(
        SupernetError,
        match=r"depends on \['a', 'b', 'width'\].*8 combinations|depends on \['ratio', 'width'\].*6 combinations",
    ):
        bound(SPACES["widths"][0]())
    latencies = {"body/1/op": {"skip": 1.0, "linear": 2.0}}
    with pytest.raises(
        SupernetError,
        match=r"expected 'latency_ms' of 'body/1/op' from its table: .*\['body', 'body/1/op'\].* 6 combinations",
    ):
        bound(ModelSpace(Nested), "latency_ms", table=latencies)


def test_one_part_with_too_many_values(monkeypatch):
    monkeypatch.setattr(cost_table, "ENTRIES", 1)
    with pytest.raises(
        SupernetError,
        match=r"a part of it depends on \['body'\], which have 3 combinations of values, more than 1",
    ):
        bound(ModelSpace(Nested))


def test_too_many_dry_runs(monkeypatch):
    monkeypatch.setattr(expected_flops, "RUNS", 2)
    with pytest.raises(SupernetError, match="expected macs of .* more than 2 dry runs"):
        bound(ModelSpace(Nested), "macs", (4,))


def test_a_model_that_reads_values():
    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, retia.choice("width", [2, 3]))

        def forward(self, x):
            return self.layer(x) if float(x.sum()) >= 0 else x

    with pytest.raises(
        SupernetError,
        match="expected macs of .* does not run on the meta device for {'width': .*}.*samples=16",
    ):
        bound(ModelSpace(Reads), "macs", (4,))
    assert bound(ModelSpace(Reads), "macs", (4,), samples=2).cost({"width": 3}) == 12


def test_probabilities_that_do_not_fit():
    penalty = bound(ModelSpace(Tied))
    half = torch.tensor([0.5, 0.5])
    with pytest.raises(
        SupernetError, match="depends on 'width' and needs the probabilities of its 2 values, got nothing"
    ):
        penalty.expected({"a": half, "b": half})
    with pytest.raises(SupernetError, match=r"its 2 values, got a tensor of the shape \(3,\)"):
        penalty.expected({"a": half, "b": half, "width": torch.ones(3) / 3})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"depth": {1: 1.0}},
            "'latency_ms' has 'depth', which is not a parameter of the space. Use the labels",
        ),
        ({"body": {0: 1.0, 1: 2.0}}, r"one cost for each value of 'body', \[0, 1, 2\], but lacks 2"),
        ({"body": {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}}, "but has 3"),
        ({"lr": {0.1: 1.0}}, "has 'lr', a real interval"),
    ],
)
def test_tables_that_do_not_fit(table, message):
    with pytest.raises(SupernetError, match=message):
        bound(ModelSpace(Nested).extend({"lr": retia.Real(0.1, 1.0)}), "latency_ms", table=table)


def test_an_evaluator_without_the_metric():
    with pytest.raises(SupernetError, match=r"Measured returns \['energy'\], but not 'latency_ms'"):
        bound(ModelSpace(Nested), "latency_ms", evaluator=Measured())
