"""Widths rounded to multiples that are efficient on hardware."""

__all__ = ["make_divisible"]


def make_divisible(width: float, divisor: int = 8) -> int:
    """Return the multiple of `divisor` nearest to `width`, at least `divisor` and 90 % of `width`.

    Reference:
        Howard et al., Searching for MobileNetV3, ICCV 2019, `make_divisible` of the authors' code.

    >>> [make_divisible(width) for width in (3, 10, 16, 36.8, 60)]
    [8, 16, 16, 40, 64]
    """
    rounded = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * width else rounded + divisor
