"""What is found before anything is trained."""

from collections.abc import Iterable

from retia.errors import StudyError
from retia.strategy import Strategy
from retia.study.evaluator import CostEvaluator, Evaluator, Supplying
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


def check_run(strategy: Strategy, trials: int, timeout: float | None) -> None:
    """Refuse a run that can't be.

    Raises:
        StudyError: If it can't.
    """
    if trials < 1 or (timeout is not None and timeout <= 0):
        msg = f"A run needs at least one trial and a positive timeout, got trials={trials}, timeout={timeout}."
        raise StudyError(msg)
    if isinstance(strategy, type) or not hasattr(strategy, "propose"):  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
        msg = f"A strategy is an object with a method propose, such as retia.Random(), got {strategy!r}."
        raise StudyError(msg)
