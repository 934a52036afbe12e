"""What is found before anything is trained."""

import inspect
import warnings
from collections.abc import Iterable
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from retia.errors import StudyError
from retia.execute import check_count
from retia.strategy import Strategy
from retia.study.architecture_function import ArchitectureEvaluator
from retia.study.frozen import refuse_frozen
from retia.study.kept_weights import KEEP_WEIGHTS
from retia.study.model_function import ModelEvaluator
from retia.study.signature import name_of
from retia.study.stored_evaluator import StoredEvaluator
from retia.trial import (
    Capabilities,
    Constraint,
    CostEvaluator,
    Evaluator,
    Objective,
    strategy_capabilities_of,
)

if TYPE_CHECKING:
    from retia.study.study import Study

__all__ = ["check_metrics", "check_run"]


def check_metrics(
    metrics: Iterable[str] | None, costs: CostEvaluator | None, wanted: Iterable[Objective | Constraint]
) -> None:
    """Refuse an objective or a constraint that no metric supplies, where the evaluator says what it returns.

    Raises:
        StudyError: If there is one.
    """
    if metrics is None:
        return
    supplied = {*metrics, *(costs.metrics if costs is not None else ())}
    for one in wanted:
        if one.metric not in supplied:
            kind = "objective" if isinstance(one, Objective) else "constraint"
            msg = (
                f"The {kind} '{one}' asks for a metric that nothing supplies. There are {sorted(supplied)}: "
                "name one of them."
            )
            raise StudyError(msg)


def check_run(
    study: "Study",
    strategy: Strategy,
    *,
    trials: int,
    workers: int | None,
    executor: Executor | None,
    timeout: float | None,
    failures: str,
) -> None:
    """Refuse a run that can't be.

    Raises:
        StudyError: If the study was opened without its code, there is nothing to search, the strategy holds a
            choice, or `strategy`, `trials`, `timeout` or `failures` is not valid.
        ExecutorError: If `workers` is not a whole number of at least 1.
        EvaluationError: If models can't be built on the study's device.
    """
    if isinstance(study.evaluator, StoredEvaluator):
        msg = (
            f"The study '{study.name}' was opened without its code, so it can't run. "
            "Make it from its space and evaluator, with the same storage and name."
        )
        raise StudyError(msg)
    if study.keep_weights not in KEEP_WEIGHTS:
        msg = (
            "'keep_weights' says which trials keep the weights of their models, "
            f"one of {list(KEEP_WEIGHTS)}, got {study.keep_weights!r}. Give one of these."
        )
        raise StudyError(msg)
    if not study.space.parameters:
        raise StudyError(study.space.nothing_to_search())
    refuse_frozen(strategy, StudyError)
    if workers is not None:
        check_count("workers", workers)
    if executor is None:  # another executor's workers may have devices that this machine does not have
        study.space.check_device(study.device)
    if isinstance(trials, bool) or not isinstance(trials, int):  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
        msg = (
            f"'trials' is how many trials the study is to have, a whole number, got {trials!r}. "
            "Write trials=50."
        )
        raise StudyError(msg)
    if failures not in ("raise", "ignore"):
        msg = (
            f"'failures' is 'raise' or 'ignore', got {failures!r}. Give 'ignore' to go on after a baseline "
            "that fails."
        )
        raise StudyError(msg)
    if trials < 1 or (timeout is not None and timeout <= 0):
        msg = (
            f"A run needs at least one trial and a positive timeout, got trials={trials}, timeout={timeout}."
        )
        raise StudyError(msg)
    if isinstance(strategy, type) or not hasattr(strategy, "propose"):  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
        msg = f"A strategy is an object with a method propose, such as retia.Random(), got {strategy!r}."
        raise StudyError(msg)
    if fidelities := strategy_capabilities_of(strategy).fidelities:
        _check_fidelities(type(strategy).__name__, fidelities, study.evaluator, study.capabilities)


def _check_fidelities(
    name: str, fidelities: tuple[float, ...], evaluator: Evaluator, capabilities: Capabilities
) -> None:
    if (
        isinstance(evaluator, ModelEvaluator | ArchitectureEvaluator)
        and not evaluator.takes_run
        and not inspect.isgeneratorfunction(evaluator.function)
    ):
        msg = (
            f"{name} tries architectures at the fidelities {list(fidelities)}, "
            "but a function that does not take the run can't tell how far it is to go. Make it a "
            "generator that yields its metrics after each epoch, or a function fit(model, "
            "run) that reads run.fidelity, or take one such as retia.Classification."
        )
        raise StudyError(msg)
    full = capabilities.full_fidelity
    if full is not None and full != fidelities[-1]:
        msg = (
            f"The last of the fidelities of {name} is all that {type(evaluator).__name__} spends on a "
            f"trial, {full:g}, got {list(fidelities)}. "
            f"Let the fidelities end with {full:g}, or let the evaluator go up to {fidelities[-1]:g}."
        )
        raise StudyError(msg)
    if capabilities.resumes is False:
        msg = (
            f"{name} promotes trials to higher fidelities, and {_shown(evaluator)} does not resume a "
            "training: a promoted trial trains again from the first epoch, and the time for that counts. "
            "Take the run as well, fit(model, run), and call run.resume(model, optimizer) before the first "
            "epoch and run.save(model, optimizer, step=epoch) after each; or take one that resumes, such as "
            "retia.Classification."
        )
        warnings.warn(msg, RuntimeWarning, stacklevel=4)


def _shown(evaluator: Evaluator) -> str:
    return name_of(evaluator.function) if isinstance(evaluator, ModelEvaluator) else type(evaluator).__name__
