"""Single path one-shot: one uniformly sampled path for each batch."""

from dataclasses import dataclass
from typing import Literal

from retia.errors import EvaluationError
from retia.oneshot.one_shot import OneShot, refuse_real_interval
from retia.oneshot.paths.sampling import PathSession
from retia.oneshot.training.session import Session, Setting
from retia.space import SearchSpace

__all__ = ["SPOS"]


@dataclass(frozen=True, kw_only=True)
class SPOS(OneShot):
    """Train one path at a time, drawn uniformly from those that restrictions and bounds allow.

    It has no ranking of its own: `ranked` yields random architectures, which the trained supernet scores. Any
    other strategy can search the supernet that `train` returns; the paper uses evolution.

    Args:
        uniform: "choices" (default) draws each active parameter uniformly, "architectures" every architecture
            with the same probability.

    Raises:
        EvaluationError: If an argument is out of its range.

    Reference:
        Guo et al., Single Path One-Shot Neural Architecture Search with Uniform Sampling, ECCV 2020, section
        3. Deviation: channels are searched as widths, of which the first channels are used, by the same
        uniform sampling.
    """

    uniform: Literal["choices", "architectures"] = "choices"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.uniform not in ("choices", "architectures"):
            msg = f"'uniform' of SPOS must be 'choices' or 'architectures', got {self.uniform!r}."
            raise EvaluationError(msg)

    def refuse(self, space: SearchSpace) -> str | None:
        """Return why the method can't search a space: a real interval has infinitely many values."""
        if self.uniform == "choices":
            return None
        reason = "so SPOS(uniform='architectures') can't count the architectures"
        return refuse_real_interval(space, reason, "SPOS(uniform='choices')")

    def session(self, setting: Setting) -> Session:
        """Start a training session.

        Raises:
            StudyError: If no architecture meets the bounds.
        """
        return PathSession(setting, uniform=self.uniform)
