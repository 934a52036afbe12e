"""The functions `search` and `check`."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Literal, cast

from retia.errors import InfeasibleArchitecture, RetiaError, StudyError
from retia.rng import stream
from retia.space import SearchSpace, Value
from retia.strategy import RegularizedEvolution, Strategy
from retia.study import INTERRUPTED, Study, run_control, run_retrained
from retia.trial import Buildable, ConstraintsLike, CostEvaluator, capabilities_of, strategy_capabilities_of

if TYPE_CHECKING:
    from torch import nn

__all__ = ["check", "run_search", "search", "with_costs"]


def search(  # the one call that puts the parts together
    space: "SearchSpace | Callable[[], nn.Module]",
    evaluator: Any,
    strategy: Strategy | None = None,
    *,
    trials: int,
    maximize: str | Sequence[str] | None = None,
    minimize: str | Sequence[str] | None = None,
    constraints: ConstraintsLike = None,
    storage: str | os.PathLike[str] | None = None,
    name: str = "study",
    seed: int = 0,
    baseline: Mapping[str, Value] | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    timeout: float | None = None,
    costs: CostEvaluator | None = None,
    device: str | None = None,
    directory: str | os.PathLike[str] | None = None,
    keep_weights: Literal["none", "best", "front", "all"] = "front",
    retrain: int = 0,
    control: bool = False,
    force: bool = False,
    retry_failed: bool = False,
    failures: Literal["raise", "ignore"] = "raise",
    strict: bool = False,
    progress: bool = True,
) -> Study:
    """Search a space for its best architectures, after a dry run, and return the study.

    The arguments are listed in five groups: what is searched, how it is judged, how long the search runs,
    where, and what it is compared with.

    Args:
        space: `ModelSpace`, `SearchSpace`, or the class of a model.
        baseline: Architecture of trial 0. Default: the default of the space.
        strategy: Strategy that proposes architectures. Default: `RegularizedEvolution()`.
        seed: Seed of all randomness. Default 0.

        evaluator: `Classification(...)` or another evaluator, a function `fit(model)` or `fit(model, run)`,
            or a function marked with `architecture_evaluator`.
        maximize: Names of the metrics to maximize.
        minimize: Names of the metrics to minimize.
        constraints: Bounds on metrics, such as `["params <= 1e6"]`.
        costs: Evaluator of costs before training. Default: parameters, and FLOPs if the input shape is known.
        device: Device of the models, such as "cuda:0". Default: the evaluator decides.

        trials: Number of trials of the study, including those of earlier runs.
        timeout: Seconds after which no more trials are started. Default: no limit.
        failures: Effect of a baseline that fails: "raise" (default) ends the run with its error, "ignore"
            records the trial.
        retry_failed: Whether to start the failed trials of a stored study again first. Default False.
        strict: Whether an architecture that is not a working model is an error. Default False, which records
            it as infeasible.

        storage: File (SQLite) or URL of the study; the same storage and name resume it. Default: in memory.
        name: Name of the study. Default "study".
        force: Whether to continue a stored study though its space, evaluator or seed has changed.
        directory: Folder of the evaluators' files. Default: beside the storage, or a temporary folder.
        keep_weights: Trials whose weights stay: "none", "best", "front" (default; the Pareto front and the
            parents of its trials) or "all". If the evaluator has `inherit_weights=True`, "best" and "front"
            keep the weights of all trials.
        workers: Number of evaluations at once, in worker processes. Default 1, in this process.
        executor: Executor of the evaluations, instead of `workers`.
        progress: Whether to show progress. Default True.

        retrain: Number of the best architectures of a one-shot method that are trained from scratch, as
            `study.retrained`. Default 0.
        control: Whether to run random search at the same budget, as `study.control`. Default False.

    Raises:
        RetiaError: As `Study`, `Study.run` and `check` do.
    """
    if isinstance(evaluator, type | SearchSpace) and not isinstance(space, type | SearchSpace):
        msg = (
            "The space comes first and the evaluator second: "
            f"search({getattr(evaluator, '__name__', 'space')}, evaluator, ...). Swap the two."
        )
        raise StudyError(msg)
    study = Study(
        as_space(space),
        evaluator,
        maximize=maximize,
        minimize=minimize,
        constraints=constraints,
        storage=storage,
        name=name,
        seed=seed,
        baseline=baseline,
        costs=costs,
        device=device,
        directory=directory,
        keep_weights=keep_weights,
        force=force,
    )
    return run_search(
        study,
        RegularizedEvolution() if strategy is None else strategy,
        retrain=retrain,
        control=control,
        progress=progress,
        trials=trials,
        workers=workers,
        executor=executor,
        timeout=timeout,
        retry_failed=retry_failed,
        failures=failures,
        strict=strict,
    )


def run_search(
    study: Study,
    strategy: Strategy,
    *,
    retrain: int,
    control: bool,
    progress: bool,
    checked: Callable[[list[str]], None] = lambda lines: None,
    **options: Any,
) -> Study:
    """Check a study, run it and the studies that it is compared with, and return it.

    Args:
        study: The study; costs are added to it if it has no evaluator of costs and builds models.
        strategy: What proposes architectures.
        retrain: Number of the best architectures that are retrained, after a one-shot method.
        control: Whether to run random search at the same budget.
        progress: Whether to show progress.
        checked: Function that is called with what the dry run checked, a line each.
        options: As in `Study.run`.

    Raises:
        RetiaError: As `Study.run` and `check` do.
        StudyError: If `retrain` or `control` does not fit the strategy.
    """
    from retia.report import Progress

    study = with_costs(study)
    _require_comparison(strategy, retrain=retrain, control=control)
    checked(check(study, strict=options.get("strict", False)))
    with Progress() as display:
        where: dict[str, Any] = {name: options[name] for name in ("workers", "executor") if name in options}
        where["observer"] = display if progress else None
        study.run(strategy, **{**options, **where})
        if retrain and study.stop_reason != INTERRUPTED:
            run_retrained(study, retrain, **where)
        retrained = study.retrained
        if control and INTERRUPTED not in (study.stop_reason, retrained and retrained.stop_reason):
            run_control(study, **where)
    return study


def _require_comparison(strategy: Strategy, *, retrain: int, control: bool) -> None:
    """Reject invalid combinations of `retrain` and `control`."""
    one_shot = strategy_capabilities_of(strategy).prepare is not None
    name = type(strategy).__name__
    if retrain < 0 or (retrain and not one_shot):
        msg = f"'retrain' is for one-shot methods, and at least 0, got {retrain} with {name}. Leave it out."
        raise StudyError(msg)
    if control and one_shot and not retrain:
        msg = (
            f"Can't compare {name} with random search: a supernet gives its scores, and trained models give "
            "those of random search. Retrain the best architectures as well: retrain=5."
        )
        raise StudyError(msg)


def check(study: Study, *, architectures: int = 3, strict: bool = False) -> list[str]:
    """Build the baseline and some random architectures and run them on the `meta` device, without training.

    Random architectures that are not working models are counted. A search records them as infeasible.

    Args:
        study: The study.
        architectures: Number of random architectures. Default 3.
        strict: Whether a random architecture that is not a working model is an error. Default False.

    Returns:
        One line for each check.

    Raises:
        InfeasibleArchitecture: If the baseline is not a working model; if `strict`, if any of the
            architectures is not. The message names the architecture and the module.
        SpaceError: If the baseline can't be built for another reason; if `strict`, if any of them can't.
    """
    rng = stream(study.seed, "check")
    drawn = list(
        dict.fromkeys(
            [study.spec.first_architecture, *(study.space.sample(rng) for _ in range(architectures))]
        )
    )
    lines = [f"space: {len(study.space)} parameters", f"objectives: {', '.join(map(str, study.objectives))}"]
    if not isinstance(study.space, Buildable):
        return [*lines, "no models to build: the evaluator judges architectures"]
    from retia.cost import dry_run

    example = capabilities_of(study.spec.counts).example
    infeasible: list[RetiaError] = []
    failed: list[RetiaError] = []
    for architecture in drawn:
        try:
            dry_run(study.space, architecture, example)
        except RetiaError as error:
            if strict or architecture == study.spec.first_architecture:
                raise
            (infeasible if isinstance(error, InfeasibleArchitecture) else failed).append(error)
    done = (
        "built and run on the meta device"
        if example is not None
        else "built on the meta device (the input shape is not known, so they were not run)"
    )
    lines.append(f"{len(drawn)} architectures, the baseline and random ones: {done}")
    if infeasible:
        lines.append(
            f"infeasible among these: {len(infeasible)}. A search records such architectures, "
            f"and they cost nothing. For example: {infeasible[0]}"
        )
    if failed:
        lines.append(
            f"can't be built among these: {len(failed)}. The trials of such architectures fail. "
            f"For example: {failed[0]}"
        )
    return lines


def as_space(space: Any) -> SearchSpace:
    """Return a space as it is, or the model space of a class or function.

    Raises:
        StudyError: If `space` is not a space, a class or a function.
    """
    if isinstance(space, SearchSpace):
        return space
    if isinstance(space, type) or (callable(space) and not hasattr(space, "state_dict")):
        from retia.nn import ModelSpace

        return ModelSpace(cast("Callable[[], nn.Module]", space))
    msg = (
        f"A search takes a ModelSpace, a SearchSpace or the class of a model, got {type(space).__name__}. "
        "Give the class Net, not the instance Net()."
    )
    raise StudyError(msg)


def with_costs(study: Study) -> Study:
    """Return the study with `Costs()`, if it builds models and has no evaluator of costs."""
    if study.spec.counts is not None or not isinstance(study.space, Buildable):
        return study
    from retia.cost import Costs

    return study.replace(costs=Costs())
