import gc
import weakref

import pytest
from torch import nn

from retia.nn import ModelSpace, gc_paused
from retia.space import choice


def test_collection_is_off_inside_and_as_it_was_afterwards():
    assert gc.isenabled()
    with gc_paused():
        assert not gc.isenabled()
        with gc_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_collection_that_was_off_stays_off():
    gc.disable()
    try:
        with gc_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_an_error_turns_it_on_again():
    with pytest.raises(KeyError), gc_paused():
        raise KeyError
    assert gc.isenabled()


def test_a_model_is_traced_without_it():
    seen = []

    class Net(nn.Linear):
        def __init__(self):
            seen.append(gc.isenabled())
            super().__init__(3, choice("width", [2, 4]))

    space = ModelSpace(Net)
    space.assemble(seed=0)
    space.build({"width": 2}, seed=0)
    assert seen == [False, False, True]
    assert gc.isenabled()


def test_cycles_go_once_it_is_on_again():
    class Node:
        pass

    node = Node()
    node.itself = node
    reference = weakref.ref(node)
    with gc_paused():
        del node
        assert reference() is not None
    gc.collect()
    assert reference() is None
