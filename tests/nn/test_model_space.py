import gc
import threading
import warnings
import weakref

import cloudpickle
import numpy as np
import pytest
import torch
from safetensors.torch import save_model
from torch import nn

from retia.errors import ArchitectureError, InfeasibleArchitecture, SpaceError
from retia.nn import ModelSpace, layer_choice, repeat, seeded
from retia.space import Real, apply, choice, expression_of, integer, reject, require, scope


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        kernel = choice("kernel", [3, 5, 7])
        self.conv = nn.Conv2d(width, width, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(width)
        self.act = layer_choice("act", {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU})

    def forward(self, x):
        return x + self.act(self.norm(self.conv(x)))


class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        width = choice("width", [16, 32, 64])
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.body = repeat("body", lambda i: Block(width), (1, 6))
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


class Small(nn.Sequential):
    def __init__(self):
        width = choice("width", [2, 3])
        super().__init__(nn.Linear(4, width), layer_choice("act", [nn.ReLU, nn.Tanh]), nn.Linear(width, 2))


def shapes(model):
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


@pytest.fixture(scope="module")
def space():
    return ModelSpace(Net, classes=7)


# --- what is found


def test_the_size_of_the_example(space):
    assert space.size() == 3 * sum(9**depth for depth in range(1, 7))


def test_the_labels_of_the_example(space):
    assert list(space.parameters)[:4] == ["width", "body", "body/0/kernel", "body/0/act"]
    assert str(space.parameters["body/3/kernel"].condition) == "body in {4, 5, 6}"


def test_the_name_is_that_of_the_class(space):
    assert space.name == "Net"


def test_tracing_allocates_no_memory():
    made = []

    class Huge(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(choice("width", [1, 1_000_000]), 1_000_000)
            made.append(self.layer.weight)

    assert ModelSpace(Huge).size() == 2
    assert made
    assert all(
        (weight.device.type, tuple(weight.shape)) == ("meta", (1_000_000, 1_000_000)) for weight in made
    )


def test_tracing_keeps_no_model():
    made = []

    class Watched(Small):
        def __init__(self):
            super().__init__()
            made.append(weakref.ref(self))

    space = ModelSpace(Watched)
    gc.collect()
    assert space.size() == 4
    assert [reference() for reference in made] == [None]


def test_arguments_reach_the_constructor():
    def factory(first, second, *, third):
        return nn.Sequential(nn.Linear(first, choice("width", [2, 4])), nn.Linear(second, third))

    built = ModelSpace(factory, 3, 5, third=7).build({"width": 4}, device="meta")
    assert shapes(built) == {"0.weight": (4, 3), "0.bias": (4,), "1.weight": (7, 5), "1.bias": (7,)}


def test_a_model_without_a_choice_is_a_space_of_one():
    space = ModelSpace(nn.Linear, 2, 3)
    assert space.size() == 1
    assert shapes(space.build({}, device="meta")) == {"weight": (3, 2), "bias": (3,)}


def test_a_plain_constructor_is_the_default_architecture(space):
    with seeded(0):
        plain = Net(classes=7)
    built = space.build(space.default(), seed=0)
    assert str(built) == str(plain)
    assert shapes(built) == shapes(plain)
    assert all(
        torch.equal(a, b)
        for a, b in zip(built.state_dict().values(), plain.state_dict().values(), strict=True)
    )


# --- what is built


def test_a_build_has_the_numbers_of_its_architecture(space):
    model = space.build(
        {
            "width": 32,
            "body": 2,
            "body/0/kernel": 7,
            "body/0/act": "silu",
            "body/1/kernel": 5,
            "body/1/act": "relu",
        },
        device="meta",
    )
    assert [(block.conv.kernel_size, block.conv.padding) for block in model.body] == [
        ((7, 7), (3, 3)),
        ((5, 5), (2, 2)),
    ]
    assert [type(block.act) for block in model.body] == [nn.SiLU, nn.ReLU]
    a_block = [32 * 32 * kernel**2 + 32 + 2 * 32 for kernel in (7, 5)]
    assert sum(p.numel() for p in model.parameters()) == 32 * 9 + 32 + sum(a_block) + 32 * 7 + 7


def test_random_architectures_run_forward(space):
    images = torch.ones(2, 1, 6, 6)
    for i in range(8):
        model = space.build(space.sample(np.random.default_rng(i)), seed=i)
        out = model(images)
        assert out.shape == (2, 7)
        assert out.isfinite().all()


def test_a_built_model_has_no_trace_of_the_search(space):
    model = space.build(space.sample(np.random.default_rng(5)), device="meta")
    for module in model.modules():
        assert type(module).__module__.startswith("torch.nn") or type(module) in (Net, Block)
        for value in vars(module).values():
            for item in value if isinstance(value, tuple | list) else (value,):
                assert not type(item).__module__.startswith("retia")
    assert type(model.body) is nn.Sequential
    assert type(model.stem.out_channels) is int


def test_a_build_on_meta_has_no_memory(space):
    model = space.build(space.default(), device="meta")
    assert {tensor.device.type for tensor in model.state_dict().values()} == {"meta"}


def test_a_build_is_on_the_cpu_by_default(space):
    with seeded(0):
        model = space.build(space.default())
    assert {tensor.device.type for tensor in model.state_dict().values()} == {"cpu"}


def test_a_build_on_meta_has_the_shapes_and_types_of_one_on_the_cpu(space):
    for i in range(4):
        architecture = space.sample(np.random.default_rng(i))
        real, meta = space.build(architecture, seed=0), space.build(architecture, device="meta")
        assert shapes(real) == shapes(meta)
        assert [t.dtype for t in real.state_dict().values()] == [t.dtype for t in meta.state_dict().values()]
        assert [p.requires_grad for p in real.parameters()] == [p.requires_grad for p in meta.parameters()]


def test_a_seed_gives_the_same_weights():
    space = ModelSpace(Small)
    first, second, other = (space.build(space.default(), seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["0.weight"], other["0.weight"])


def test_a_seed_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    space = ModelSpace(Small)
    space.build(space.default(), seed=1)
    space.build(space.default(), device="meta")
    with space.seeded(4):
        torch.rand(1)
    assert torch.equal(torch.get_rng_state(), before)


def test_without_a_seed_it_draws_as_torch_does():
    space = ModelSpace(Small)
    with seeded(3):
        built = space.build(space.default())
    assert torch.equal(built[0].weight, space.build(space.default(), seed=3)[0].weight)


def test_architectures_are_checked(space):
    with pytest.raises(ArchitectureError, match="'width' takes one of"):
        space.build({**space.default(), "width": 17})
    with pytest.raises(ArchitectureError, match="The space has no parameter 'depth'"):
        space.build({**space.default(), "depth": 1})
    with pytest.raises(ArchitectureError, match="lacks 'body'"):
        space.build({"width": 16})
    with pytest.raises(ArchitectureError, match="'body/5/act' is not active"):
        space.build({**space.default(), "body/5/act": "relu"})


def test_a_restriction_on_a_parameter_that_is_not_always_active():
    def factory():
        return nn.Sequential(
            repeat("b", lambda i: nn.Linear(2, 2, bias=choice("bias", [True, False])), (1, 3))
        )

    space = ModelSpace(factory).where(lambda a: a["b/2/bias"], "biased")
    with pytest.raises(
        SpaceError,
        match=r"The restriction 'biased' reads 'b/2/bias', which is not active in .*: it exists only while b=3\. .*'b/2/bias' not in a or",
    ):
        space.default()
    with pytest.raises(SpaceError, match="reads 'c', which is not one of the labels"):
        ModelSpace(factory).where(lambda a: a["c"]).default()
    assert ModelSpace(factory).where(lambda a: "b/2/bias" not in a or a["b/2/bias"]).size() == 2 + 4 + 4


def test_a_restriction_holds_for_builds():
    space = ModelSpace(Small).where(lambda x: x["width"] == 2, "width is 2")
    assert type(space) is ModelSpace
    assert space.size() == 2
    with pytest.raises(ArchitectureError, match="breaks the restriction 'width is 2'"):
        space.build({"width": 3, "act": "ReLU"})


# --- further parameters


def test_an_extended_space_builds_the_same_models():
    space = ModelSpace(Small).extend({"lr": Real(0.1, 1.0)})
    assert type(space) is ModelSpace
    assert len(space) == 3
    model = space.build({"width": 3, "act": "Tanh", "lr": 0.5}, device="meta")
    assert shapes(model)["0.weight"] == (3, 4)


def test_extending_twice():
    space = ModelSpace(Small).extend({"lr": Real(0.1, 1.0)}).extend({"decay": Real(0.1, 1.0)})
    assert shapes(space.build({"width": 3, "act": "Tanh", "lr": 0.5, "decay": 0.2}, device="meta"))[
        "0.weight"
    ] == (3, 4)


def test_extending_by_a_label_that_exists():
    with pytest.raises(SpaceError, match="The space already has a parameter 'width'"):
        ModelSpace(Small).extend({"width": Real(0.0, 1.0)})


# --- storage


def test_it_pickles():
    def factory(extra):
        return nn.Sequential(
            nn.Linear(choice("width", [2, 3]), extra), repeat("body", lambda i: nn.ReLU(), (0, 2))
        )

    space = ModelSpace(factory, 5)
    again = cloudpickle.loads(cloudpickle.dumps(space))
    assert again.to_json() == space.to_json()
    architecture = space.sample(np.random.default_rng(0))
    assert str(again.build(architecture, device="meta")) == str(space.build(architecture, device="meta"))


def test_it_pickles_after_use_and_with_restrictions():
    space = ModelSpace(Small).extend({"lr": Real(0.1, 1.0)}).where(lambda x: x["lr"] < 0.9)
    space.build(space.default(), device="meta")
    again = cloudpickle.loads(cloudpickle.dumps(space))
    assert again.default() == space.default()


def test_weights_are_loaded(tmp_path):
    space = ModelSpace(Small)
    model = space.build({"width": 3, "act": "Tanh"}, seed=5)
    save_model(model, str(tmp_path / "weights.safetensors"))
    loaded = space.load({"width": 3, "act": "Tanh"}, tmp_path / "weights.safetensors")
    assert not loaded.training
    assert torch.equal(loaded(torch.ones(1, 4)), model(torch.ones(1, 4)))


def test_weights_of_another_architecture(tmp_path):
    space = ModelSpace(Small)
    save_model(space.build({"width": 3, "act": "Tanh"}, seed=5), str(tmp_path / "weights.safetensors"))
    with pytest.raises(
        SpaceError,
        match=r"(?s)weights\.safetensors do not fit this architecture: .*Take the code of Small",
    ):
        space.load({"width": 2, "act": "Tanh"}, tmp_path / "weights.safetensors")


# --- what can't be traced


def test_what_is_no_constructor():
    with pytest.raises(SpaceError, match="takes the class of a model or a function that makes it, got 3"):
        ModelSpace(3)


def test_an_instance():
    with pytest.raises(SpaceError, match=r"got Linear\(.*Give the class, not an instance of it"):
        ModelSpace(nn.Linear(2, 2, device="meta"))


def test_a_constructor_that_makes_no_module():
    with pytest.raises(SpaceError, match=r"dict must make a torch\.nn\.Module, got \{\}"):
        ModelSpace(dict)


def test_a_constructor_that_fails():
    def factory():
        width = choice("width", [2, 4])
        raise KeyError(f"no width {width}")

    with pytest.raises(
        SpaceError,
        match=r"constructor of factory fails while it is traced, .*\(width: .*\): KeyError: 'no width 4'",
    ) as caught:
        ModelSpace(factory)
    assert type(caught.value.__cause__) is KeyError


# --- values that do not fit together


class Heads(nn.Module):
    def __init__(self, widths=(8, 16, 32), heads=(2, 3)):
        super().__init__()
        width, heads = choice("width", widths), choice("heads", heads)
        assert width % heads == 0, "the heads do not divide the width"
        self.attention = nn.MultiheadAttention(width, heads)
        self.act = layer_choice("act", [nn.ReLU, nn.GELU])


def test_tracing_tries_other_values_where_the_greatest_do_not_fit():
    space = ModelSpace(Heads)
    assert list(space.parameters) == ["width", "heads", "act"]
    assert space.traced_with == {"heads": 2}
    assert space.size() == 12
    assert space.build({"width": 32, "heads": 2, "act": "ReLU"}, device="meta").attention.embed_dim == 32
    assert space.assemble("meta").attention.embed_dim == 32


def test_the_values_that_stay_are_the_greatest():
    assert ModelSpace(Heads, (8, 30), (4, 3)).traced_with == {"heads": 3}
    assert ModelSpace(Heads, (8, 28), (3, 4)).traced_with == {}
    assert ModelSpace(Heads, (8, 30), (2, 4)).traced_with == {"heads": 2}
    assert ModelSpace(Heads, (8, 16, 30), (2, 7)).traced_with == {"heads": 2}


def test_several_misfits_at_once():
    def factory():
        for i in range(3):
            with scope(str(i)):
                Heads()
        return nn.Linear(choice("width", [2, 3]), 2)

    space = ModelSpace(factory)
    assert space.traced_with == {f"{i}/heads": 2 for i in range(3)}
    assert len(space) == 10


def test_a_candidate_that_does_not_fit():
    def factory():
        width = choice("width", [8, 15])
        return layer_choice(
            "mixer",
            {"attention": lambda: nn.MultiheadAttention(width, 4), "linear": lambda: nn.Linear(width, width)},
        )

    assert ModelSpace(factory).traced_with == {"width": 8}


def test_a_constructor_that_fails_with_all_values_says_what_was_tried():
    def factory():
        width = choice("width", [12, 14])
        assert width % 5 == 0, f"{width} is not a multiple of 5"
        return nn.Linear(width, 2)

    with pytest.raises(
        SpaceError,
        match=r"(?s)greatest value .*AssertionError: 14 is not.* It fails with other values as well: 1 combination, such as {'width': 12}\.$",
    ) as caught:
        ModelSpace(factory)
    assert type(caught.value.__cause__) is AssertionError


def test_an_error_that_other_values_would_not_mend_ends_the_trace():
    runs = []

    def factory():
        runs.append(choice("width", [12, 14]))
        return nn.Lineal(runs[0], 2) if not runs else open("/no/such/file")

    with pytest.raises(SpaceError, match="FileNotFoundError: .*/no/such/file'.$"):
        ModelSpace(factory)
    assert len(runs) == 2  # on meta and on the CPU


def test_a_constructor_that_rejects_is_traced_with_other_values():
    def factory():
        width, depth = choice("width", [8, 16]), choice("depth", [1, 2])
        if width * depth > 16:
            reject(f"{width} times {depth} is too much")
        return nn.Sequential(*(nn.Linear(width, width) for _ in range(int(depth))))

    space = ModelSpace(factory)
    assert space.size() == 4
    with pytest.raises(InfeasibleArchitecture, match=r"^16 times 2 is too much$"):
        space.build({"width": 16, "depth": 2})
    assert len(space.build({"width": 8, "depth": 2}, device="meta")) == 2


def test_a_constructor_that_always_rejects():
    def factory():
        choice("width", [8, 16])
        reject("never")

    with pytest.raises(InfeasibleArchitecture, match=r"^never It fails with other values"):
        ModelSpace(factory)


def test_a_constructor_requires():
    def factory():
        width, heads = choice("width", [8, 16, 32]), choice("heads", [2, 3])
        require(width % heads == 0)
        return nn.MultiheadAttention(width, heads)

    space = ModelSpace(factory)
    assert space.size() == 3
    with pytest.raises(InfeasibleArchitecture, match=r"breaks the restriction '\(width % heads\) == 0'"):
        space.build({"width": 8, "heads": 3})
    assert space.where(lambda a: a["width"] > 8, "wide").size() == 2


def test_exploring_goes_on_where_values_do_not_fit():
    def factory():
        width, heads = choice("width", [8, 16]), choice("heads", [2, 3])
        if width % heads:
            reject("no")
        if width > 8:
            choice("late", [1, 2])
        return nn.Linear(width, heads)

    space = ModelSpace(factory, explore=True)
    assert str(space.parameters["late"].condition) == "width=16"
    assert space.build({"width": 8, "heads": 2}, device="meta").in_features == 8


def test_a_missing_argument_of_the_constructor():
    with pytest.raises(
        SpaceError,
        match=r"Linear can't be called .*: missing a required argument: 'out_features'. Give the arguments to the space",
    ):
        ModelSpace(nn.Linear, 3)


def test_a_library_that_refuses_symbolic_values():
    def factory():
        width = choice("width", [8, 16])
        if type(width) is not int:
            raise TypeError(f"{type(width).__name__} is not a supported primitive type")
        return nn.Linear(width, 2)

    with pytest.raises(
        SpaceError,
        match=r"SymbolicInt is not a supported primitive type\. .*chosen values are subclasses .*int\(value\)",
    ):
        ModelSpace(factory)


def test_a_constructor_that_fails_for_one_architecture():
    def factory():
        return nn.MultiheadAttention(choice("width", [12, 14]), choice("heads", [3, 7]))

    space = ModelSpace(factory)
    with pytest.raises(
        InfeasibleArchitecture,
        match=r"The constructor of factory fails for \{'width': 12, 'heads': 7\}: AssertionError: embed_dim must be",
    ):
        space.build({"width": 12, "heads": 7})


def test_a_constructor_of_a_user_that_fails_for_one_architecture():
    def factory():
        width, heads = choice("width", [12, 14]), choice("heads", [3, 7])
        if width % heads:
            raise ValueError("not divisible")
        return nn.Linear(width, heads)

    space = ModelSpace(factory)
    with pytest.raises(
        SpaceError,
        match=r"fails for \{'width': 12, 'heads': 7\}: ValueError: not divisible.*exclude them with retia\.require",
    ):
        space.build({"width": 12, "heads": 7})


def test_an_error_of_ours_passes_unchanged():
    def factory():
        return nn.Linear(choice("width", [1, 1]), 2)

    with pytest.raises(SpaceError, match=r"^choice\('width'\): .*"):
        ModelSpace(factory)


class Reads(nn.Module):
    """Reads values of a tensor while it is constructed, which `meta` has none of."""

    def __init__(self):
        super().__init__()
        rates = [rate.item() for rate in torch.linspace(0, 0.5, choice("blocks", [2, 3]))]
        self.drops = nn.Sequential(*(nn.Dropout(rate) for rate in rates))
        self.layer = nn.Linear(choice("width", [2, 4]), 1)


def test_a_constructor_that_reads_values_is_traced_on_the_cpu():
    with pytest.warns(
        UserWarning,
        match=r"Reads can't be constructed on the meta device \(RuntimeError: .*traced on the CPU",
    ) as caught:
        space = ModelSpace(Reads)
    assert caught[0].filename == __file__
    assert space.size() == 4
    model = space.build({"blocks": 2, "width": 2}, seed=0)
    assert [drop.p for drop in model.drops] == [0.0, 0.5]


def test_exploring_on_the_cpu_warns_once():
    with pytest.warns(UserWarning, match="traced on the CPU") as caught:
        ModelSpace(Reads, explore=True)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_tracing_on_the_cpu_leaves_the_generator_alone():
    before = torch.get_rng_state()
    with pytest.warns(UserWarning, match="traced on the CPU"):
        ModelSpace(Reads)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_constructor_that_draws_leaves_the_generator_alone():
    class Draws(Small):
        def __init__(self):
            super().__init__()
            self.register_buffer("basis", torch.rand(3, device="cpu"))

    before = torch.get_rng_state()
    ModelSpace(Draws)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_failure_on_both_devices_is_that_of_the_cpu():
    def factory():
        if torch.zeros(1).device.type == "meta":
            raise RuntimeError("no data on meta")
        raise RuntimeError("never works")

    with pytest.raises(SpaceError, match="RuntimeError: never works"), warnings.catch_warnings():
        ModelSpace(factory)


# --- control flow


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        kind = choice("kind", ["wide", "deep"])
        self.layer = (
            nn.Linear(choice("width", [8, 16]), 2)
            if kind == "wide"
            else nn.Linear(2, choice("depth", [3, 4, 5]))
        )


def test_a_label_that_appears_only_for_other_values():
    with pytest.raises(
        SpaceError, match=r"'depth', which was not seen when the space was traced.*explore=True"
    ):
        ModelSpace(Branches).build({"kind": "deep", "width": 8})


def test_a_label_that_disappears_for_other_values():
    class Less(nn.Module):
        def __init__(self):
            super().__init__()
            if choice("wide", [1, 2]) == 2:
                self.layer = nn.Linear(choice("width", [8, 16]), 2)

    with pytest.raises(
        SpaceError, match=r"constructor of Less did not ask for 'width'.*though tracing saw it.*explore=True"
    ):
        ModelSpace(Less).build({"wide": 1, "width": 8})


def test_an_extended_space_finds_a_label_that_disappears():
    class Less(nn.Module):
        def __init__(self):
            super().__init__()
            if choice("wide", [1, 2]) == 2:
                self.layer = nn.Linear(choice("width", [8, 16]), 2)

    space = ModelSpace(Less).extend({"lr": Real(0.1, 1.0)})
    with pytest.raises(SpaceError, match="did not ask for 'width'"):
        space.build({"wide": 1, "width": 8, "lr": 0.5})


def test_a_domain_that_depends_on_another_choice():
    def factory():
        width = choice("width", [8, 16])
        return nn.Linear(choice("in", [width, 2]), 1)

    with pytest.raises(SpaceError, match="'in' is 16 in this architecture, but the constructor now offers"):
        ModelSpace(factory).build({"width": 8, "in": 16})


def test_exploring_finds_what_the_control_flow_hides():
    space = ModelSpace(Branches, explore=True)
    assert space.size() == 2 + 3
    assert str(space.parameters["width"].condition) == "kind=wide"
    assert str(space.parameters["depth"].condition) == "kind=deep"
    assert {str(space.build(x, device="meta").layer) for x in space.enumerate()} == {
        f"Linear(in_features={i}, out_features={o}, bias=True)"
        for i, o in [(8, 2), (16, 2), (2, 3), (2, 4), (2, 5)]
    }


def test_exploring_sees_through_range():
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList()
            for i in range(integer("depth", 1, 3)):
                with scope(str(i)):
                    self.layers.append(layer_choice("act", [nn.ReLU, nn.Tanh]))

    space = ModelSpace(Loop, explore=True)
    assert space.size() == 2 + 4 + 8
    assert all(len(space.build(x).layers) == x["depth"] for x in space.enumerate())


def test_computed_values_follow_the_architecture():
    def rounded(width):
        return (width * 3 // 4 + 7) // 8 * 8

    space = ModelSpace(
        lambda: nn.Linear(apply(rounded, choice("width", [16, 64])), choice("out", [2, 3]) * 2 + 1)
    )
    assert shapes(space.build({"width": 64, "out": 3}, device="meta")) == {"weight": (7, 48), "bias": (7,)}


# --- threads


def test_two_spaces_traced_in_two_threads_do_not_mix():
    barrier = threading.Barrier(2, timeout=20)
    before = torch.get_rng_state()
    spaces, errors = {}, []

    def factory(name):
        layers = nn.Sequential()
        with scope(name):
            for i in range(20):
                barrier.wait()
                layers.append(nn.Linear(choice(f"width{i}", [2, 3]), choice(f"out{i}", [4, 5])))
        return layers

    def trace(name):
        try:
            spaces[name] = ModelSpace(factory, name)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=trace, args=(name,)) for name in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for name, space in spaces.items():
        assert len(space) == 40
        assert all(label.startswith(f"{name}/") for label in space.parameters)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_thread_that_traces_does_not_disturb_plain_construction():
    inside, done = threading.Event(), threading.Event()

    def factory():
        inside.set()
        assert done.wait(20)
        return nn.Linear(choice("width", [2, 3]), 1)

    thread = threading.Thread(target=ModelSpace, args=(factory,))
    thread.start()
    assert inside.wait(20)
    width = choice("width", [2, 3])
    tensor = torch.zeros(1)
    done.set()
    thread.join()
    assert width == 2
    assert not expression_of(width).labels
    assert tensor.device.type == "cpu"
