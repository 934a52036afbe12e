"""A study: the loop, resuming, reasons to stop; and what an evaluator is."""

from retia.study.architecture_function import ArchitectureEvaluator, architecture_evaluator
from retia.study.companions import CONTROL, RESCORED, RETRAINED, own_names
from retia.study.definition import defined_by
from retia.study.event import Event, Observer
from retia.study.loop import INTERRUPTED
from retia.study.model_function import ModelEvaluator, as_evaluator, evaluator
from retia.study.preparation import PreparationStep
from retia.study.repeated import Repeated
from retia.study.study import Study

__all__ = [
    "CONTROL",
    "INTERRUPTED",
    "RESCORED",
    "RETRAINED",
    "ArchitectureEvaluator",
    "Event",
    "ModelEvaluator",
    "Observer",
    "PreparationStep",
    "Repeated",
    "Study",
    "architecture_evaluator",
    "as_evaluator",
    "defined_by",
    "evaluator",
    "own_names",
]
