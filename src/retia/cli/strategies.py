"""The names of strategies on the command line. They are looked up in `retia` when they are made, which
imports torch or Optuna for those alone that need it.
"""
# ruff: noqa: PLW0108  # a lambda looks a strategy up, and so imports it, when it is made

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import retia
from retia.errors import StudyError

if TYPE_CHECKING:
    from retia.strategy import Strategy

__all__ = ["MULTI_FIDELITY", "STRATEGIES", "rungs", "strategies_named"]

LEAST_GROWTH = 3.0
"""By which factor fidelities grow at least from rung to rung."""


STRATEGIES: Mapping[str, Callable[[], "Strategy"]] = {
    "random": lambda: retia.Random(),
    "evolution": lambda: retia.RegularizedEvolution(population=50, tournament=10),
    "local": lambda: retia.strategy.LocalSearch(),
    "tpe": lambda: retia.strategy.TPE(),
    "cmaes": lambda: retia.strategy.CMAES(),
    "gp": lambda: retia.strategy.GP(),
    "bananas": lambda: retia.predictor.BANANAS(),
    "predictor": lambda: retia.strategy.PredictorGuided(retia.predictor.GaussianProcess()),
    "reinforce": lambda: retia.predictor.Reinforce(),
    "ppo": lambda: retia.predictor.PPO(),
    "nsga2": lambda: retia.strategy.NSGA2(),
    "grid": lambda: retia.strategy.GridSearch(),
}
"""What makes a fresh strategy, by its name. Settings that are not said are the strategy's own."""

AROUND: Mapping[str, Callable[["Strategy", Sequence[float]], "Strategy"]] = {
    "asha": lambda strategy, fidelities: retia.strategy.ASHA(strategy, fidelities=fidelities),
    "halving": lambda strategy, fidelities: retia.strategy.SuccessiveHalving(strategy, fidelities=fidelities),
    "hyperband": lambda strategy, fidelities: retia.strategy.Hyperband(strategy, fidelities=fidelities),
}
MULTI_FIDELITY = (*AROUND, "bohb")
"""The strategies that begin with short trainings; all but the last wrap another: `asha:evolution`, and random
search if none is named.
"""


def rungs(fidelities: Sequence[float]) -> tuple[float, ...]:
    """Return some of a table's fidelities, growing at least threefold up to the last: (12, 200) of those, and
    (4, 12, 36, 108) of many more.

    >>> rungs((2, 4, 6, 12, 18, 36, 54, 108))
    (4, 12, 36, 108)
    """
    chosen = [fidelities[-1]]
    for fidelity in reversed(fidelities):
        if fidelity * LEAST_GROWTH <= chosen[0]:
            chosen.insert(0, fidelity)
    return tuple(chosen)


def strategies_named(
    names: Sequence[str], fidelities: Sequence[float] = ()
) -> dict[str, Callable[[], "Strategy"]]:
    """Return what makes the strategies of some names, in that order, each once.

    Args:
        names: The names, such as `local`, `asha` and `asha:local`.
        fidelities: What there is to choose from for those of several fidelities, growing; the last is that of
            a whole training.

    Raises:
        StudyError: If there is no name, no strategy of a name, or no lower fidelity for one that needs it.
    """
    if not names:
        raise StudyError(_unknown("none"))
    return {name: _factory(name, fidelities) for name in names}


def _factory(name: str, fidelities: Sequence[float]) -> Callable[[], "Strategy"]:
    around, colon, within = name.partition(":")
    if name in STRATEGIES:
        return STRATEGIES[name]
    if around not in MULTI_FIDELITY or (colon and (around not in AROUND or within not in STRATEGIES)):
        raise StudyError(_unknown(f"'{name}'"))
    chosen = rungs(fidelities) if fidelities else ()
    if len(chosen) < 2:
        there = ", ".join(f"{fidelity:g}" for fidelity in fidelities)
        msg = (
            f"'{name}' begins with short trainings, a third of the whole or less, "
            f"and the table has results after {there or 'no'} epochs. "
            f"Take a table with more, or a strategy that needs one only."
        )
        raise StudyError(msg)
    if around not in AROUND:
        return lambda: retia.strategy.BOHB(fidelities=chosen)
    wrap, make = AROUND[around], STRATEGIES[within or "random"]
    return lambda: wrap(make(), chosen)


def _unknown(found: str) -> str:
    return (
        f"A comparison needs names of strategies, got {found}. Take some of {', '.join(STRATEGIES)}, "
        "with commas between; for several fidelities "
        f"{', '.join(MULTI_FIDELITY)}, where all but the last may wrap one of the others, "
        "as in asha:evolution."
    )
