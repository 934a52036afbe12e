"""Single path one-shot: one uniformly sampled path for each batch."""

import math
from dataclasses import dataclass
from typing import Literal

from retia.errors import EvaluationError
from retia.oneshot.one_shot import OneShot
from retia.oneshot.paths.sampling import PathSession
from retia.oneshot.training.session import Session, Setting
from retia.space import SearchSpace

__all__ = ["SPOS"]


@dataclass(frozen=True, kw_only=True)
class SPOS(OneShot):
    """Train one path at a time, drawn uniformly from those that restrictions and bounds allow.

    It ranks nothing itself: `ranked` yields random architectures, which the trained supernet scores. Any
    other strategy can search the supernet that `train` returns, as the paper does by evolution.

    Args:
        uniform: "choices" draws each active parameter uniformly, "architectures" every architecture with the
            same probability.

    Raises:
        EvaluationError: If an argument is out of its range.

    Reference:
        Guo et al., Single Path One-Shot Neural Architecture Search with Uniform Sampling, ECCV 2020, section
        3. Deviation: channels are searched as widths of which the first ones are used, by the same uniform
            sampling.
    """

    uniform: Literal["choices", "architectures"] = "choices"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.uniform not in ("choices", "architectures"):
            msg = f"'uniform' of SPOS is 'choices' or 'architectures', got {self.uniform!r}."
            raise EvaluationError(msg)

    def refuse(self, space: SearchSpace) -> str | None:
        """Return why the method can't search a space: a real interval has infinitely many values."""
        for label, parameter in space.parameters.items():
            if self.uniform == "architectures" and math.isinf(parameter.domain.size):
                return (
                    f"'{label}' is a real interval ({parameter.domain}), so architectures can't be counted, "
                    "and SPOS(uniform='architectures') can't "
                    f"search it. Use uniform='choices', Sandwich or OnceForAll, or space.discretize(points)."
                )
        return None

    def session(self, setting: Setting) -> Session:
        """Start a training.

        Raises:
            StudyError: If no architecture meets the bounds.
        """
        return PathSession(setting, uniform=self.uniform)
