"""The checks of a run's arguments, before any training."""

import inspect
import warnings

from retia.errors import StudyError
from retia.execute import require_count
from retia.strategy import Strategy
from retia.study.architecture_function import ArchitectureEvaluator
from retia.study.frozen import refuse_frozen
from retia.study.model_function import ModelEvaluator
from retia.study.signature import name_of
from retia.study.specification import StudySpec
from retia.study.study_run import RunOptions
from retia.trial import Capabilities, Evaluator, strategy_capabilities_of

__all__ = ["require_runnable"]


def require_runnable(spec: StudySpec, strategy: Strategy, options: RunOptions) -> None:
    """Raise an error for a run that can't succeed.

    Raises:
        StudyError: If there is nothing to search, the strategy holds a choice, or `strategy` or an option is
            not valid.
        ExecutorError: If `workers` is not a whole number of at least 1.
        EvaluationError: If models can't be built on the study's device.
    """
    workers, trials, timeout = options.workers, options.trials, options.timeout
    if not spec.searched.parameters:
        raise StudyError(spec.searched.nothing_to_search())
    refuse_frozen(strategy, StudyError)
    if workers is not None:
        require_count("workers", workers)
    if options.executor is None:  # the workers of another executor may have other devices
        spec.searched.require_device(spec.device)
    if isinstance(trials, bool) or not isinstance(trials, int):  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
        msg = (
            f"'trials' must be a whole number, the number of trials of the study, got {trials!r}. "
            "Write trials=50."
        )
        raise StudyError(msg)
    if options.failures not in ("raise", "ignore"):
        msg = (
            f"'failures' is 'raise' or 'ignore', got {options.failures!r}. "
            "Give 'ignore' to go on after a baseline that fails."
        )
        raise StudyError(msg)
    if trials < 1 or (timeout is not None and timeout <= 0):
        msg = (
            f"A run needs at least one trial and a positive timeout, got trials={trials}, timeout={timeout}. "
            "Write trials=50."
        )
        raise StudyError(msg)
    if isinstance(strategy, type) or not hasattr(strategy, "propose"):  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
        msg = f"A strategy is an object with a method propose, such as retia.Random(), got {strategy!r}."
        raise StudyError(msg)
    if fidelities := strategy_capabilities_of(strategy).fidelities:
        _require_fidelities(type(strategy).__name__, fidelities, spec.judge, spec.capabilities)


def _require_fidelities(
    name: str, fidelities: tuple[float, ...], evaluator: Evaluator, capabilities: Capabilities
) -> None:
    """Raise an error, or warn, if the evaluator does not fit the fidelities of the strategy."""
    if (
        isinstance(evaluator, ModelEvaluator | ArchitectureEvaluator)
        and not evaluator.takes_run
        and not inspect.isgeneratorfunction(evaluator.function)
    ):
        msg = (
            f"{name} tries architectures at the fidelities {list(fidelities)}, "
            "but a function that does not take the run can't know its fidelity. Make it a "
            "generator that yields its metrics after each epoch, or a function fit(model, "
            "run) that reads run.fidelity, or take one such as retia.Classification."
        )
        raise StudyError(msg)
    full = capabilities.full_fidelity
    if full is not None and full != fidelities[-1]:
        msg = (
            f"The last of the fidelities of {name} must be the full budget of {type(evaluator).__name__}, "
            f"{full:g}, got {list(fidelities)}. "
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
