import pytest

from retia.report import architecture_line, duration, number
from retia.report.number import difference, logarithmic


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (12_345.0, "12,345"),
        (-3.0, "-3"),
        (0.98611, "0.9861"),
        (1234.56, "1,235"),
        (0.0000123, "1.23e-05"),
        (1e20, "100,000,000,000,000,000,000"),
    ],
)
def test_numbers_read_well(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (10, "10 s"), (59.6, "1:00"), (75.4, "1:15"), (3725, "1:02:05")],
)
def test_durations_read_well(seconds, text):
    assert duration(seconds) == text


def test_an_architecture_fits_on_one_line():
    assert (
        architecture_line({"width": 16, "lr": 0.00123456, "act": "relu", "nodes": (0, 2.5), "skip": None})
        == "width=16 lr=0.001235 act=relu nodes=(0,2.5) skip=None"
    )
    assert architecture_line({}) == ""


def test_only_positive_values_far_apart_are_logarithmic():
    assert logarithmic([1, 21])
    assert not logarithmic([1, 20])
    assert not logarithmic([0, 1000])


def test_differences_have_two_digits_unless_they_are_whole():
    assert [difference(value) for value in (0.0083333, -0.5, 416, -12_345.0, 12.34)] == [
        "0.0083",
        "0.5",
        "416",
        "12,345",
        "12",
    ]
