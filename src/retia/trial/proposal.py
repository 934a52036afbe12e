"""A proposal: what a strategy wants evaluated next."""

from dataclasses import dataclass

from retia.space import Architecture

__all__ = ["Proposal"]


@dataclass(frozen=True)
class Proposal:
    """An architecture to evaluate.

    Args:
        architecture: One of the space.
        fidelity: How much budget the trial gets (epochs, a share of the data), for an evaluator that reads it; None means all.
        parent: The number of the trial that the architecture was derived from.
    """

    architecture: Architecture
    fidelity: float | None = None
    parent: int | None = None
