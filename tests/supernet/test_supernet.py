import copy

import pytest
import torch
from torch import nn

import retia
from retia.errors import ArchitectureError, SpaceError, SupernetError
from retia.nn import ModelSpace
from retia.supernet import Supernet, load_pretrained, recalibrate
from retia.testing import SUPERNET_LAWS, assert_laws


class Net(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        width = retia.choice("width", [4, 8])
        self.stem = nn.Linear(3, width)
        self.body = retia.repeat(
            "body", lambda i: nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width)), (1, 3)
        )
        self.act = retia.layer_choice(
            "act", {"relu": nn.ReLU, "gate": lambda: nn.Linear(width, width), "tanh": nn.Tanh}
        )
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.act(self.body(self.stem(x))))


SMALL = {"width": 4, "body": 1, "act": "relu"}
LARGE = {"width": 8, "body": 3, "act": "gate"}


@pytest.fixture
def space():
    return ModelSpace(Net)


@pytest.fixture
def supernet(space):
    return Supernet(space, seed=0)


@pytest.fixture
def x():
    return torch.randn(5, 3, generator=torch.Generator().manual_seed(0))


def test_it_starts_with_the_default_architecture(supernet, space):
    assert supernet.architecture == space.default() == SMALL


def test_the_same_seed_makes_the_same_weights_and_no_seed_leaves_them_to_torch(space, moves_generators):
    first, second = Supernet(space, seed=3), Supernet(space, seed=3)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    torch.manual_seed(0)
    drawn = Supernet(space)
    torch.manual_seed(0)
    again = Supernet(space)
    assert torch.equal(drawn.model.stem.weight, again.model.stem.weight)
    assert not torch.equal(drawn.model.stem.weight, Supernet(space).model.stem.weight)


def test_full_weights_are_what_parameters_gives_and_parts_what_layers_read(supernet):
    named = dict(supernet.named_parameters())
    assert named["model.stem.weight"].shape == (8, 3)
    supernet.activate(SMALL)
    assert supernet.model.stem.weight.shape == (4, 3)
    assert torch.equal(supernet.model.stem.weight, named["model.stem.weight"][:4])
    assert supernet.state_dict()["model.stem.weight"].shape == (8, 3)


def test_memory_is_that_of_the_candidates(space, supernet):
    largest = sum(p.numel() for p in space.build(LARGE, device="meta").parameters())
    assert sum(p.numel() for p in supernet.parameters()) == largest  # the other candidates have no weights


def test_an_optimizer_step_moves_the_part_and_nothing_else(supernet, x):
    supernet.activate(SMALL)
    before = {name: p.detach().clone() for name, p in supernet.named_parameters()}
    optimizer = torch.optim.SGD(supernet.parameters(), lr=1.0)
    supernet(x).square().sum().backward()
    optimizer.step()
    after = dict(supernet.named_parameters())
    stem, deep = "model.stem.weight", "model.body.2.0.weight"
    assert not torch.equal(after[stem][:4], before[stem][:4])
    assert torch.equal(after[stem][4:], before[stem][4:])
    assert torch.equal(after[deep], before[deep])


def test_only_what_is_active_runs(supernet, x):
    ran = []
    for name, module in supernet.named_modules():
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
    supernet.activate({**SMALL, "body": 2, "act": "tanh"})
    supernet(x)
    assert "model.body.1.0" in ran
    assert "model.body.2.0" not in ran
    assert "model.act.candidates.2" in ran
    assert "model.act.candidates.1" not in ran


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"width": 4, "body": 1}, "act"),
        ({**SMALL, "width": 5}, "'width' takes one of"),
        ({**SMALL, "depth": 5}, "depth"),
        ({}, "width"),
    ],
)
def test_an_invalid_or_partial_architecture_is_refused_and_changes_nothing(supernet, architecture, message):
    for method in (supernet.activate, supernet.extract, supernet.subnet):
        with pytest.raises(ArchitectureError, match=message):
            method(architecture)
    assert supernet.architecture == SMALL
    assert supernet.model.stem.weight.shape == (4, 3)


def test_extract_returns_copies_and_leaves_the_architecture_active(supernet, x):
    supernet.eval()
    before = supernet(x)
    weights = supernet.extract(LARGE)
    for tensor in weights.values():
        tensor.zero_()
    assert supernet.architecture == SMALL
    assert torch.equal(supernet(x), before)
    assert set(weights) > {"stem.weight", "act.weight", "body.2.1.running_mean"}


def test_activated_is_for_a_while_even_if_something_fails(supernet):
    with pytest.raises(ZeroDivisionError), supernet.activated(LARGE):
        assert supernet.architecture == LARGE
        raise ZeroDivisionError
    assert supernet.architecture == SMALL
    assert supernet.model.stem.weight.shape == (4, 3)


def test_a_subnet_is_plain_and_independent(supernet, x):
    model = supernet.eval().subnet(LARGE)
    assert {type(module).__module__.split(".")[0] for module in model.modules()} == {
        "torch",
        Net.__module__.split(".")[0],
    }
    assert not any(
        "lastic" in type(module).__name__ or "Mixed" in type(module).__name__ for module in model.modules()
    )
    before = model(x)
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.zero_()
    assert torch.equal(model(x), before)


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_a_subnet_has_the_types_of_the_supernet(supernet, x, kind):
    supernet.eval().to(kind)
    supernet.model.head.float()
    model = supernet.subnet(LARGE)
    assert {name: tensor.dtype for name, tensor in model.state_dict().items()} == {
        name: torch.float32 if name.startswith("head") else torch.long if "batches" in name else kind
        for name in model.state_dict()
    }
    supernet.activate(LARGE)
    assert torch.equal(
        model.body(model.stem(x.to(kind))), supernet.model.body(supernet.model.stem(x.to(kind)))
    )


@pytest.mark.parametrize("architecture", [SMALL, LARGE])
@pytest.mark.parametrize("assign", [False, True])
def test_weights_of_all_architectures_are_saved_and_loaded_whichever_is_active(
    space, supernet, tmp_path, architecture, assign
):
    with torch.no_grad():
        for number, tensor in enumerate(supernet.state_dict().values()):
            tensor.fill_(number)
    torch.save(supernet.state_dict(), tmp_path / "weights.pt")
    other = Supernet(space, seed=1)
    other.activate(architecture)
    other.load_state_dict(torch.load(tmp_path / "weights.pt"), assign=assign)
    assert all(
        torch.equal(a, b)
        for a, b in zip(other.state_dict().values(), supernet.state_dict().values(), strict=True)
    )


def test_weights_are_loaded_into_a_supernet_on_meta(space, supernet):
    other = Supernet(space, device="meta")
    other.activate(LARGE)
    other.load_state_dict(supernet.state_dict(), assign=True)
    assert all(
        torch.equal(a, b)
        for a, b in zip(other.state_dict().values(), supernet.state_dict().values(), strict=True)
    )


def test_a_subnet_moves_no_generator_and_is_trainable(supernet):
    model = supernet.train().subnet()
    assert model.training
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in model.parameters())


def test_copy_into_a_model_of_the_architecture(supernet, space, x):
    model = space.build(LARGE, seed=5).eval()
    supernet.eval().copy_into(model, LARGE)
    with supernet.activated(LARGE):
        assert torch.allclose(model(x), supernet(x), atol=1e-6)


def test_copy_into_a_model_of_another_architecture_or_space_is_refused(supernet, space):
    model = space.build(LARGE, seed=5)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(SupernetError, match=r"'stem.weight' has the shape \(8, 3\) instead of \(4, 3\)"):
        supernet.copy_into(model, {**LARGE, "width": 4})
    with pytest.raises(SupernetError, match=r"'act.weight' is not in such a model"):
        supernet.copy_into(model, {**LARGE, "act": "relu"})
    with pytest.raises(SupernetError, match=r"'body.1.0.weight' is missing"):
        supernet.copy_into(space.build({**LARGE, "body": 1}, seed=5), LARGE)
    with pytest.raises(SupernetError, match=r"'head.weight' has the shape \(3, 8\) instead of \(2, 8\)"):
        supernet.copy_into(ModelSpace(Net, classes=3).build(LARGE, seed=0), LARGE)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_pretrained_weights_fill_their_part_alone(supernet, space, x):
    model = space.build({**LARGE, "width": 4}, seed=7).eval()
    full = supernet.eval().model.stem._parameters["weight"]
    rest = full.detach()[4:].clone()
    load_pretrained(supernet, model, {**LARGE, "width": 4})
    assert torch.equal(full[4:], rest)
    assert supernet.architecture == SMALL
    with supernet.activated({**LARGE, "width": 4}):
        assert torch.allclose(supernet(x), model(x), atol=1e-6)


def test_pretrained_weights_are_given_to_smaller_architectures(supernet, space):
    model = space.build(LARGE, seed=7)
    load_pretrained(supernet, model.state_dict(), LARGE)
    assert torch.equal(supernet.extract(SMALL)["stem.weight"], model.stem.weight[:4])


def test_pretrained_weights_reach_blocks_of_gates(x):
    def net():
        return nn.LSTM(3, retia.choice("hidden", [2, 4]), batch_first=True)

    space = ModelSpace(net)
    supernet, model = Supernet(space, seed=0), space.build({"hidden": 2}, seed=9)
    load_pretrained(supernet, model, {"hidden": 2})
    supernet.activate({"hidden": 2})
    sequence = x.unsqueeze(0)
    assert torch.allclose(supernet(sequence)[0], model(sequence)[0], atol=1e-6)


def test_pretrained_weights_of_another_architecture_are_refused(supernet, space):
    with pytest.raises(
        SupernetError,
        match=r"not the weights of a model of \{'width': 4.*'stem.weight' has the shape \(8, 3\) instead of \(4, 3\)",
    ):
        load_pretrained(supernet, space.build({**SMALL, "width": 8}, seed=0))
    with pytest.raises(ArchitectureError, match="width"):
        load_pretrained(supernet, space.build(SMALL, seed=0), {**SMALL, "width": 5})


def test_a_mixture_is_the_weighted_sum_of_the_candidates(supernet, x):
    supernet.eval()
    outputs = []
    for act in ("relu", "gate", "tanh"):
        supernet.activate({**SMALL, "act": act})
        outputs.append(supernet.model.act(supernet.model.body(supernet.model.stem(x))))
    weights = torch.tensor([0.5, 0.3, 0.2], requires_grad=True)
    supernet.mix({"act": weights})
    mixed = supernet(x)
    expected = supernet.model.head(sum(w * y for w, y in zip([0.5, 0.3, 0.2], outputs, strict=True)))
    assert torch.allclose(mixed, expected, atol=1e-6)
    mixed.sum().backward()
    assert weights.grad.shape == (3,)
    assert weights.grad.abs().min() > 0


def test_activating_ends_a_mixture(supernet, x):
    supernet.eval()
    before = supernet(x)
    supernet.mix({"act": torch.ones(3)})
    assert not torch.allclose(supernet(x), before)
    supernet.activate(SMALL)
    assert torch.equal(supernet(x), before)


def test_recalibrated_statistics_are_those_of_the_batches(supernet, x):
    supernet.activate({**SMALL, "body": 1})
    norm = supernet.model.body[0][1]
    full = norm._buffers["running_mean"]
    full.fill_(7.0)
    second = supernet.model.body._modules["1"][1]._buffers["running_mean"]
    second.fill_(5.0)
    recalibrate(supernet.train(), [x, (2 * x, torch.zeros(5))])
    features = [supernet.model.body[0][0](supernet.model.stem(batch)) for batch in (x, 2 * x)]
    expected = (features[0].mean(0) + features[1].mean(0)) / 2
    assert torch.allclose(norm.running_mean, expected, atol=1e-6)
    assert torch.equal(full[4:], torch.full((4,), 7.0))  # what the architecture does not use
    assert torch.equal(second, torch.full((8,), 5.0))
    assert supernet.training
    assert norm.training
    assert norm.momentum == 0.1


def test_recalibration_needs_a_batch_and_keeps_modes(supernet):
    supernet.eval()
    with pytest.raises(SupernetError, match="at least one batch"):
        recalibrate(supernet, [])
    assert not any(module.training for module in supernet.modules())
    assert supernet.model.body[0][1].momentum == 0.1


def test_what_is_no_model_space_is_refused():
    with pytest.raises(SupernetError, match=r"Give ModelSpace\(Net\)"):
        Supernet(Net)


def test_a_constructor_that_fails_says_so():
    def net():
        width = retia.choice("width", [4, 8])
        if width < 8:
            raise ValueError("too narrow")
        return nn.Linear(3, width)

    with pytest.raises(SpaceError, match=r"fails for \{'width': 4\}: ValueError: too narrow"):
        Supernet(ModelSpace(net))


def test_a_constructor_that_needs_values_is_checked_on_the_cpu(x):
    def net():
        width = retia.choice("width", [4, 8])
        layer = nn.Linear(3, width)
        layer.scale = float(torch.ones(1).sum().item())
        return layer

    with pytest.warns(UserWarning, match="meta"):
        space = ModelSpace(net)
    supernet = Supernet(space, example=x, seed=0)
    supernet.activate({"width": 4})
    assert supernet(x).shape == (5, 4)


def test_where_the_default_is_excluded_another_architecture_is_active(space):
    supernet = Supernet(space.where(lambda a: a["width"] == 8, "wide"), seed=0)
    assert supernet.architecture["width"] == 8


def test_values_of_other_types_are_slots_too():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.mode = retia.choice("mode", ["up", "down"])
            self.sizes = {"a": [retia.choice("a", [1, 2])], "b": (retia.real("b", 0.0, 1.0), "c")}
            self.pair = retia.choice("pair", [(1, 2), (3, 4)])
            self.flag = retia.choice("flag", [False, True])

        def forward(self, x):
            return (
                x * self.sizes["a"][0]
                + self.sizes["b"][0]
                + sum(self.pair)
                + (100 if self.mode == "up" else 0)
                + (1000 if self.flag else 0)
            )

    supernet = Supernet(ModelSpace(Odd))
    supernet.activate({"mode": "up", "a": 2, "b": 0.25, "pair": (3, 4), "flag": False})
    assert supernet(10) == 20 + 0.25 + 7 + 100
    supernet.activate({"mode": "down", "a": 1, "b": 0.5, "pair": (1, 2), "flag": True})
    assert supernet(10) == 10 + 0.5 + 3 + 1000
    assert type(supernet.model.flag) is bool


# --- values that do not fit together


class Attends(nn.Module):
    """The greatest width and the most heads do not fit together; neither is always the one to give way."""

    def __init__(self, demand):
        super().__init__()
        width, heads = retia.choice("width", [6, 8, 12]), retia.choice("heads", [2, 3, 8])
        demand(width, heads)
        self.stem = nn.Linear(4, width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x):
        x = self.stem(x)
        return self.attention(x, x, x)[0]


def _require(width, heads):
    retia.require(width % heads == 0)


def _reject(width, heads):
    if heads == 3:
        retia.reject("heads that are too small")


def _assert(width, heads):
    assert width % heads == 0, "heads do not fit"


def test_a_supernet_of_a_constructor_that_requires():
    space = retia.ModelSpace(Attends, _require)
    assert space.traced_with == {"heads": 3}
    assert space.size() == 6
    assert_laws(SUPERNET_LAWS, space, torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0)))
    supernet = retia.Supernet(space, seed=0)
    supernet.activate({"width": 8, "heads": 8})  # more heads than it was traced with
    assert supernet.model.attention.num_heads == 8


def test_a_supernet_whose_tensors_are_larger_than_those_it_was_traced_with():
    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            width, groups = retia.choice("width", [8, 15]), retia.choice("groups", [4, 5])
            retia.require(width % groups == 0)
            self.stem = nn.Linear(4, width)
            self.norm = nn.GroupNorm(groups, width)

        def forward(self, x):
            return self.norm(self.stem(x))

    space = retia.ModelSpace(Wide).where(lambda a: True)
    assert {tuple(a.values()) for a in space.enumerate()} == {(8, 4), (15, 5)}
    space.traced_with = {"width": 8, "groups": 4}
    assert_laws(SUPERNET_LAWS, space, torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))
    assert Supernet(space, seed=0).extract({"width": 15, "groups": 5})["stem.weight"].shape == (15, 4)


def test_a_supernet_of_a_constructor_that_rejects():
    space = retia.ModelSpace(Attends, _reject).where(lambda a: a["width"] % a["heads"] == 0)
    with pytest.raises(
        SupernetError,
        match=r"rejects {'width': \d+, 'heads': 3}: heads that are too small\. .*retia\.require\(condition\)",
    ):
        Supernet(space)


def test_a_supernet_of_a_constructor_that_asserts():
    with pytest.raises(
        (SpaceError, SupernetError), match=r"exclude them with retia\.require|Exclude such architectures"
    ):
        retia.Supernet(retia.ModelSpace(Attends, _assert))
