"""The names of strategies on the command line. What needs torch or Optuna is imported when it is asked for."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from retia.errors import StudyError

if TYPE_CHECKING:
    from retia.strategy import Strategy

__all__ = ["MULTI_FIDELITY", "STRATEGIES", "rungs", "strategies_named"]

LEAST_GROWTH = 3.0
"""By which factor fidelities grow at least from rung to rung."""


def _random() -> "Strategy":
    from retia.strategy import Random

    return Random()


def _evolution() -> "Strategy":
    from retia.strategy import RegularizedEvolution

    return RegularizedEvolution(population=50, tournament=10)


def _local() -> "Strategy":
    from retia.strategy import LocalSearch

    return LocalSearch()


def _grid() -> "Strategy":
    from retia.strategy import GridSearch

    return GridSearch()


def _nsga2() -> "Strategy":
    from retia.strategy import NSGA2

    return NSGA2()


def _tpe() -> "Strategy":
    from retia.strategy import TPE

    return TPE()


def _cmaes() -> "Strategy":
    from retia.strategy import CMAES

    return CMAES()


def _gp() -> "Strategy":
    from retia.strategy import GP

    return GP()


def _bananas() -> "Strategy":
    from retia.predictor import BANANAS

    return BANANAS()


def _predictor() -> "Strategy":
    from retia.predictor import GaussianProcess
    from retia.strategy import PredictorGuided

    return PredictorGuided(GaussianProcess())


def _reinforce() -> "Strategy":
    from retia.predictor import Reinforce

    return Reinforce()


def _ppo() -> "Strategy":
    from retia.predictor import PPO

    return PPO()


STRATEGIES: Mapping[str, Callable[[], "Strategy"]] = {
    "random": _random,
    "evolution": _evolution,
    "local": _local,
    "tpe": _tpe,
    "cmaes": _cmaes,
    "gp": _gp,
    "bananas": _bananas,
    "predictor": _predictor,
    "reinforce": _reinforce,
    "ppo": _ppo,
    "nsga2": _nsga2,
    "grid": _grid,
}
"""What makes a fresh strategy, by its name. Settings that are not said are the strategy's own."""


def _asha(strategy: "Strategy", fidelities: Sequence[float]) -> "Strategy":
    from retia.strategy import ASHA

    return ASHA(strategy, fidelities=fidelities)


def _halving(strategy: "Strategy", fidelities: Sequence[float]) -> "Strategy":
    from retia.strategy import SuccessiveHalving

    return SuccessiveHalving(strategy, fidelities=fidelities)


def _hyperband(strategy: "Strategy", fidelities: Sequence[float]) -> "Strategy":
    from retia.strategy import Hyperband

    return Hyperband(strategy, fidelities=fidelities)


def _bohb(fidelities: Sequence[float]) -> "Strategy":
    from retia.strategy import BOHB

    return BOHB(fidelities=fidelities)


AROUND: Mapping[str, Callable[["Strategy", Sequence[float]], "Strategy"]] = {"asha": _asha, "halving": _halving, "hyperband": _hyperband}
MULTI_FIDELITY = (*AROUND, "bohb")
"""The strategies that begin with short trainings; all but the last wrap another: `asha:evolution`, and random search if none is named."""


def rungs(fidelities: Sequence[float]) -> tuple[float, ...]:
    """Return some of a table's fidelities, growing at least threefold up to the last: (12, 200) of those, and (4, 12, 36, 108) of many more.

    >>> rungs((2, 4, 6, 12, 18, 36, 54, 108))
    (4, 12, 36, 108)
    """
    chosen = [fidelities[-1]]
    for fidelity in reversed(fidelities):
        if fidelity * LEAST_GROWTH <= chosen[0]:
            chosen.insert(0, fidelity)
    return tuple(chosen)


def strategies_named(names: Sequence[str], fidelities: Sequence[float] = ()) -> dict[str, Callable[[], "Strategy"]]:
    """Return what makes the strategies of some names, in that order, each once.

    Args:
        names: The names, such as `local`, `asha` and `asha:local`.
        fidelities: What there is to choose from for those of several fidelities, growing; the last is that of a whole training.

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
            f"'{name}' begins with short trainings, a third of the whole or less, and the table has results after {there or 'no'} epochs. "
            f"Take a table with more, or a strategy that needs one only."
        )
        raise StudyError(msg)
    if around not in AROUND:
        return partial(_bohb, chosen)
    return partial(_wrapped, AROUND[around], STRATEGIES[within or "random"], chosen)


def _wrapped(around: Callable[["Strategy", Sequence[float]], "Strategy"], within: Callable[[], "Strategy"], fidelities: Sequence[float]) -> "Strategy":
    return around(within(), fidelities)


def _unknown(found: str) -> str:
    return (
        f"A comparison needs names of strategies, got {found}. Take some of {', '.join(STRATEGIES)}, with commas between; for several fidelities "
        f"{', '.join(MULTI_FIDELITY)}, where all but the last may wrap one of the others, as in asha:evolution."
    )
