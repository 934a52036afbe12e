import pytest
import torch
from torch import nn

from retia.errors import SpaceError
from retia.nn import ModelSpace, input_choice

INPUTS = [torch.full((1, 2), float(value)) for value in (1, 2, 4)]


def built(chosen, **keywords):
    space = ModelSpace(lambda: input_choice("skip", 3, **{"choose": len(chosen), **keywords}))
    return space.build({"skip": chosen})


def test_outside_a_search_it_takes_the_first():
    assert input_choice("skip", 3, choose=2)(INPUTS).tolist() == [[3.0, 3.0]]


def test_one_of_three_passes_it_on():
    assert built((1,))(INPUTS) is INPUTS[1]


def test_sum():
    assert built((0, 2))(INPUTS).tolist() == [[5.0, 5.0]]


def test_mean():
    assert built((0, 2), reduction="mean")(INPUTS).tolist() == [[2.5, 2.5]]


def test_concat():
    assert built((0, 2), reduction="concat")(INPUTS).tolist() == [[1.0, 1.0, 4.0, 4.0]]


def test_concat_along_another_dimension():
    assert built((1, 2), reduction="concat", dim=0)(INPUTS).tolist() == [[2.0, 2.0], [4.0, 4.0]]


def test_none_gives_the_list():
    taken = built((0, 2), reduction="none")(INPUTS)
    assert [id(x) for x in taken] == [id(INPUTS[0]), id(INPUTS[2])]


@pytest.mark.parametrize(("choose", "size"), [(1, 3), (2, 3), (3, 1), ((1, 2), 6), ((1, 3), 7)])
def test_the_space_is_the_subsets(choose, size):
    assert ModelSpace(lambda: input_choice("skip", 3, choose=choose)).size() == size


def test_a_varying_number_of_inputs():
    space = ModelSpace(lambda: input_choice("skip", 3, choose=(1, 3), reduction="sum"))
    assert {space.build(architecture)(INPUTS)[0, 0].item() for architecture in space.enumerate()} == {
        1,
        2,
        3,
        4,
        5,
        6,
        7,
    }


def test_it_shows_what_it_takes():
    assert str(built((0, 2))) == "SelectInputs(chosen=(0, 2), reduction='sum')"


def test_it_is_no_more_than_a_module():
    module = built((0, 1))
    assert isinstance(module, nn.Module)
    assert [type(i) for i in module.chosen] == [int, int]
    assert list(module.state_dict()) == []


@pytest.mark.parametrize("choose", [0, 4, (0, 2), (2, 1), (1, 4), -1])
def test_numbers_that_do_not_fit(choose):
    with pytest.raises(
        SpaceError, match=r"input_choice\('skip'\) takes 1 <= choose <= 3 of its inputs, got choose="
    ):
        input_choice("skip", 3, choose=choose)


def test_an_unknown_reduction():
    with pytest.raises(
        SpaceError,
        match=r"The reduction of input_choice\('skip'\) is 'sum', 'mean', 'concat' or 'none', got 'max'",
    ):
        input_choice("skip", 3, reduction="max")
