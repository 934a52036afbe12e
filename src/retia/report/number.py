"""Numbers, durations and architectures as readable text."""

import math
from collections.abc import Collection, Mapping

from retia.visible import visible

__all__ = ["architecture_line", "difference", "duration", "logarithmic", "number"]


def number(value: float) -> str:
    """Return a metric as text: whole numbers with separators, others with four significant digits.

    >>> number(12345.0), number(0.98611), number(1234.5), number(0.0000123), number(float("nan"))
    ('12,345', '0.9861', '1,234', '1.23e-05', 'nan')
    """
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def difference(value: float) -> str:
    """Return the size of a difference with two significant digits, or all digits of a whole number.

    >>> difference(0.008333), difference(-416)
    ('0.0083', '416')
    """
    return number(abs(value) if value == int(value) else float(f"{abs(value):.2g}"))


def logarithmic(values: Collection[float]) -> bool:
    """Whether values need a logarithmic scale: positive, and spanning more than a factor of 20.

    >>> logarithmic([770, 44_970]), logarithmic([0.5, 0.99]), logarithmic([0, 100])
    (True, False, False)
    """
    return min(values) > 0 and max(values) / min(values) > 20


def duration(seconds: float) -> str:
    """Return a duration as text.

    >>> duration(0.5), duration(42), duration(75), duration(3725)
    ('0.5 s', '42 s', '1:15', '1:02:05')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def architecture_line(architecture: Mapping[str, object]) -> str:
    """Return an architecture on one line, with invisible characters escaped.

    >>> architecture_line({"width": 16, "act": "relu", "nodes": (0, 2)})
    'width=16 act=relu nodes=(0,2)'
    """
    return visible(" ".join(f"{label}={_value(value)}" for label, value in architecture.items()))


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple):
        return "(" + ",".join(_value(item) for item in value) + ")"
    return str(value)
