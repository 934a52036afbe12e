from functools import partial

import pytest
import torch
from torch import nn

from retia.errors import SpaceError
from retia.nn import ModelSpace, layer_choice
from retia.space import choice


def space_of(*arguments, **keywords):
    return ModelSpace(lambda: layer_choice(*arguments, **keywords))


def failing():
    raise ValueError("no such kernel")


def test_outside_a_search_it_is_the_first_candidate():
    assert type(layer_choice("act", {"relu": nn.ReLU, "gelu": nn.GELU})) is nn.ReLU


def test_outside_a_search_the_default_wins():
    assert type(layer_choice("act", {"relu": nn.ReLU, "gelu": nn.GELU}, default="gelu")) is nn.GELU


def test_the_candidates_of_a_dictionary_go_by_their_keys():
    space = space_of("act", {"relu": nn.ReLU, "gelu": nn.GELU})
    assert space.parameters["act"].domain.values == ("relu", "gelu")
    assert type(space.build({"act": "gelu"})) is nn.GELU


def test_the_candidates_of_a_list_go_by_their_classes():
    space = space_of("act", [nn.ReLU, nn.GELU()])
    assert space.parameters["act"].domain.values == ("ReLU", "GELU")
    assert type(space.build({"act": "GELU"})) is nn.GELU


@pytest.mark.parametrize(
    "candidates",
    [
        [lambda: nn.Linear(2, 2), lambda: nn.Identity()],
        [partial(nn.Linear, 2, 2), nn.Identity],
        [nn.Linear(2, 2, device="meta"), nn.Linear(2, 2, bias=False, device="meta")],
    ],
    ids=["lambdas", "partials", "one class twice"],
)
def test_candidates_without_distinct_names_go_by_their_positions(candidates):
    assert space_of("op", candidates).parameters["op"].domain.values == (0, 1)


def test_the_default_is_that_of_the_space():
    space = space_of("op", [partial(nn.Linear, 2, 2), nn.Identity], default=1)
    assert space.default() == {"op": 1}
    assert type(space.build(space.default())) is nn.Identity


def test_an_instance_is_copied():
    layer = nn.Linear(2, 2, device="meta")
    space = space_of("op", {"linear": layer, "skip": nn.Identity})
    first, second = space.build({"op": "linear"}), space.build({"op": "linear"})
    assert type(first) is nn.Linear
    assert len({id(layer), id(first), id(second)}) == 3
    assert first.weight is not layer.weight


def test_the_copy_of_an_instance_has_its_weights():
    layer = nn.PReLU(init=0.125)
    built = space_of("act", [layer, nn.ReLU]).build({"act": "PReLU"})
    with torch.no_grad():
        layer.weight.fill_(9.0)
    assert built.weight.item() == 0.125


def nested():
    return layer_choice(
        "op",
        {
            "conv": lambda: nn.Conv2d(4, 4, choice("kernel", [1, 3, 5])),
            "skip": nn.Identity,
        },
    )


def test_a_nested_three_way_choice_beside_an_identity_has_four_architectures():
    space = ModelSpace(nested)
    assert space.size() == 4
    assert [dict(architecture) for architecture in space.enumerate()] == [
        {"op": "conv", "op/conv/kernel": 1},
        {"op": "conv", "op/conv/kernel": 3},
        {"op": "conv", "op/conv/kernel": 5},
        {"op": "skip"},
    ]


def test_a_nested_choice_exists_while_its_candidate_is_chosen():
    space = ModelSpace(nested)
    assert str(space.parameters["op/conv/kernel"].condition) == "op=conv"
    assert space.build({"op": "conv", "op/conv/kernel": 5}, device="meta").kernel_size == (5, 5)


def test_choices_nest_to_any_depth():
    def inner():
        return layer_choice("act", [nn.ReLU, nn.Tanh])

    space = space_of(
        "outer", {"a": lambda: layer_choice("middle", {"x": inner, "y": nn.Identity}), "b": inner}
    )
    assert set(space.parameters) == {"outer", "outer/a/middle", "outer/a/middle/x/act", "outer/b/act"}
    assert space.size() == 2 + 1 + 2
    assert type(space.build({"outer": "a", "outer/a/middle": "x", "outer/a/middle/x/act": "Tanh"})) is nn.Tanh


def test_the_same_label_is_the_same_choice():
    def factory():
        return nn.Sequential(*(layer_choice("act", [nn.ReLU, nn.Tanh]) for _ in range(3)))

    space = ModelSpace(factory)
    assert space.size() == 2
    assert [type(layer) for layer in space.build({"act": "Tanh"})] == [nn.Tanh] * 3


def test_no_candidate():
    with pytest.raises(
        SpaceError, match=r"layer_choice\('act'\) needs at least one candidate. Give factories"
    ):
        layer_choice("act", {})
    with pytest.raises(
        SpaceError, match=r"layer_choice\('act'\) needs at least one candidate. Give factories"
    ):
        layer_choice("act", [])


def test_a_candidate_that_is_no_factory():
    with pytest.raises(
        SpaceError,
        match=r"Candidate 'skip' of 'op' must be a module or a function that makes one, got None.*nn\.Identity",
    ):
        layer_choice("op", {"conv": nn.Identity, "skip": None})


def test_a_candidate_that_makes_no_module():
    with pytest.raises(SpaceError, match=r"Candidate 'b' of 'op' must make a torch\.nn\.Module, got 3"):
        space_of("op", {"a": nn.Identity, "b": lambda: 3})


def test_a_default_that_is_no_candidate():
    with pytest.raises(
        SpaceError, match=r"The default of layer_choice\('act'\) must be one of \['relu'\], got 'gelu'"
    ):
        layer_choice("act", {"relu": nn.ReLU}, default="gelu")


def test_a_candidate_that_cannot_be_built_names_itself_while_tracing():
    def factory():
        return layer_choice(
            "outer",
            {"good": nn.Identity, "deep": lambda: layer_choice("op", {"fine": nn.Identity, "bad": failing})},
        )

    with pytest.raises(
        SpaceError, match=r"Candidate 'bad' of 'outer/deep/op' can't be built: ValueError: no such kernel"
    ):
        ModelSpace(factory)


def test_a_candidate_that_cannot_be_built_names_itself_while_building():
    calls = []

    def late():
        calls.append(None)
        return nn.Identity() if len(calls) == 1 else failing()

    space = ModelSpace(lambda: layer_choice("outer", [lambda: layer_choice("op", {"late": late})]))
    with pytest.raises(
        SpaceError, match=r"Candidate 'late' of 'outer/0/op' can't be built: ValueError: no such kernel"
    ):
        space.build(space.default())


def test_a_candidate_that_cannot_be_built_names_itself_outside_a_search():
    with pytest.raises(
        SpaceError, match=r"Candidate 'bad' of 'op' can't be built: ValueError: no such kernel"
    ) as caught:
        layer_choice("op", {"bad": failing})
    assert type(caught.value.__cause__) is ValueError


def test_other_candidates_under_one_label():
    def factory():
        return nn.Sequential(layer_choice("act", [nn.ReLU, nn.Tanh]), layer_choice("act", [nn.ReLU, nn.GELU]))

    with pytest.raises(SpaceError, match=r"'act' is declared twice with different domains"):
        ModelSpace(factory)


def test_a_name_with_a_slash():
    with pytest.raises(
        SpaceError,
        match="Candidate 'a/b' of 'act' has '/' in its name, which separates scopes. Rename it.",
    ):
        layer_choice("act", {"a/b": nn.ReLU})


def test_a_label_that_is_left_out():
    with pytest.raises(
        SpaceError,
        match=r"layer_choice\(\.\.\.\) takes a label first, the name of the parameter, got {'relu'",
    ):
        layer_choice({"relu": nn.ReLU})


@pytest.mark.parametrize("names", [(0, 1), (False, True), (1, 0)])
def test_equal_names_of_different_types_stay_apart(names):
    space = space_of("act", dict.fromkeys(names, nn.ReLU))
    values = space.parameters["act"].domain.values
    assert values == names
    assert [type(value) for value in values] == [type(name) for name in names]
