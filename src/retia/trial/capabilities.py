"""Optional abilities of evaluators and strategies, as data."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from retia.errors import EvaluationError, RetiaError, StudyError
from retia.space import Domain
from retia.trial.evaluator import CostEvaluator, Evaluator
from retia.trial.history import History
from retia.trial.run import Run
from retia.trial.settings import fields_as_json

__all__ = ["Capabilities", "StrategyCapabilities", "capabilities_of", "strategy_capabilities_of"]

Record = TypeVar("Record", "Capabilities", "StrategyCapabilities")


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """Optional abilities of an evaluator, as its method `capabilities()` returns them.

    A wrapper passes on what the inner evaluator can do:
    `replace(capabilities_of(self.inner), settings=self.settings)`. An evaluator without the method has the
    defaults, and its dataclass fields as settings.

    Args:
        metrics: Names of all metrics that the evaluator returns. None if it does not know them.
        costs: Evaluator of costs, such as parameters, which runs before training.
        parameters: Domains of the evaluator's own settings that are searched along with the architecture, by
            name.
        full_fidelity: Budget of a trial without a fidelity, such as its epochs. None if it varies.
        training: Function that returns the `Training` by which a one-shot method trains a supernet.
        resumes: Whether a promoted trial continues the training of the trial that it was promoted from. None
            if that is not known, or there is no training.
        inherits: Whether a model starts from the weights of the trial that its architecture was derived from;
            the study then keeps the weights of all trials.
        builds: Whether the evaluator needs a space that builds models.
        example: Example inputs of a model, on which a dry run calls it.
        release: Function that removes from a trial's folder what was kept for a promotion of the trial.
        settings: Function that returns the settings that results depend on, as JSON. A resumed study
            compares them.
    """

    metrics: tuple[str, ...] | None = None
    costs: CostEvaluator | None = None
    parameters: Mapping[str, Domain] = field(default_factory=dict[str, Domain])
    full_fidelity: float | None = None
    training: Callable[[], Any] | None = None
    resumes: bool | None = None
    inherits: bool = False
    builds: bool = False
    example: Any = None
    release: Callable[[Path], None] | None = None
    settings: Callable[[], Mapping[str, Any]] | None = None


@dataclass(frozen=True, kw_only=True)
class StrategyCapabilities:
    """Optional abilities of a strategy, as its method `capabilities()` returns them.

    A wrapper passes on what the inner strategy can do:
    `replace(strategy_capabilities_of(self.strategy), wraps=self.strategy)`.

    Args:
        prepare: Function that works before the first proposal, such as training a supernet, and returns the
            evaluator that scores the trials. It gets the study's evaluator, and a `Run` whose space is
            restricted to the bounds on costs. Laws: it resumes from the files in `run.directory`; after a
            second preparation, the strategy proposes the same.
        settings: Function that returns the settings as JSON; needed where `prepare` is given, for all trials
            of a study are scored by one preparation.
        penalizes: Names of the metrics that penalties are on, which steer what `prepare` does.
        spent: Function of the history and of the number of trials left that returns the numbers of completed
            trials that will not be promoted, or whose promotion has ended. Laws: a spent trial stays spent,
            whatever trials end; trials at fidelities that the strategy does not use are not among them.
        fidelities: Ascending fidelities at which the strategy proposes; the last is the full budget. Empty if
            it proposes at the full budget only.
        wraps: The strategy that it wraps.
    """

    prepare: Callable[[Evaluator, Run], Evaluator] | None = None
    settings: Callable[[], Mapping[str, Any]] | None = None
    penalizes: tuple[str, ...] = ()
    spent: Callable[[History, int], Collection[int]] | None = None
    fidelities: tuple[float, ...] = ()
    wraps: Any = None


def capabilities_of(evaluator: Any) -> Capabilities:
    """Return what an evaluator says that it can do; without a method `capabilities`, the defaults.

    Raises:
        EvaluationError: If `capabilities` of `evaluator` is not a method that returns `Capabilities`.
    """
    found = _asked(evaluator, Capabilities, EvaluationError)
    if found.settings is None:
        return replace(found, settings=partial(fields_as_json, evaluator))
    return found


def strategy_capabilities_of(strategy: Any) -> StrategyCapabilities:
    """Return what a strategy says that it can do; without a method `capabilities`, the defaults.

    Raises:
        StudyError: If `capabilities` of `strategy` is not a method that returns `StrategyCapabilities`.
    """
    return _asked(strategy, StrategyCapabilities, StudyError)


def _asked(owner: Any, record: type[Record], error: type[RetiaError]) -> Record:
    ask = getattr(owner, "capabilities", record)
    found = ask() if callable(ask) else ask
    if not isinstance(found, record):
        msg = (
            f"'capabilities' of {type(owner).__name__} must be a method that returns a "
            f"retia.trial.{record.__name__}, got {found!r}. Write such a method, or leave it out."
        )
        raise error(msg)
    return found
