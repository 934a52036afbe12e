"""What a study tells those who watch it."""

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
        kind: "resumed" or "opened" once at the beginning; "prepared" while a strategy does its work before
            the first proposal; "started" and "ended" for each trial; "stopped" once at the end.
        study: Where.
        trial: The trial that started or ended.
        target: How many trials the study is to have.
        metrics: What the work before the first proposal has come to, such as a loss.
        step: How far it has come, such as epochs.
    """

    kind: Literal["resumed", "opened", "prepared", "started", "ended", "stopped"]
    study: StudyResults
    trial: Trial | None
    target: int
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    step: float | None = None


Observer: TypeAlias = Callable[[Event], None]
"""Hears what happens in a study."""
