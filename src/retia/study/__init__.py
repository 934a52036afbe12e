"""A study: the loop, resuming, reasons to stop; and what an evaluator is."""

from retia.study.evaluator import (
    ArchitectureEvaluator,
    Costed,
    CostEvaluator,
    Described,
    Evaluator,
    ModelEvaluator,
    Searchable,
    Supplying,
    architecture_evaluator,
    as_evaluator,
)
from retia.study.event import Event, Observer
from retia.study.study import Study

__all__ = [
    "ArchitectureEvaluator",
    "CostEvaluator",
    "Costed",
    "Described",
    "Evaluator",
    "Event",
    "ModelEvaluator",
    "Observer",
    "Searchable",
    "Study",
    "Supplying",
    "architecture_evaluator",
    "as_evaluator",
]
