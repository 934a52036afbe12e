import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retia.rng import stream
from retia.space import Categorical, Clause, Condition, Integer, Parameter, Real, SearchSpace, Subset
from retia.strategy.sampling.flat_space import FlatSpace, from_unit, to_unit

CONV = Condition(((Clause("op", frozenset({"conv"})),),))
SPACE = SearchSpace(
    [
        Parameter("op", Categorical(("skip", "conv"))),
        Parameter("kernel", Integer(1, 7, step=2), CONV),
        Parameter("width", Integer(8, 128, log=True), CONV),
        Parameter("lr", Real(1e-4, 1e-1, log=True)),
        Parameter("inputs", Subset(("a", "b", "c", "d"), least=1, most=2)),
        Parameter("bias", Categorical((True,))),
    ]
)


def test_the_columns_of_a_space():
    flat = FlatSpace(SPACE)
    assert [(column.name, column.categories) for column in flat.columns] == [
        ("op", 2),
        ("kernel", 0),
        ("width", 0),
        ("lr", 0),
        *((f"inputs#{i}", 2) for i in range(4)),
    ]
    assert flat.columns_of["bias"] == ()
    assert list(flat.groups.values()) == [["op", "lr", "inputs", "bias"], ["kernel", "width"]]


def test_a_row_by_hand():
    row = FlatSpace(SPACE).row(
        SPACE.validate(
            {"op": "conv", "kernel": 3, "width": 8, "lr": 1e-4, "inputs": ("b", "d"), "bias": True}
        )
    )
    items = {"inputs#0": 0, "inputs#1": 1, "inputs#2": 0, "inputs#3": 1}
    assert row == {
        "op": 1,
        "kernel": 1.5 / 4,
        "width": pytest.approx(to_unit(Integer(8, 128, log=True), 8)),
        "lr": 0.0,
        **items,
    }
    assert "kernel" not in FlatSpace(SPACE).row(SPACE.default())


@given(st.integers(0, 10_000))
def test_a_row_stands_for_its_architecture(seed):
    flat, rng = FlatSpace(SPACE), stream(seed)
    architecture = SPACE.sample(rng)
    row = {column.name: 0 for column in flat.columns} | flat.row(architecture)
    back = flat.architecture(row, rng)
    assert back.keys() == architecture.keys()
    assert {**back, "lr": 0} == {**architecture, "lr": 0}
    assert back["lr"] == pytest.approx(architecture["lr"])


@pytest.mark.parametrize(
    "domain",
    [Integer(0, 9), Integer(3, 30, step=3), Integer(1, 1000, log=True), Integer(8, 128, step=8, log=True)],
    ids=str,
)
def test_an_integer_is_in_the_middle_of_its_own_part(domain):
    units = [to_unit(domain, value) for value in domain.enumerate()]
    assert units == sorted(units)
    assert [from_unit(domain, unit) for unit in units] == list(domain.enumerate())
    assert (from_unit(domain, -1), from_unit(domain, 2)) == (domain.low, domain.high)


@pytest.mark.parametrize(("taken", "sizes"), [((0, 0, 0, 0), {1}), ((1, 1, 1, 1), {2}), ((0, 1, 0, 0), {1})])
def test_a_subset_is_repaired_at_random(taken, sizes):
    row = {f"inputs#{i}": one for i, one in enumerate(taken)}
    values = {FlatSpace(SPACE).value("inputs", row, stream(0, i)) for i in range(100)}
    assert {len(value) for value in values} == sizes
    assert all(SPACE.parameters["inputs"].domain.normalize(value) == value for value in values)
    assert len(values) == {0: 4, 4: 6, 1: 1}[sum(taken)]


def test_a_parameter_with_one_value_has_it():
    flat = FlatSpace(SearchSpace({"all": Subset(("a", "b"), least=2), "one": Integer(3, 3)}))
    assert flat.columns == []
    assert flat.architecture({}, np.random.default_rng(0)) == {"all": ("a", "b"), "one": 3}
