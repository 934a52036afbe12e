"""Inspection of an architecture's model, built on `meta` or else on the CPU."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from torch import nn

from retia.errors import ArchitectureError, EvaluationError, InfeasibleArchitecture, SpaceError
from retia.nn import is_shape_error
from retia.space import SearchSpace, Value
from retia.trial import Buildable

__all__ = ["inspect_model"]

T = TypeVar("T")


def inspect_model(
    space: SearchSpace, architecture: Mapping[str, Value], inspect: Callable[[nn.Module], T]
) -> T:
    """Return the result of `inspect` for the architecture's model, built on `meta`.

    If building or `inspect` fails there, as for a model that reads values, both run on the CPU.

    Raises:
        EvaluationError: If `space` does not build models.
        ArchitectureError: If `architecture` is not in the space.
        InfeasibleArchitecture: If the model's shapes do not fit, or its constructor rejects the architecture.
        SpaceError: If building or `inspect` fails for another reason.
    """
    if not isinstance(space, Buildable):
        msg = (
            f"Costs are counted on models, but the space ({type(space).__name__}) does not build models. "
            "Search a ModelSpace, or omit costs."
        )
        raise EvaluationError(msg)
    try:
        return inspect(space.build(architecture, device="meta"))
    except ArchitectureError as error:
        if error.__cause__ is None:  # no error of torch, which may occur on meta only
            raise
    except Exception:  # noqa: BLE001, S110  # an error on meta counts only if the CPU raises one too
        pass
    model = space.build(architecture, device="cpu", seed=0)
    try:
        return inspect(model)
    except SpaceError as error:
        if is_shape_error(error.__cause__):
            raise InfeasibleArchitecture(str(error)) from error.__cause__
        raise
