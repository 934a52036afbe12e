"""A proposal: what a strategy wants evaluated next."""

from dataclasses import dataclass

from retia.space import Architecture
from retia.trial.limits import Limits

__all__ = ["Proposal"]


@dataclass(frozen=True)
class Proposal:
    """An architecture to evaluate.

    Args:
        architecture: Architecture of the space.
        fidelity: Budget of the trial in the evaluator's unit, such as epochs. None means the full budget.
        parent: Number of the trial that the architecture was derived from. If that has the same architecture
            and a lower fidelity, the trial continues its training.
        limits: Limits at which the trial stops early. None if it never does.
    """

    architecture: Architecture
    fidelity: float | None = None
    parent: int | None = None
    limits: Limits | None = None
