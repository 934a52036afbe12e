"""Laws for the implementations of retia's protocols, and fakes that misbehave, for your tests."""

from retia.testing.evaluators import EVALUATOR_LAWS, EvaluatorLaw, MakeEvaluator
from retia.testing.executors import EXECUTOR_LAWS, ExecutorLaw, MakeExecutor
from retia.testing.fakes import (
    ConstantEvaluator,
    FailingEvaluator,
    FailingStrategy,
    HashCosts,
    RepeatingStrategy,
    ReturningEvaluator,
)
from retia.testing.laws import assert_laws
from retia.testing.one_shot import ONE_SHOT_LAWS, MakeOneShot, OneShotLaw
from retia.testing.storage import (
    RECORD_LAWS,
    SHARED_RECORD_LAWS,
    OpenRecord,
    RecordLaw,
    example_header,
    example_trial,
)
from retia.testing.strategies import STRATEGY_LAWS, MakeStrategy, StrategyLaw, example_space
from retia.testing.supernets import SUPERNET_LAWS, SupernetLaw

__all__ = [
    "EVALUATOR_LAWS",
    "EXECUTOR_LAWS",
    "ONE_SHOT_LAWS",
    "RECORD_LAWS",
    "SHARED_RECORD_LAWS",
    "STRATEGY_LAWS",
    "SUPERNET_LAWS",
    "ConstantEvaluator",
    "EvaluatorLaw",
    "ExecutorLaw",
    "FailingEvaluator",
    "FailingStrategy",
    "HashCosts",
    "MakeEvaluator",
    "MakeExecutor",
    "MakeOneShot",
    "MakeStrategy",
    "OneShotLaw",
    "OpenRecord",
    "RecordLaw",
    "RepeatingStrategy",
    "ReturningEvaluator",
    "StrategyLaw",
    "SupernetLaw",
    "assert_laws",
    "example_header",
    "example_space",
    "example_trial",
]
