"""What evaluators and strategies say that they can do."""

from dataclasses import dataclass

import pytest

from retia.errors import EvaluationError, StudyError
from retia.trial import Capabilities, StrategyCapabilities, capabilities_of, strategy_capabilities_of


@dataclass
class Plain:
    scale: float = 2.0


def test_without_the_method_there_are_the_defaults():
    found = capabilities_of(Plain())
    assert (found.metrics, found.costs, found.parameters, found.builds) == (None, None, {}, False)
    assert found.settings()["scale"] == 2.0
    assert strategy_capabilities_of(Plain()) == StrategyCapabilities()


@pytest.mark.parametrize("wrong", [{"metrics": ("y",)}, lambda self: {}, lambda self: StrategyCapabilities()])
def test_what_an_evaluator_returns_must_be_the_record(wrong):
    evaluator = type("Mine", (), {"capabilities": wrong})()
    with pytest.raises(
        EvaluationError, match=r"'capabilities' of Mine must be a method .* retia.trial.Capabilities"
    ):
        capabilities_of(evaluator)


def test_what_a_strategy_returns_must_be_the_record():
    strategy = type("Mine", (), {"capabilities": lambda self: Capabilities()})()
    with pytest.raises(StudyError, match="must be a method that returns a retia.trial.StrategyCapabilities"):
        strategy_capabilities_of(strategy)
