import pytest
from torch import nn

from retia.errors import SpaceError
from retia.nn import ModelSpace, layer_choice, repeat
from retia.space import apply, choice, integer, scope


def act(index):
    del index
    return layer_choice("act", [nn.ReLU, nn.Tanh])


def plain(index):
    return nn.Softmax(dim=index)


def test_outside_a_search_it_has_the_fewest_blocks():
    assert len(repeat("body", plain, (2, 5))) == 2


def test_a_fixed_depth_declares_nothing():
    space = ModelSpace(lambda: repeat("body", act, 3))
    assert list(space.parameters) == ["body/0/act", "body/1/act", "body/2/act"]
    assert space.size() == 8
    assert len(space.build(space.default())) == 3


def test_one_to_three_blocks_of_a_two_way_choice_have_fourteen_architectures():
    space = ModelSpace(lambda: repeat("body", act, (1, 3)))
    assert space.size() == 14
    assert len(set(space.enumerate())) == 14


def test_a_block_exists_while_there_are_more_than_its_index():
    space = ModelSpace(lambda: repeat("body", act, (1, 3)))
    conditions = {label: str(parameter.condition) for label, parameter in space.parameters.items()}
    assert conditions == {
        "body": "always",
        "body/0/act": "always",
        "body/1/act": "body in {2, 3}",
        "body/2/act": "body=3",
    }


def test_the_blocks_are_those_of_the_indices():
    space = ModelSpace(lambda: repeat("body", plain, (0, 3)))
    assert [[block.dim for block in space.build({"body": depth})] for depth in range(4)] == [
        [],
        [0],
        [0, 1],
        [0, 1, 2],
    ]


def test_no_block_is_allowed():
    assert len(repeat("body", plain, (0, 2))) == 0
    assert len(repeat("body", plain, 0)) == 0
    assert ModelSpace(lambda: repeat("body", act, (0, 2))).size() == 1 + 2 + 4


def test_a_range_reads_as_in_python():
    space = ModelSpace(lambda: repeat("body", act, range(1, 6, 2)))
    assert list(space.parameters["body"].domain.enumerate()) == [1, 3, 5]
    assert space.size() == 2 + 8 + 32
    assert str(space.parameters["body/1/act"].condition) == "body in {3, 5}"


def test_equal_ends_declare_nothing():
    assert len(ModelSpace(lambda: repeat("body", plain, (2, 2)))) == 0


def test_a_choice_made_elsewhere():
    def factory():
        depth = choice("depth", [1, 4])
        return nn.ModuleList([repeat("left", act, depth), repeat("right", plain, depth)])

    space = ModelSpace(factory)
    assert space.size() == 2 + 16
    assert str(space.parameters["left/3/act"].condition) == "depth=4"
    left, right = space.build(next(a for a in space.enumerate() if a["depth"] == 4))
    assert len(left) == len(right) == 4


def test_arithmetic_on_a_choice():
    space = ModelSpace(lambda: repeat("body", act, choice("depth", [0, 1, 2]) * 2))
    assert space.size() == 1 + 4 + 16
    assert str(space.parameters["body/1/act"].condition) == "depth in {1, 2}"
    assert str(space.parameters["body/2/act"].condition) == "depth=2"


def test_arithmetic_on_two_choices():
    space = ModelSpace(lambda: repeat("body", act, integer("a", 0, 2) + integer("b", 0, 2)))
    sums = [a + b for a in range(3) for b in range(3)]
    assert space.size() == sum(2**depth for depth in sums)
    assert all(len(space.build(x)) == x["a"] + x["b"] == len(x) - 2 for x in space.enumerate())


def test_a_depth_that_a_function_computes():
    space = ModelSpace(lambda: repeat("body", act, apply(min, choice("a", [1, 5]), 2)))
    assert space.size() == 2 + 4


def test_repeats_nest():
    space = ModelSpace(lambda: repeat("stages", lambda i: repeat("blocks", act, (1, 2)), (1, 2)))
    a_stage = 2 + 4
    assert space.size() == a_stage + a_stage**2
    assert str(space.parameters["stages/1/blocks/1/act"].condition) == "stages/1/blocks=2"


def test_a_depth_in_a_scope():
    def factory():
        with scope("stem"):
            return repeat("body", act, (1, 2))

    assert list(ModelSpace(factory).parameters) == ["stem/body", "stem/body/0/act", "stem/body/1/act"]


def test_a_choice_outside_the_blocks_is_shared():
    def factory():
        width = choice("width", [1, 2])
        return repeat("body", lambda i: nn.Softmax(dim=width), (1, 3))

    assert ModelSpace(factory).size() == 6


def test_a_negative_depth():
    with pytest.raises(SpaceError, match="The depth of 'body' can't be negative, got -1"):
        repeat("body", plain, -1)


def test_negative_bounds():
    with pytest.raises(SpaceError, match=r"The depth of 'body' needs 0 <= least <= most, got \(-1, 2\)"):
        repeat("body", plain, (-1, 2))


def test_bounds_in_the_wrong_order():
    with pytest.raises(SpaceError, match=r"The depth of 'body' needs 0 <= least <= most, got \(3, 2\)"):
        repeat("body", plain, (3, 2))


@pytest.mark.parametrize("depth", [range(3, 3), range(3, 0, -1)])
def test_a_range_that_is_empty_or_descends(depth):
    with pytest.raises(
        SpaceError, match="The depth of 'body' needs an ascending range that is not empty, got range"
    ):
        repeat("body", plain, depth)


def test_a_range_with_negative_numbers():
    with pytest.raises(SpaceError, match=r"The depth of 'body' needs 0 <= least <= most, got range\(-2, 2\)"):
        repeat("body", plain, range(-2, 2))


def test_an_expression_that_can_be_negative():
    def factory():
        with scope("net"):
            return repeat("body", plain, choice("depth", [1, 4]) - 2)

    with pytest.raises(
        SpaceError, match="The depth of 'net/body' can't be negative, but net/depth - 2 can be -1"
    ):
        ModelSpace(factory)


@pytest.mark.parametrize("depth", [2.5, (1, 2, 3), "three", None])
def test_what_is_no_depth(depth):
    with pytest.raises(
        SpaceError, match=r"The depth of 'body' is an int, \(least, most\) or a range, got .*retia\.apply"
    ):
        repeat("body", plain, depth)


def test_a_depth_with_too_many_combinations():
    def factory():
        return repeat("body", plain, integer("a", 1, 1000) + integer("b", 1, 1000))

    with pytest.raises(SpaceError, match=r"'a [+] b' depends on .* 1,000,000 combinations"):
        ModelSpace(factory)


# --- what makes the blocks


class Plain(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.linear = nn.Linear(width, width)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (nn.Identity(), r"got Identity\(\)\. Give a function of the index: repeat\('body', lambda i: "),
        (3, r"got 3\. Give a function of the index"),
        (
            Plain,
            r"got the class Plain\. The index would become its first argument\. Give a function of the index: repeat\('body', lambda i: Plain\(\.\.\.\)",
        ),
        (
            lambda: nn.Identity(),
            r"can't be called with an index: too many positional arguments\. Give a function",
        ),
        (lambda i: None, r"must return a torch\.nn\.Module, got None for block 0\. Is a return missing\?"),
    ],
)
@pytest.mark.parametrize("depth", [2, (1, 3)])
def test_what_makes_no_block(factory, message, depth):
    for make in (
        lambda: repeat("body", factory, depth),
        lambda: ModelSpace(lambda: repeat("body", factory, depth)),
    ):
        with pytest.raises(SpaceError, match=message):
            make()
