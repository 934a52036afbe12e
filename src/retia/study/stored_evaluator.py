"""What stands for the evaluator of a study that was opened without its code."""

from collections.abc import Mapping
from typing import Any

from retia.errors import StudyError
from retia.space import Architecture
from retia.trial import Capabilities, Run

__all__ = ["StoredEvaluator"]


class StoredEvaluator:
    """Stands for an evaluator whose code is not here: it has a description, and nothing to call."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self._description = dict(description)

    def capabilities(self) -> Capabilities:
        """Return the settings that were stored."""
        return Capabilities(settings=lambda: self._description)

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Raise, for there is no code.

        Raises:
            StudyError: Always.
        """
        msg = (
            f"There is no evaluator to judge {dict(architecture)}: the study was opened without its code "
            f"({self._description}). "
            "Make it from its space and evaluator, with the same storage and name: retia.Study(space, "
            "evaluator, storage=..., name=...)."
        )
        del run
        raise StudyError(msg)
