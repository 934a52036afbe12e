"""Places: instructions in the running code."""

from dataclasses import dataclass
from itertools import islice
from types import CodeType, FrameType

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """An instruction of a code object."""

    code: CodeType
    instruction: int

    @classmethod
    def of(cls, frame: FrameType) -> "Place":
        """Return the present instruction of a frame."""
        return cls(frame.f_code, frame.f_lasti)

    @property
    def line(self) -> int:
        """The line number."""
        return self._span()[0] or self.code.co_firstlineno

    def within(self, other: "Place") -> bool:
        """Return whether this instruction's source is part of the other's, as an argument is of a call."""
        if self.code != other.code:
            return False
        first, last, start, end = self._span()
        outer_first, outer_last, outer_start, outer_end = other._span()
        if None in (first, last, start, end, outer_first, outer_last, outer_start, outer_end):
            return False  # Python runs without code positions
        return (outer_first, outer_start) <= (first, start) and (last, end) <= (outer_last, outer_end)  # pyright: ignore[reportOperatorIssue]

    def _span(self) -> tuple[int | None, int | None, int | None, int | None]:
        return next(islice(self.code.co_positions(), self.instruction // 2, None), (None, None, None, None))

    def __str__(self) -> str:
        name = self.code.co_qualname
        return f"{self.code.co_filename}:{self.line}{'' if name == '<module>' else f', in {name}'}"
