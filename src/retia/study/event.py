"""The events of a study, for observers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from retia.study.results import StudyResults
from retia.trial import Trial

__all__ = ["Event", "Observer"]


@dataclass(frozen=True)
class Event:
    """Something that happened in a study.

    Args:
        kind: "resumed" or "opened" once at the beginning; "prepared" for each report of the preparation;
            "started" and "ended" for each trial; "stopped" once at the end.
        study: Study of the event.
        trial: Trial that started or ended. None for the other kinds.
        target: Number of trials at which the run stops.
        metrics: Reported metrics of the preparation, such as a loss.
        step: Reported step of the preparation, such as the epoch.
    """

    kind: Literal["resumed", "opened", "prepared", "started", "ended", "stopped"]
    study: StudyResults
    trial: Trial | None
    target: int
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    step: float | None = None


Observer: TypeAlias = Callable[[Event], None]
"""Function that is called with the events of a study."""
