"""Neural architecture search in PyTorch: plain modules with `choice()`, searched for what you can afford.

    study = retia.search(Net, retia.Classification(train, valid), trials=50, maximize="accuracy",
    minimize="params") model = study.best.build()

Names that need torch are imported when they are first used.
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
    Parameter,
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
    from retia import benchmark, datasets, hub
    from retia.cost import Costs
    from retia.evaluate import (
        Classification,
        LanguageModeling,
        Regression,
        Training,
        ZeroCost,
        export,
        inherit,
        save_weights,
    )
    from retia.execute import InProcess, Processes
    from retia.nn import ModelSpace, cell, input_choice, layer_choice, repeat, tensor_parameter
    from retia.oneshot import (
        DARTS,
        ENAS,
        GDAS,
        PCDARTS,
        SNAS,
        SPOS,
        DrNAS,
        FairNAS,
        FBNet,
        OnceForAll,
        Penalty,
        ProxylessNAS,
        Sandwich,
        SupernetEvaluator,
    )
    from retia.predictor import (
        BANANAS,
        PPO,
        GaussianProcess,
        GradientBoosting,
        NeuralEnsemble,
        RandomForest,
        Reinforce,
    )
    from retia.searching import check, search
    from retia.strategy import (
        ASHA,
        BOHB,
        CMAES,
        GP,
        NSGA2,
        TPE,
        Fallback,
        Filtered,
        GridSearch,
        Hyperband,
        Listed,
        LocalSearch,
        MedianStop,
        NetworkMorphism,
        PredictorGuided,
        Prior,
        Random,
        RegularizedEvolution,
        Screened,
        SuccessiveHalving,
        WarmStarted,
    )
    from retia.study import Repeated, Study, architecture_evaluator, evaluator
    from retia.supernet import Supernet, elastic, load_pretrained, recalibrate
    from retia.trial import Constraint, Objective, Proposal, Run, Trial

__version__ = "0.1.0"

__all__ = [
    "ASHA",
    "BANANAS",
    "BOHB",
    "CMAES",
    "DARTS",
    "ENAS",
    "GDAS",
    "GP",
    "NSGA2",
    "PCDARTS",
    "PPO",
    "SNAS",
    "SPOS",
    "TPE",
    "Architecture",
    "ArchitectureError",
    "Categorical",
    "Classification",
    "Constraint",
    "Costs",
    "DrNAS",
    "EvaluationError",
    "ExecutorError",
    "FBNet",
    "FairNAS",
    "Fallback",
    "Filtered",
    "GaussianProcess",
    "GradientBoosting",
    "GridSearch",
    "Hyperband",
    "InProcess",
    "InfeasibleArchitecture",
    "Integer",
    "LanguageModeling",
    "Listed",
    "LocalSearch",
    "MedianStop",
    "ModelSpace",
    "NetworkMorphism",
    "NeuralEnsemble",
    "Objective",
    "OnceForAll",
    "Parameter",
    "Penalty",
    "PredictorGuided",
    "Prior",
    "Processes",
    "Proposal",
    "ProxylessNAS",
    "Random",
    "RandomForest",
    "Real",
    "Regression",
    "RegularizedEvolution",
    "Reinforce",
    "Repeated",
    "RetiaError",
    "Run",
    "Sandwich",
    "Screened",
    "SearchSpace",
    "SpaceError",
    "StorageError",
    "Study",
    "StudyError",
    "Subset",
    "SuccessiveHalving",
    "Supernet",
    "SupernetError",
    "SupernetEvaluator",
    "TimeLimitExceeded",
    "Training",
    "TrainingDiverged",
    "Trial",
    "WarmStarted",
    "WorkerDied",
    "ZeroCost",
    "apply",
    "architecture_evaluator",
    "benchmark",
    "cell",
    "check",
    "choice",
    "datasets",
    "elastic",
    "evaluator",
    "export",
    "hub",
    "inherit",
    "input_choice",
    "integer",
    "layer_choice",
    "load_pretrained",
    "real",
    "recalibrate",
    "reject",
    "repeat",
    "require",
    "save_weights",
    "scope",
    "search",
    "subset",
    "tensor_parameter",
]

_HOMES = {
    "retia.cost": "Costs",
    "retia.evaluate": (
        "Classification LanguageModeling Regression Training ZeroCost export inherit save_weights"
    ),
    "retia.execute": "InProcess Processes",
    "retia.nn": "ModelSpace cell input_choice layer_choice repeat tensor_parameter",
    "retia.oneshot": (
        "DARTS DrNAS ENAS FBNet FairNAS GDAS OnceForAll PCDARTS Penalty ProxylessNAS SNAS SPOS Sandwich "
        "SupernetEvaluator"
    ),
    "retia.searching": "check search",
    "retia.predictor": "BANANAS GaussianProcess GradientBoosting NeuralEnsemble PPO RandomForest Reinforce",
    "retia.strategy": (
        "ASHA BOHB CMAES Fallback Filtered GP GridSearch Hyperband Listed LocalSearch MedianStop NSGA2 "
        "NetworkMorphism PredictorGuided Prior Random RegularizedEvolution Screened SuccessiveHalving TPE "
        "WarmStarted"
    ),
    "retia.study": "Repeated Study architecture_evaluator evaluator",
    "retia.supernet": "Supernet elastic load_pretrained recalibrate",
    "retia.trial": "Constraint Objective Proposal Run Trial",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name in ("benchmark", "datasets", "hub"):
        return import_module(f"retia.{name}")
    if name not in _HOME:
        msg = f"module 'retia' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(_HOME[name]), name)
    # Kept, so that the next access is direct.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
