"""The fidelities of a multi-fidelity strategy."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from retia.errors import SpaceError, StudyError
from retia.strategy.requirements import require_number, require_strategy
from retia.trial import strategy_capabilities_of

__all__ = ["geometric_fidelities", "growth", "require_multi_fidelity", "rung_fidelities"]


def geometric_fidelities(least: float, most: float, *, eta: float = 3) -> tuple[float, ...]:
    """Return fidelities that grow by the factor `eta` up to `most`; the first is at least `least`.

    >>> geometric_fidelities(1, 81)
    (1.0, 3.0, 9.0, 27.0, 81.0)
    >>> geometric_fidelities(10, 200, eta=4)
    (12.5, 50.0, 200.0)

    Raises:
        SpaceError: If not 0 < `least` < `most` < infinity, or `eta` is not above 1.

    Reference:
        Li et al., Hyperband, JMLR 2018, algorithm 1: R η^-s for s from ⌊log_η R⌋ to 0.
    """
    if not (0 < least < most < math.inf and eta > 1):
        msg = f"Fidelities need 0 < least < most and eta above 1, got least={least}, most={most}, eta={eta}."
        raise SpaceError(msg)
    steps = math.floor(math.log(most / least) / math.log(eta) + 1e-9)
    return tuple(most / eta**step for step in range(steps, -1, -1))


def growth(fidelities: Sequence[float]) -> float:
    """Return the geometric mean of the factors between successive fidelities.

    >>> growth((1, 3, 9, 27)), growth((10, 40, 90))
    (3.0, 3.0)
    """
    return round((fidelities[-1] / fidelities[0]) ** (1 / (len(fidelities) - 1)), 9)


def rung_fidelities(fidelities: Sequence[float]) -> tuple[float | None, ...]:
    """Return the fidelity of the trials of each rung. The last is None, as in strategies without fidelities.

    >>> rung_fidelities((1, 3, 9))
    (1, 3, None)
    """
    return (*fidelities[:-1], None)


def require_multi_fidelity(
    wrapper: object, strategy: Any, fidelities: Sequence[float], eta: float | None
) -> None:
    """Require valid arguments of a multi-fidelity strategy; its attribute `eta` is `eta`.

    Raises:
        StudyError: If `strategy` is not a strategy that only proposes, or sets fidelities itself.
        SpaceError: If `fidelities` are not at least two increasing positive numbers, or `eta` is not above 1.
    """
    name = type(wrapper).__name__
    require_strategy(wrapper, strategy)
    inner, abilities = strategy, strategy_capabilities_of(strategy)
    if abilities.fidelities:
        while abilities.wraps is not None and strategy_capabilities_of(abilities.wraps).fidelities:
            inner, abilities = abilities.wraps, strategy_capabilities_of(abilities.wraps)
        msg = (
            f"{name} sets the fidelities of trials, and so does {type(inner).__name__} inside it. "
            "Wrap a strategy that proposes architectures only."
        )
        raise StudyError(msg)
    growing = all(low < high for low, high in pairwise(fidelities))
    if len(fidelities) < 2 or not growing or not 0 < fidelities[0] < fidelities[-1] < math.inf:
        msg = (
            f"{name} needs at least two fidelities, positive and increasing, such as (1, 3, 9, 27), "
            f"got {tuple(fidelities)}. The last is the fidelity of a whole trial."
        )
        raise SpaceError(msg)
    if eta is not None:
        require_number(wrapper, "eta", above=1)
