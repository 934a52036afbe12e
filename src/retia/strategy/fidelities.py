"""The fidelities of a multi-fidelity strategy."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from retia.errors import SpaceError, StudyError
from retia.strategy.wrapping import check_wrapped
from retia.trial import strategy_capabilities_of

__all__ = ["check_multi_fidelity", "geometric_fidelities", "growth", "labels_of"]


def geometric_fidelities(least: float, most: float, *, eta: float = 3) -> tuple[float, ...]:
    """Return fidelities up to `most`, each `eta` times the one before, the first at least `least`.

    >>> geometric_fidelities(1, 81)
    (1.0, 3.0, 9.0, 27.0, 81.0)
    >>> geometric_fidelities(10, 200, eta=4)
    (12.5, 50.0, 200.0)

    Raises:
        SpaceError: If they are no two positive numbers, the lesser first, or `eta` is not above 1.

    Reference:
        Li et al., Hyperband, JMLR 2018, algorithm 1: R η^-s for s from ⌊log_η R⌋ to 0.
    """
    if not (0 < least < most < math.inf and eta > 1):
        msg = f"Fidelities need 0 < least < most and eta above 1, got least={least}, most={most}, eta={eta}."
        raise SpaceError(msg)
    steps = math.floor(math.log(most / least) / math.log(eta) + 1e-9)
    return tuple(most / eta**step for step in range(steps, -1, -1))


def growth(fidelities: Sequence[float]) -> float:
    """Return by which factor fidelities grow from one to the next, in the geometric mean.

    >>> growth((1, 3, 9, 27)), growth((10, 40, 90))
    (3.0, 3.0)
    """
    return round((fidelities[-1] / fidelities[0]) ** (1 / (len(fidelities) - 1)), 9)


def labels_of(fidelities: Sequence[float]) -> tuple[float | None, ...]:
    """Return the fidelities as trials have them: the last is None, all, so that it is that of the baseline
    and of every other strategy.
    """
    return (*fidelities[:-1], None)


def check_multi_fidelity(
    wrapper: object, strategy: Any, fidelities: Sequence[float], eta: float | None
) -> None:
    """Check what a multi-fidelity strategy is given.

    Raises:
        StudyError: If it wraps no strategy that only proposes, or another multi-fidelity one.
        SpaceError: If the fidelities are not at least two growing positive numbers, or `eta` is not above 1.
    """
    name = type(wrapper).__name__
    check_wrapped(wrapper, strategy)
    inner, abilities = strategy, strategy_capabilities_of(strategy)
    if abilities.fidelities:
        while abilities.wraps is not None and strategy_capabilities_of(abilities.wraps).fidelities:
            inner, abilities = abilities.wraps, strategy_capabilities_of(abilities.wraps)
        msg = (
            f"{name} decides on fidelities, and so does {type(inner).__name__} within it. "
            "Wrap a strategy that proposes architectures alone."
        )
        raise StudyError(msg)
    growing = all(low < high for low, high in pairwise(fidelities))
    if len(fidelities) < 2 or not growing or not 0 < fidelities[0] < fidelities[-1] < math.inf:
        msg = (
            f"{name} needs at least two fidelities, positive and growing, up to all that a trial may cost, "
            f"such as (1, 3, 9, 27), got {tuple(fidelities)}."
        )
        raise SpaceError(msg)
    if eta is not None and not eta > 1:
        msg = f"'eta' of {name} is a number above 1: one in eta is promoted, got {eta}."
        raise SpaceError(msg)
