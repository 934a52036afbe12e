"""The names of strategies on the command line, which are imported when they are made."""
# ruff: noqa: PLW0108  # a lambda looks a strategy up, and so imports it, when it is made

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import retia
from retia.errors import StudyError

if TYPE_CHECKING:
    from retia.strategy import Strategy

__all__ = ["MULTI_FIDELITY", "STRATEGIES", "rungs", "strategies_named"]

LEAST_GROWTH = 3.0
"""The minimum ratio of consecutive fidelities."""


STRATEGIES: Mapping[str, Callable[[], "Strategy"]] = {
    "random": lambda: retia.Random(),
    "evolution": lambda: retia.RegularizedEvolution(population=50, tournament=10),
    "local": lambda: retia.strategy.LocalSearch(),
    "tpe": lambda: retia.strategy.TPE(),
    "cmaes": lambda: retia.strategy.CMAES(),
    "optuna-gp": lambda: retia.strategy.OptunaGP(),
    "bananas": lambda: retia.predictor.BANANAS(),
    "predictor": lambda: retia.strategy.PredictorGuided(retia.predictor.GaussianProcess()),
    "reinforce": lambda: retia.predictor.Reinforce(),
    "ppo": lambda: retia.predictor.PPO(),
    "nsga2": lambda: retia.strategy.NSGA2(),
    "grid": lambda: retia.strategy.GridSearch(),
}
"""Functions that make a fresh strategy, by name."""

AROUND: Mapping[str, Callable[["Strategy", Sequence[float]], "Strategy"]] = {
    "asha": lambda strategy, fidelities: retia.strategy.ASHA(strategy, fidelities=fidelities),
    "halving": lambda strategy, fidelities: retia.strategy.SuccessiveHalving(strategy, fidelities=fidelities),
    "hyperband": lambda strategy, fidelities: retia.strategy.Hyperband(strategy, fidelities=fidelities),
}
MULTI_FIDELITY = (*AROUND, "bohb")
"""Strategies that start with short trainings; all but the last wrap another one, by default `random`."""


def rungs(fidelities: Sequence[float]) -> tuple[float, ...]:
    """Return fidelities of a table that grow at least threefold, up to the last.

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
    """Return functions that make strategies, by name and in the order of `names`.

    Args:
        names: Names such as `local`, `asha` and `asha:local`.
        fidelities: Available fidelities in ascending order; the last is that of a full training.

    Raises:
        StudyError: If `names` is empty or has an unknown name, or a multi-fidelity strategy lacks a lower
            fidelity.
    """
    if not names:
        raise StudyError(_unknown("no name"))
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
            f"'{name}' starts with trainings of at most a third of the epochs, "
            f"and the table has results after {there or 'no'} epochs. "
            "Take a table with more fidelities, or another strategy."
        )
        raise StudyError(msg)
    if around not in AROUND:
        return lambda: retia.strategy.BOHB(fidelities=chosen)
    wrap, make = AROUND[around], STRATEGIES[within or "random"]
    return lambda: wrap(make(), chosen)


def _unknown(found: str) -> str:
    return (
        f"A comparison needs names of strategies, got {found}. Give {', '.join(STRATEGIES)}, separated by "
        f"commas; with several fidelities also {', '.join(MULTI_FIDELITY)}, of which all but the last may "
        "wrap one of the others, as in asha:evolution."
    )
