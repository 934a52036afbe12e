"""Neural architecture search in PyTorch: plain modules with `choice()`, searched for what you can afford.

    study = retia.search(
        Net, retia.Classification(train, valid), trials=50, maximize="accuracy", minimize="params"
    )
    model = study.best.build()

What most searches need is here. The rest is in the packages, such as `retia.strategy.TPE`,
`retia.oneshot.DARTS` and `retia.predictor.GaussianProcess`. Packages, and names that need torch, are imported
when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from retia.errors import (
    ArchitectureError,
    EvaluationError,
    ExecutorError,
    InfeasibleArchitecture,
    RetiaError,
    SpaceError,
    StorageError,
    StudyError,
    SupernetError,
    TimeLimitExceeded,
    TrainingDiverged,
    WorkerDied,
)
from retia.space import (
    Architecture,
    Categorical,
    Integer,
    Real,
    SearchSpace,
    Subset,
    apply,
    choice,
    integer,
    real,
    reject,
    require,
    scope,
    subset,
)

if TYPE_CHECKING:
    from retia import benchmark as benchmark
    from retia import cost as cost
    from retia import datasets as datasets
    from retia import evaluate as evaluate
    from retia import execute as execute
    from retia import hub as hub
    from retia import nn as nn
    from retia import oneshot as oneshot
    from retia import predictor as predictor
    from retia import report as report
    from retia import storage as storage
    from retia import strategy as strategy
    from retia import study as study
    from retia import supernet as supernet
    from retia import trial as trial
    from retia.cost import Costs
    from retia.evaluate import Classification, LanguageModeling, Regression, Training, save_weights
    from retia.execute import InProcess, Processes
    from retia.nn import ModelSpace, cell, input_choice, layer_choice, repeat, tensor_parameter
    from retia.searching import check, search
    from retia.strategy import Random, RegularizedEvolution
    from retia.study import Study, architecture_evaluator, evaluator
    from retia.supernet import Supernet
    from retia.trial import Constraint, Objective, Proposal, Run, Trial

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "ArchitectureError",
    "Categorical",
    "Classification",
    "Constraint",
    "Costs",
    "EvaluationError",
    "ExecutorError",
    "InProcess",
    "InfeasibleArchitecture",
    "Integer",
    "LanguageModeling",
    "ModelSpace",
    "Objective",
    "Processes",
    "Proposal",
    "Random",
    "Real",
    "Regression",
    "RegularizedEvolution",
    "RetiaError",
    "Run",
    "SearchSpace",
    "SpaceError",
    "StorageError",
    "Study",
    "StudyError",
    "Subset",
    "Supernet",
    "SupernetError",
    "TimeLimitExceeded",
    "Training",
    "TrainingDiverged",
    "Trial",
    "WorkerDied",
    "apply",
    "architecture_evaluator",
    "cell",
    "check",
    "choice",
    "evaluator",
    "input_choice",
    "integer",
    "layer_choice",
    "real",
    "reject",
    "repeat",
    "require",
    "save_weights",
    "scope",
    "search",
    "subset",
    "tensor_parameter",
]

_PACKAGES = (
    *("benchmark", "cost", "datasets", "evaluate", "execute", "hub", "nn", "oneshot", "predictor", "report"),
    *("storage", "strategy", "study", "supernet", "testing", "trial"),
)
_HOMES = {
    "retia.cost": "Costs",
    "retia.evaluate": "Classification LanguageModeling Regression Training save_weights",
    "retia.execute": "InProcess Processes",
    "retia.nn": "ModelSpace cell input_choice layer_choice repeat tensor_parameter",
    "retia.searching": "check search",
    "retia.strategy": "Random RegularizedEvolution",
    "retia.study": "Study architecture_evaluator evaluator",
    "retia.supernet": "Supernet",
    "retia.trial": "Constraint Objective Proposal Run Trial",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"retia.{name}")
    if name not in _HOME:
        msg = f"module 'retia' has no attribute {name!r}.{_elsewhere(name)}"
        raise AttributeError(msg)
    value = getattr(import_module(_HOME[name]), name)
    # Kept, so that the next access is direct.
    globals()[name] = value
    return value


def _elsewhere(name: str) -> str:
    """Return where a package exports a name, as a sentence for an error; empty if no package does."""
    if name.startswith("_"):
        return ""
    for package in _PACKAGES:
        if name in getattr(import_module(f"retia.{package}"), "__all__", ()):
            return f" Write retia.{package}.{name}."
    return " docs/api.md lists the names."


def __dir__() -> list[str]:
    return sorted(__all__)
