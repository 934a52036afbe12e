"""The preparation of a strategy, such as the training of a supernet, before its first proposal."""

import json
import math
import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from retia.errors import InfeasibleArchitecture, SpaceError, StorageError, StudyError
from retia.rng import stream
from retia.space import Architecture, SearchSpace
from retia.strategy import Strategy
from retia.trial import (
    Constraint,
    CostEvaluator,
    Evaluator,
    History,
    Objective,
    Run,
    StrategyCapabilities,
)

__all__ = [
    "PREPARED",
    "PreparationStep",
    "derived",
    "different_preparation",
    "preparation_record",
    "preparation_run",
    "scoring_evaluator",
    "store_derived",
    "warn_of_penalties",
]

PREPARED, RECORD, DERIVED = "prepared", "progress.jsonl", "derived.json"

SAMPLES = 100
"""Number of random architectures whose costs are counted before a local search for a feasible one."""


@dataclass(frozen=True)
class PreparationStep:
    """One report of a preparation.

    Attributes:
        step: Step, such as the epoch.
        metrics: Reported metrics, such as a loss.
        seconds: Duration of the step in seconds.
    """

    step: float
    metrics: Mapping[str, float]
    seconds: float


def scoring_evaluator(
    abilities: StrategyCapabilities,
    evaluator: Evaluator,
    run: Run,
    costs: CostEvaluator | None,
    constraints: Sequence[Constraint],
) -> Evaluator:
    """Prepare the strategy, if it needs that, and return the evaluator that scores the trials.

    Raises:
        StudyError: If no architecture is found that meets the bounds on costs.
    """
    if abilities.prepare is None:
        return evaluator
    return abilities.prepare(evaluator, replace(run, space=affordable(run.space, costs, constraints)))


def derived(folder: Path) -> Architecture | None:
    """Return the stored first proposal of a prepared strategy; None if it is not stored.

    Raises:
        StorageError: If the file is damaged.
    """
    path = folder / DERIVED
    if not path.is_file():
        return None
    try:
        return Architecture.from_json(path.read_text(encoding="utf-8"))
    except (ValueError, AttributeError, SpaceError) as error:
        msg = (
            f"The file '{path}' should hold an architecture, and can't be read "
            f"({type(error).__name__}: {error}). Remove it, and run the study again to have it written."
        )
        raise StorageError(msg) from error


def store_derived(strategy: Strategy, run: Run, history: History) -> None:
    """Store what a strategy proposes first after its preparation, for `derived`.

    Args:
        strategy: The strategy.
        run: The run of the preparation.
        history: The history of no trials.
    """
    first = strategy.propose(run.space, history, 1, stream(run.seed, "derived"))
    if first and run.directory is not None:
        run.directory.mkdir(parents=True, exist_ok=True)
        part = run.directory / f"{DERIVED}.{os.getpid()}.part"
        part.write_text(first[0].architecture.to_json(), encoding="utf-8")
        part.replace(run.directory / DERIVED)


def warn_of_penalties(
    strategy: Strategy,
    penalized: Sequence[str],
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint],
) -> None:
    """Warn if a strategy penalizes metrics that the study does not judge by."""
    judged = {one.metric for one in (*objectives, *constraints)}
    if ignored := [metric for metric in dict.fromkeys(penalized) if metric not in judged]:
        names = " and ".join(f"'{metric}'" for metric in ignored)
        msg = (
            f"{type(strategy).__name__} penalizes {names}, which the study does not judge by, so study.best "
            f"is the best by {objectives[0].metric} alone. Take study.derived, the method's own choice, "
            f"or add minimize='{ignored[0]}', or constraints=['{ignored[0]} <= ...']."
        )
        warnings.warn(msg, RuntimeWarning, stacklevel=6)


def preparation_run(
    space: SearchSpace, seed: int, device: str | None, directory: Path, notify: Callable[..., None]
) -> Run:
    """Return the `Run` of a preparation, whose reports are written to its folder and given to `notify`."""
    folder = directory / PREPARED
    since = time.perf_counter()

    def listen(metrics: Mapping[str, float], step: float | None) -> None:
        nonlocal since
        now = time.perf_counter()
        if step is not None:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / RECORD).open("a", encoding="utf-8") as file:
                file.write(
                    json.dumps({"step": step, "metrics": dict(metrics), "seconds": now - since}) + "\n"
                )
        since = now
        notify("prepared", metrics=metrics, step=step)

    return Run(space, seed, device, directory=folder, listener=listen)


def preparation_record(folder: Path) -> list[PreparationStep]:
    """Return the stored reports of a preparation by step; of a repeated step, the last report."""
    path = folder / RECORD
    if not path.is_file():
        return []
    steps: dict[float, PreparationStep] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            read = PreparationStep(**json.loads(line))
        except (ValueError, TypeError):
            continue  # the process was killed while it wrote the line
        steps[read.step] = read
    return [steps[step] for step in sorted(steps)]


def affordable(
    space: SearchSpace, costs: CostEvaluator | None, constraints: Sequence[Constraint]
) -> SearchSpace:
    """Return the space restricted to the architectures that meet the bounds on costs.

    Raises:
        StudyError: If no such architecture is found; the message shows the range of the costs.
    """
    bounds = [
        constraint for constraint in constraints if costs is not None and constraint.metric in costs.metrics
    ]
    if costs is None or not bounds:
        return space
    known: dict[Architecture, Mapping[str, float] | None] = {}  # None: not a working model

    def holds(architecture: Architecture) -> bool:
        if architecture not in known:
            try:
                known[architecture] = costs(architecture, Run(space))
            except InfeasibleArchitecture:
                known[architecture] = None
        return violation(architecture) == 0

    def violation(architecture: Architecture) -> float:
        counted = known[architecture]
        return math.inf if counted is None else sum(bound.violation(counted) for bound in bounds)

    if not _any_affordable(space, holds, violation):
        counted = [one for one in known.values() if one is not None]
        seen = (
            "; ".join(_seen(metric, counted) for metric in dict.fromkeys(bound.metric for bound in bounds))
            if counted
            else "no model can be built"
        )
        msg = (
            f"No architecture meets {' and '.join(map(str, bounds))}, among {SAMPLES} random ones and those "
            f"that are next to the nearest of them: {seen}. "
            f"Loosen the bound, or widen the space to where it can be met."
        )
        raise StudyError(msg)
    return space.where(holds, " and ".join(map(str, bounds)))


def _any_affordable(
    space: SearchSpace, holds: Callable[[Architecture], bool], violation: Callable[[Architecture], float]
) -> bool:
    """Whether a feasible architecture is found by random sampling, or by local search from the best."""
    rng = stream(0, "affordable")
    nearest: Architecture | None = None
    for _ in range(SAMPLES):
        architecture = space.sample(rng)
        if holds(architecture):
            return True
        if nearest is None or violation(architecture) < violation(nearest):
            nearest = architecture
    while nearest is not None:
        here = nearest
        nearest = None
        for neighbour in space.neighbours(here):
            if holds(neighbour):
                return True
            if violation(neighbour) < violation(here):
                nearest = neighbour
                break
    return False


def _seen(metric: str, counted: Iterable[Mapping[str, float]]) -> str:
    values = [costs[metric] for costs in counted]
    return f"{metric} {min(values):,.6g} to {max(values):,.6g}"


def different_preparation(name: str, before: Mapping[str, Any] | None, strategy: Strategy) -> None:
    """Refuse a strategy whose trials would be scored otherwise than those of a study.

    Raises:
        StudyError: Always; the message says how they were scored, and what to do.
    """
    scored = "trained models" if before is None else f"the supernet of {before.get('type')}"
    msg = (
        f"The trials of '{name}' were scored by {scored}, and those of {type(strategy).__name__} would not "
        "compare with them. Take another study; to search "
        "a trained supernet by another strategy, give what method.train(space, "
        "evaluator) returns as the evaluator."
    )
    raise StudyError(msg)
