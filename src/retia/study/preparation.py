"""What a study does for a strategy that works before its first proposal."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retia.errors import StudyError
from retia.space import Architecture, SearchSpace
from retia.strategy import Prepared, Strategy
from retia.study.evaluator import CostEvaluator, Evaluator
from retia.trial import Constraint, Run

__all__ = ["PreparationStep", "affordable", "preparation_record", "preparation_run", "prepared", "refuse_another_preparation"]

FOLDER, RECORD = "prepared", "progress.jsonl"


@dataclass(frozen=True)
class PreparationStep:
    """What a strategy reported of its work before the first proposal.

    Attributes:
        step: How far it had come, such as epochs.
        metrics: What it had come to, such as a loss.
        seconds: How long this step took.
    """

    step: float
    metrics: Mapping[str, float]
    seconds: float


def prepared(strategy: Strategy, evaluator: Evaluator, run: Run) -> Evaluator:
    """Let the strategy do its work, if it has any, and return what scores the trials."""
    return strategy.prepare(evaluator, run) if isinstance(strategy, Prepared) else evaluator


def preparation_run(space: SearchSpace, seed: int, device: str | None, directory: Path, tell: Callable[..., None]) -> Run:
    """Return the circumstances of a preparation, whose reports are written down in its folder and told."""
    folder = directory / FOLDER
    since = time.perf_counter()

    def listen(metrics: Mapping[str, float], step: float | None) -> None:
        nonlocal since
        now = time.perf_counter()
        if step is not None:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / RECORD).open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, "metrics": dict(metrics), "seconds": now - since}) + "\n")
        since = now
        tell("prepared", metrics=metrics, step=step)

    return Run(space, seed, device, directory=folder, listener=listen)


def preparation_record(directory: Path) -> list[PreparationStep]:
    """Return what was written down of a preparation, in the order of the steps; of a step that was taken twice, the last time."""
    path = directory / FOLDER / RECORD
    if not path.is_file():
        return []
    steps: dict[float, PreparationStep] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            read = PreparationStep(**json.loads(line))
        except (ValueError, TypeError):
            continue  # the process was killed while it wrote the line
        steps[read.step] = read
    return [steps[step] for step in sorted(steps)]


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
