"""A study: the loop, resuming, reasons to stop; and what an evaluator is."""

from retia.study.architecture_function import ArchitectureEvaluator, architecture_evaluator
from retia.study.companions import run_control, run_retrained
from retia.study.definition import defined_by
from retia.study.event import Event, Observer
from retia.study.model_function import ModelEvaluator, as_evaluator, evaluator
from retia.study.name import CONTROL, RESCORED, RETRAINED, only_name, own_names
from retia.study.preparation import PreparationStep
from retia.study.repeated import Repeated
from retia.study.results import StoredStudy, StudyResults
from retia.study.specification import StudySpec
from retia.study.study import Study
from retia.study.trial_loop import INTERRUPTED

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
    "StoredStudy",
    "Study",
    "StudyResults",
    "StudySpec",
    "architecture_evaluator",
    "as_evaluator",
    "defined_by",
    "evaluator",
    "only_name",
    "own_names",
    "run_control",
    "run_retrained",
]
