"""Requirements on the arguments of strategies and predictors."""

import math
from collections.abc import Sequence
from importlib.util import find_spec
from numbers import Integral, Real
from typing import Any

from retia.errors import SpaceError, StudyError
from retia.trial import strategy_capabilities_of

__all__ = ["require_installed", "require_number", "require_one_of", "require_strategy", "require_whole"]


def require_whole(owner: object, **least: int) -> None:
    """Require that attributes of `owner` are integers, each of at least the given value.

    Raises:
        SpaceError: If an attribute is not an integer, or is too small.
    """
    for name, bound in least.items():
        value = getattr(owner, name)
        if isinstance(value, bool) or not isinstance(value, Integral) or value < bound:
            msg = f"'{name}' of {type(owner).__name__} must be an integer of at least {bound}, got {value!r}."
            raise SpaceError(msg)


def require_number(
    owner: object,
    name: str,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> None:
    """Require that an attribute of `owner` is a finite number within bounds.

    Args:
        owner: Object with the attribute.
        name: Name of the attribute.
        least: Lower bound, included.
        most: Upper bound, included.
        above: Lower bound, excluded.
        below: Upper bound, excluded.

    Raises:
        SpaceError: If the attribute is not a finite number, or is outside of a bound.
    """
    value = getattr(owner, name)
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not (math.isfinite(number) and least <= number <= most and above < number < below):
        bounds = [(least, ">="), (above, ">"), (most, "<="), (below, "<")]
        words = " and ".join(f"{word} {bound:g}" for bound, word in bounds if math.isfinite(bound))
        msg = f"'{name}' of {type(owner).__name__} must be a number {words}, got {value!r}."
        raise SpaceError(msg)


def require_one_of(owner: object, name: str, values: Sequence[str]) -> None:
    """Require that an attribute of `owner` is one of `values`.

    Raises:
        SpaceError: If it is not one of them.
    """
    if (value := getattr(owner, name)) not in values:
        msg = f"'{name}' of {type(owner).__name__} must be one of {list(values)}, got {value!r}."
        raise SpaceError(msg)


def require_installed(module: str, *, extra: str, by: str) -> None:
    """Require that an optional dependency is installed, without importing it.

    Raises:
        StudyError: If `module` is not installed. The message names the extra that installs it.
    """
    if find_spec(module) is None:
        msg = f"{by} requires {module}, which is not installed. Install it: pip install 'retia[{extra}]'"
        raise StudyError(msg)


def require_strategy(wrapper: object, strategy: Any) -> None:
    """Require that a wrapper gets a strategy that only proposes.

    Raises:
        StudyError: If `strategy` is not a strategy, or prepares an evaluator before its first proposal.
    """
    name = type(wrapper).__name__
    if isinstance(strategy, type) or not hasattr(strategy, "propose"):
        msg = f"{name} must wrap an object with a method propose, such as retia.Random(), got {strategy!r}."
        raise StudyError(msg)
    if strategy_capabilities_of(strategy).prepare is not None:
        method = type(strategy).__name__
        msg = (
            f"{name} can't wrap {method}, which prepares an evaluator before its first proposal. "
            f"Call {method}(...).train(space, evaluator) first, then search the evaluator that it returns "
            f"with {name} around another strategy."
        )
        raise StudyError(msg)
