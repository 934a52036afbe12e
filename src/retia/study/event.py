"""What a study tells those who watch it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from retia.trial import Trial

if TYPE_CHECKING:
    from retia.study.study import Study

__all__ = ["Event", "Observer"]


@dataclass(frozen=True)
class Event:
    """Something that happened in a study.

    Args:
        kind: "resumed" or "opened" once at the beginning; "started" and "ended" for each trial; "stopped" once at the end.
        study: Where.
        trial: The trial that started or ended.
        target: How many trials the study is to have.
    """

    kind: Literal["resumed", "opened", "started", "ended", "stopped"]
    study: "Study"
    trial: Trial | None
    target: int


Observer: TypeAlias = Callable[[Event], None]
"""Hears what happens in a study."""
