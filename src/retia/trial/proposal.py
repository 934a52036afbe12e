"""A proposal: what a strategy wants evaluated next."""

from dataclasses import dataclass

from retia.space import Architecture
from retia.trial.limits import Limits

__all__ = ["Proposal"]


@dataclass(frozen=True)
class Proposal:
    """An architecture to evaluate.

    Args:
        architecture: One of the space.
        fidelity: How much budget the trial gets (epochs, a share of the data), for an evaluator that reads
            it; None means all.
        parent: The number of the trial that the architecture was derived from. One of the same architecture
            and a lower fidelity is gone on from.
        limits: Where the trial is stopped, if it turns out bad.
    """

    architecture: Architecture
    fidelity: float | None = None
    parent: int | None = None
    limits: Limits | None = None
