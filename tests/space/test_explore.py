"""Python's own control flow over choices, found by tracing a constructor for every value."""

import pytest

from retia.errors import SpaceError
from retia.space import Builder, SearchSpace, Tracer, choice, explore, integer


def trace(constructor, fixed=()):
    tracer = Tracer(dict(fixed))
    with tracer.recording():
        constructor()
    return tracer


def space_of(constructor):
    return SearchSpace(explore(lambda fixed: trace(constructor, fixed))[0])


def runs(constructor):
    """Return what the constructor asks for in each architecture of its space; a wrong space raises, or leaves
    something unasked.
    """
    space = space_of(constructor)
    for architecture in space.enumerate():
        builder = Builder(architecture, space.parameters)
        with builder.recording():
            constructor()
        assert builder.asked == set(architecture)
    return space


def straight():
    choice("a", [1, 2])
    choice("b", [1, 2, 3])


def one_if():
    if choice("op", ["conv", "pool"]) == "conv":
        choice("kernel", [3, 5, 7])


def if_else():
    if choice("op", ["conv", "pool"]) == "conv":
        choice("kernel", [3, 5, 7])
    else:
        choice("window", [2, 4])


def nested():
    if choice("a", [0, 1, 2]) > 0:
        if choice("b", [0, 1]):
            choice("c", [1, 2, 3])
        else:
            choice("d", [1, 2, 3, 4])


def only_for_small():
    if choice("width", [8, 16, 32]) < 32 and choice("norm", [0, 1]):
        choice("momentum", [0.1, 0.9])


def loop():
    for i in range(integer("depth", 1, 3)):
        choice(f"block{i}", ["x", "y"])


def loop_of_ifs():
    for i in range(integer("depth", 0, 2)):
        if choice(f"op{i}", ["conv", "pool"]) == "conv":
            choice(f"kernel{i}", [3, 5])


def loop_of_late_ifs():
    for i in range(integer("depth", 1, 2)):
        if choice(f"op{i}", ["conv", "pool"]) == "pool":
            choice(f"window{i}", [2, 3, 4])


def two_apart():
    if choice("a", [0, 1]):
        choice("x", [1, 2, 3])
    if choice("b", [0, 1]):
        choice("y", [1, 2, 3])


@pytest.mark.parametrize(
    ("constructor", "size"),
    [
        (straight, 6),
        (one_if, 3 + 1),
        (if_else, 3 + 2),
        (nested, 1 + 2 * (3 + 4)),
        (only_for_small, 1 + 2 * (1 + 2)),
        (loop, 2 + 4 + 8),
        (loop_of_ifs, 1 + 3 + 9),
        (loop_of_late_ifs, 4 + 16),
        (two_apart, 4 * 4),
    ],
)
def test_known_sizes_and_every_architecture_builds(constructor, size):
    assert runs(constructor).size() == size


def test_conditions_read_well():
    space = space_of(one_if)
    assert str(space.parameters["kernel"].condition) == "op=conv"
    assert str(space_of(loop).parameters["block2"].condition) == "depth=3"


def test_a_domain_that_depends_on_a_choice():
    def constructor():
        small = choice("size", ["small", "large"]) == "small"
        choice("width", [8, 16] if small else [32, 64])
        if not small:
            choice("extra", [1, 2])

    with pytest.raises(
        SpaceError, match=r"'width' has the domain {8, 16} or {32, 64}, depending on another choice"
    ):
        space_of(constructor)


def test_too_many_traces():
    def constructor():
        integer("n", 1, 20_000)

    with pytest.raises(SpaceError, match="traced the constructor 10,000 times without an end"):
        space_of(constructor)
