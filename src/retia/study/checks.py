"""What is found before anything is trained."""

import inspect
from collections.abc import Iterable
from typing import Any

from retia.errors import StudyError
from retia.space import SearchSpace
from retia.strategy import Strategy
from retia.study.evaluator import ArchitectureEvaluator, Budgeted, CostEvaluator, Evaluator, ModelEvaluator, Supplying
from retia.study.frozen import refuse_frozen
from retia.trial import Constraint, Objective

__all__ = ["check_metrics", "check_run"]


def check_metrics(evaluator: Evaluator, costs: CostEvaluator | None, wanted: Iterable[Objective | Constraint]) -> None:
    """Refuse an objective or a constraint that no metric supplies, where the evaluator says what it returns.

    Raises:
        StudyError: If there is one.
    """
    if not isinstance(evaluator, Supplying):
        return
    supplied = {*evaluator.metrics_supplied, *(costs.metrics if costs is not None else ())}
    for one in wanted:
        if one.metric not in supplied:
            kind = "objective" if isinstance(one, Objective) else "constraint"
            msg = f"The {kind} '{one}' asks for a metric that nothing supplies. There are {sorted(supplied)}: name one of them."
            raise StudyError(msg)


def check_run(space: SearchSpace, strategy: Strategy, evaluator: Evaluator, trials: int, timeout: float | None) -> None:
    """Refuse a run that can't be.

    Raises:
        StudyError: If there is nothing to search, the strategy holds a choice, or an argument is not what a run takes.
    """
    if not space.parameters:
        raise StudyError(space.nothing_to_search())
    refuse_frozen(strategy, StudyError)
    if trials < 1 or (timeout is not None and timeout <= 0):
        msg = f"A run needs at least one trial and a positive timeout, got trials={trials}, timeout={timeout}."
        raise StudyError(msg)
    if isinstance(strategy, type) or not hasattr(strategy, "propose"):  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
        msg = f"A strategy is an object with a method propose, such as retia.Random(), got {strategy!r}."
        raise StudyError(msg)
    if (fidelities := _fidelities(strategy)) is not None:
        _check_fidelities(type(strategy).__name__, fidelities, evaluator)


def _fidelities(strategy: Any) -> tuple[float, ...] | None:
    """Return the fidelities of a strategy, or of what it wraps; None if it asks for all of it always."""
    while strategy is not None and not hasattr(strategy, "fidelities"):
        strategy = getattr(strategy, "strategy", None)
    return None if strategy is None else tuple(strategy.fidelities)


def _check_fidelities(name: str, fidelities: tuple[float, ...], evaluator: Evaluator) -> None:
    if isinstance(evaluator, ModelEvaluator | ArchitectureEvaluator) and not inspect.isgeneratorfunction(evaluator.function):
        msg = (
            f"{name} tries architectures at the fidelities {list(fidelities)}, but a function of the model can't tell how far it is to go. Make it a "
            f"generator that yields its metrics after each epoch, or an evaluator (architecture, run) that reads run.fidelity, such as retia.Classification."
        )
        raise StudyError(msg)
    full = evaluator.full_fidelity if isinstance(evaluator, Budgeted) else None
    if full is not None and full != fidelities[-1]:
        msg = (
            f"The last of the fidelities of {name} is all that {type(evaluator).__name__} spends on a trial, {full:g}, got {list(fidelities)}. "
            f"Let the fidelities end with {full:g}, or let the evaluator go up to {fidelities[-1]:g}."
        )
        raise StudyError(msg)
