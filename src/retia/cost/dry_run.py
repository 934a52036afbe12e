"""Dry runs: a forward pass without data or memory that tests whether shapes fit."""

from collections.abc import Mapping

import torch
from torch import nn

from retia.cost.example import Example
from retia.cost.forward import device_of, run_on_zeros
from retia.cost.inspection import inspect_model
from retia.space import SearchSpace, Value

__all__ = ["dry_run"]


def dry_run(space: SearchSpace, architecture: Mapping[str, Value], example: Example | None = None) -> None:
    """Build an architecture's model on the `meta` device, and run it on a batch of two samples.

    If that fails because the model reads values, it is built and run on the CPU. Without `example` the model
    is only built.

    Raises:
        ArchitectureError: If `architecture` is not in the space.
        InfeasibleArchitecture: If a module gets an input that does not fit, or the constructor rejects the
            architecture.
        SpaceError: If the model can't be built or run for another reason.
    """

    def run(model: nn.Module) -> None:
        if example is not None:
            with torch.no_grad():
                run_on_zeros(
                    model,
                    example,
                    batch=2,
                    device=device_of(model),
                    subject=f"The architecture {dict(architecture)} builds, but",
                )

    inspect_model(space, architecture, run)
