"""Running a model without data and without memory, to see whether its parts fit."""

from collections.abc import Mapping

import torch
from torch import nn

from retia.cost.example import Example
from retia.cost.forward import device_of, run_on_zeros
from retia.cost.inspection import inspect_model
from retia.space import SearchSpace, Value

__all__ = ["dry_run"]


def dry_run(space: SearchSpace, architecture: Mapping[str, Value], example: Example | None = None) -> None:
    """Build an architecture's model on the `meta` device, and, if its input is known, run it on a batch of
    two.

    A model that can't be built or run on `meta`, because it reads values, is run on the CPU with zeros before
    it is judged.

    Raises:
        ArchitectureError: If the architecture is not one of the space.
        InfeasibleArchitecture: If a module gets an input that does not fit, or the constructor rejects the
            architecture; the message names the module and the shapes.
        SpaceError: If it can't be built or run for another reason.
    """

    def judge(model: nn.Module) -> None:
        if example is not None:
            with torch.no_grad():
                run_on_zeros(
                    model,
                    example,
                    batch=2,
                    device=device_of(model),
                    subject=f"The architecture {dict(architecture)} builds, but",
                )

    inspect_model(space, architecture, judge)
