"""Functions that evaluate a model, such as your own training loop."""

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from retia.errors import EvaluationError
from retia.space import Architecture, Domain
from retia.study.architecture_function import ArchitectureEvaluator
from retia.study.frozen import refuse_frozen
from retia.study.metrics import MODEL_METRICS, as_metrics
from retia.study.progress import last_result
from retia.study.signature import (
    FORMS,
    called,
    is_function,
    name_of,
    needed_arguments,
    require_settings,
    uses,
)
from retia.trial import (
    CHECKPOINT,
    WEIGHTS,
    Buildable,
    Capabilities,
    Evaluator,
    Run,
    TrialStopped,
    as_json,
    capabilities_of,
    function_as_json,
    unsaved_is_a_warning,
)

__all__ = ["ModelEvaluator", "as_evaluator", "evaluator"]


@dataclass(frozen=True)
class ModelEvaluator:
    """The evaluator of a function `fit(model)` or `fit(model, run)`.

    The function returns metrics, or is a generator that yields them: its return value counts, or else its
    last value, and with a fidelity it is closed after that many steps. The metrics `params` (number of
    parameters) and `train_seconds` are added if the function does not return them. Then the weights are saved
    in the trial's folder, if the function has not saved them. If that fails, there is a `RuntimeWarning`.

    Args:
        function: Function of the model, or of the model and the run.
        settings: Keyword arguments of the function. Domains among them are searched along with the
            architecture.

    Raises:
        EvaluationError: If the function does not take one or two arguments beside its settings, or does not
            take a setting.
    """

    function: Callable[..., Any]
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)

    def __post_init__(self) -> None:
        require_settings(self.function, self.settings)
        needed = needed_arguments(self.function, beside=self.settings)
        if needed[0] == "architecture":
            msg = (
                f"{name_of(self.function)} takes an 'architecture', but a function that is not marked gets "
                "the model. Mark it with "
                f"@retia.architecture_evaluator, or name its argument 'model' if it is one.{FORMS}"
            )
            raise EvaluationError(msg)

    @cached_property
    def takes_run(self) -> bool:
        """Whether the function takes the `Run` beside the model."""
        return len(needed_arguments(self.function, beside=self.settings)) == 2

    def capabilities(self) -> Capabilities:
        """Return the settings that are searched, and whether a promoted trial can continue a training."""
        return Capabilities(
            parameters={name: value for name, value in self.settings.items() if isinstance(value, Domain)},
            resumes=self.takes_run and uses(self.function, "resume", "resume_from"),
            builds=True,
            release=self.release,
            settings=self.describe,
        )

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Build the model, call the function, and return its metrics."""
        space: Any = run.space
        if not isinstance(run.space, Buildable):
            msg = (
                f"{name_of(self.function)} takes a model, but the space ({type(space).__name__}) builds "
                "none. Search a ModelSpace, or mark a "
                f"function of the architecture alone with @retia.architecture_evaluator."
            )
            raise EvaluationError(msg)
        settings = {
            name: architecture[name] if isinstance(value, Domain) else value
            for name, value in self.settings.items()
        }
        model = space.build(architecture, device=run.device)
        started = time.perf_counter()
        earlier = _stamp(run)
        try:
            result = last_result(
                called(self.function, model, run, settings)
                if self.takes_run
                else self.function(model, **settings),
                run,
            )
        except (Exception, TrialStopped) as error:  # an interrupt leaves the saved state, as a kill does
            space.resumption(run, CHECKPOINT).settle(completed=False)
            if isinstance(error, TrialStopped):
                _keep_weights(model, run, earlier)
            raise
        space.resumption(run, CHECKPOINT).settle(completed=result is not None)
        if (
            result is None and run.resumed_step
        ):  # the process died after the last step, before the metrics were returned
            warnings.warn(
                "A trial that was cut off after its last step is trained again, for its metrics are lost.",
                RuntimeWarning,
                stacklevel=2,
            )
            return self(architecture, replace(run))
        seconds = time.perf_counter() - started
        metrics = as_metrics(result, name_of(self.function))
        _keep_weights(model, run, earlier)
        params = float(sum(parameter.numel() for parameter in model.parameters()))
        return {**dict(zip(MODEL_METRICS, (params, seconds), strict=True)), **metrics}

    def release(self, directory: Path) -> None:
        """Remove the checkpoint of a trial that no other trial continues."""
        (directory / CHECKPOINT).unlink(missing_ok=True)

    def describe(self) -> dict[str, Any]:
        """Return the function's name, a hash of its source, and its settings."""
        described = function_as_json(self.function)
        return {**described, "settings": as_json(self.settings)} if self.settings else described


def evaluator(fit: Callable[..., Any], /, **settings: Any) -> ModelEvaluator:
    """Return the evaluator of a training loop of your own, with settings that may be searched.

    Args:
        fit: Function `fit(model, ...)` or `fit(model, run, ...)` that returns metrics, or a generator that
            yields them.
        settings: Keyword arguments of `fit`. A domain, such as `retia.Real`, is searched along with the
            architecture, and `fit` gets the value of the trial. Any other value is handed over as it is.

    Raises:
        EvaluationError: If `fit` does not take one or two arguments beside the settings, or does not take a
            setting.

    >>> from retia.space import Real
    >>> def fit(model, *, lr, epochs=3):
    ...     return {"score": lr * epochs}
    >>> list(evaluator(fit, lr=Real(1e-4, 1e-1, log=True)).capabilities().parameters)
    ['lr']
    """
    if isinstance(fit, type | ArchitectureEvaluator | ModelEvaluator) or not callable(fit):
        msg = (
            f"retia.evaluator takes a function of the model, got {fit!r}. Give it the plain function.{FORMS}"
        )
        raise EvaluationError(msg)
    made = ModelEvaluator(fit, settings)
    refuse_frozen(made, EvaluationError, made.capabilities().parameters)
    return made


def as_evaluator(evaluator: Any) -> Evaluator:
    """Return an evaluator unchanged, or the `ModelEvaluator` of a function.

    A function is `fit(model)` or `fit(model, run)`. An object with a method `__call__` that needs two
    arguments is an `Evaluator`, and gets the architecture and the run.

    Raises:
        EvaluationError: If `evaluator` is not a valid evaluator, or holds a choice, or a domain that it does
            not search.
    """
    if isinstance(evaluator, type) or not callable(evaluator):
        msg = f"{evaluator!r} is not an evaluator.{FORMS}"
        raise EvaluationError(msg)
    refuse_frozen(evaluator, EvaluationError, capabilities_of(evaluator).parameters)
    if isinstance(evaluator, ArchitectureEvaluator | ModelEvaluator):
        return evaluator
    if is_function(evaluator) and str(getattr(evaluator, "__module__", "")).partition(".")[0] == "retia":
        name = evaluator.__name__
        msg = f"{name} is a function that makes an evaluator. Call it: {name}(...).{FORMS}"
        raise EvaluationError(msg)
    if not is_function(evaluator) and len(needed_arguments(evaluator)) == 2:
        return cast("Evaluator", evaluator)
    return ModelEvaluator(evaluator)


def _stamp(run: Run) -> tuple[int, int] | None:
    """Return the inode and time of the file of a trial's weights; None if there is no file."""
    if run.directory is None or not (path := run.directory / WEIGHTS).exists():
        return None
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def _keep_weights(model: Any, run: Run, earlier: tuple[int, int] | None) -> None:
    """Save a model's weights, unless the study does not keep them or the function has saved them."""
    if run.directory is None or not run.keep_weights or _stamp(run) != earlier:
        return
    space: Any = run.space
    with unsaved_is_a_warning(run.directory):
        space.keep(model, run.directory / WEIGHTS)
