"""What a study does for a strategy that works before its first proposal."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from retia.errors import StudyError
from retia.space import Architecture, SearchSpace
from retia.strategy import Prepared, Strategy
from retia.study.evaluator import CostEvaluator, Evaluator
from retia.trial import Constraint, Run

__all__ = ["affordable", "preparation_run", "prepared", "refuse_another_preparation"]


def prepared(strategy: Strategy, evaluator: Evaluator, run: Run) -> Evaluator:
    """Let the strategy do its work, if it has any, and return what scores the trials."""
    return strategy.prepare(evaluator, run) if isinstance(strategy, Prepared) else evaluator


def preparation_run(space: SearchSpace, seed: int, device: str | None, directory: Path, tell: Callable[..., None]) -> Run:
    """Return the circumstances of a preparation."""
    return Run(space, seed, device, directory=directory / "prepared", listener=lambda metrics, step: tell("prepared", metrics=metrics, step=step))


def affordable(space: SearchSpace, costs: CostEvaluator | None, constraints: Sequence[Constraint]) -> SearchSpace:
    """Return the space of those architectures that meet the bounds on costs."""
    bounds = [constraint for constraint in constraints if costs is not None and constraint.metric in costs.metrics]
    if costs is None or not bounds:
        return space
    known: dict[Architecture, bool] = {}

    def holds(architecture: Architecture) -> bool:
        if architecture not in known:
            counted = costs(architecture, Run(space))
            known[architecture] = all(bound.holds(counted) for bound in bounds)
        return known[architecture]

    return space.where(holds, " and ".join(map(str, bounds)))


def refuse_another_preparation(name: str, before: Mapping[str, Any] | None, strategy: Strategy) -> None:
    """Refuse a strategy whose trials would be scored otherwise than those of a study.

    Raises:
        StudyError: Always; the message says how they were scored, and what to do.
    """
    scored = "trained models" if before is None else f"the supernet of {before.get('type')}"
    msg = (
        f"The trials of '{name}' were scored by {scored}, and those of {type(strategy).__name__} would not compare with them. Take another study; to search "
        f"a trained supernet by another strategy, give what method.train(space, evaluator) returns as the evaluator."
    )
    raise StudyError(msg)
