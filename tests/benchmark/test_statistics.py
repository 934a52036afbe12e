"""Bands, ranks and tests, against numbers by hand and scipy's."""

import numpy as np
import pytest
from scipy.stats import friedmanchisquare, rankdata

from retia.benchmark import average_ranks, band, critical_difference
from retia.errors import EvaluationError


def test_a_band_by_hand():
    found = band(
        [
            np.array([4.0, 2.0]),
            np.array([2.0, 1.0]),
            np.array([0.0, 0.0]),
            np.array([6.0, 5.0]),
            np.array([8.0, 2.0]),
        ]
    )
    assert found.median.tolist() == [4, 2]
    assert found.mean.tolist() == [4, 2]
    assert found.low.tolist() == [2, 1]
    assert found.high.tolist() == [6, 2]


def test_a_short_curve_goes_on_at_its_end():
    assert band([np.array([2.0]), np.array([4.0, 0.0, 0.0])], (0, 1)).high.tolist() == [4, 2, 2]


def test_equals_share_ranks():
    rng = np.random.default_rng(0)
    losses = rng.integers(0, 4, (5, 30)).astype(float)
    expected = rankdata(losses, axis=0).mean(1)
    assert list(
        average_ranks({str(i): row.tolist() for i, row in enumerate(losses)}).values()
    ) == pytest.approx(expected.tolist())


@pytest.mark.parametrize("levels", [3, 1000])
def test_the_friedman_test_is_scipys(levels):
    rng = np.random.default_rng(1)
    losses = rng.integers(0, levels, (4, 25)) + np.arange(4)[:, None] * levels / 10
    found = critical_difference({str(i): row.tolist() for i, row in enumerate(losses)})
    assert found.p == pytest.approx(friedmanchisquare(*losses).pvalue)


@pytest.mark.parametrize(("count", "critical"), [(3, 2.343), (4, 2.569), (7, 2.949), (10, 3.164)])
def test_the_critical_values_are_demsars(count, critical):
    """Table 5(a) of the paper, at 0.05."""
    losses = {str(i): [float(i)] * 20 for i in range(count)}
    assert critical_difference(losses).difference == pytest.approx(
        critical * np.sqrt(count * (count + 1) / (6 * 20)), rel=1e-3
    )


def test_groups_are_those_that_the_difference_spans():
    rng = np.random.default_rng(2)
    losses = {
        "bad": 5 + rng.random(40),
        "good": rng.random(40),
        "also good": rng.random(40),
        "worse": 10 + rng.random(40),
        "as bad": 5 + rng.random(40),
    }
    found = critical_difference({name: values.tolist() for name, values in losses.items()})
    assert found.p < 1e-10
    assert [set(group) for group in found.groups] == [{"good", "also good"}, {"bad", "as bad"}]
    assert list(found.ranks)[-1] == "worse"


def test_alike_strategies_do_not_differ():
    found = critical_difference({name: [1.0] * 5 for name in "abc"})
    assert found.p == 1
    assert found.groups == [("a", "b", "c")]


def test_what_can_not_be_compared():
    with pytest.raises(
        EvaluationError, match=r"at least one curve, and at least one value in each, got the lengths \[\]"
    ):
        band([])
    with pytest.raises(EvaluationError, match=r"got the lengths \[1, 0\]"):
        band([np.ones(1), np.ones(0)])
    with pytest.raises(EvaluationError, match="the same number of seeds, got {'a': 2, 'b': 1}"):
        average_ranks({"a": [1.0, 2.0], "b": [1.0]})
    with pytest.raises(
        EvaluationError, match="at least three strategies over at least two seeds, got 2 over 3"
    ):
        critical_difference({"a": [1.0] * 3, "b": [2.0] * 3})
    with pytest.raises(EvaluationError, match="got 3 over 1"):
        critical_difference({"a": [1.0], "b": [2.0], "c": [3.0]})
