"""The names of strategies on the command line. What needs torch or Optuna is imported when it is asked for."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from retia.errors import StudyError

if TYPE_CHECKING:
    from retia.strategy import Strategy

__all__ = ["STRATEGIES", "strategies_named"]


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


def strategies_named(names: Sequence[str]) -> dict[str, Callable[[], "Strategy"]]:
    """Return what makes the strategies of some names, in that order, each once.

    Raises:
        StudyError: If there is none, or no strategy of a name.
    """
    unknown = [name for name in names if name not in STRATEGIES]
    if unknown or not names:
        found = f"'{unknown[0]}'" if unknown else "none"
        msg = f"A comparison needs names of strategies, got {found}. Take some of {', '.join(STRATEGIES)}, with commas between."
        raise StudyError(msg)
    return {name: STRATEGIES[name] for name in names}
