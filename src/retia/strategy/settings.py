"""The numbers that a strategy or a predictor is set by."""

import math
from numbers import Integral, Real

from retia.errors import SpaceError

__all__ = ["check_number", "check_whole"]


def check_whole(owner: object, **least: int) -> None:
    """Check that settings are whole numbers.

    Args:
        owner: What has the settings, as its attributes.
        least: The least that each may be, by its name.

    Raises:
        SpaceError: If one is none, or below that.
    """
    for name, bound in least.items():
        value = getattr(owner, name)
        if isinstance(value, bool) or not isinstance(value, Integral) or value < bound:
            msg = f"'{name}' of {type(owner).__name__} is a whole number of at least {bound}, got {value!r}."
            raise SpaceError(msg)


def check_number(
    owner: object,
    name: str,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> None:
    """Check that a setting is a finite number within its bounds.

    Args:
        owner: What has the setting, as its attribute.
        name: The name of the setting.
        least: What it is at least.
        most: What it is at most.
        above: What it is greater than.
        below: What it is less than.

    Raises:
        SpaceError: If it is none, or beyond a bound.
    """
    value = getattr(owner, name)
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not (math.isfinite(number) and least <= number <= most and above < number < below):
        bounds = [(least, "at least"), (above, "above"), (most, "at most"), (below, "below")]
        words = " and ".join(f"{word} {bound:g}" for bound, word in bounds if math.isfinite(bound))
        msg = f"'{name}' of {type(owner).__name__} is a number {words}, got {value!r}."
        raise SpaceError(msg)
