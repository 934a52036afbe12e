"""Building a model to look at it: on `meta`, or where that can't be, on the CPU."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from torch import nn

from retia.errors import ArchitectureError, EvaluationError, InfeasibleArchitecture, SpaceError
from retia.nn import is_shape_error
from retia.space import SearchSpace, Value
from retia.trial import Buildable

__all__ = ["inspect_model"]

T = TypeVar("T")


def inspect_model(space: SearchSpace, architecture: Mapping[str, Value], judge: Callable[[nn.Module], T]) -> T:
    """Return what `judge` says of the architecture's model, built on `meta`.

    If building or judging fails there, as it does for a model that reads values, both are done on the CPU,
    and what happens there counts.

    Raises:
        EvaluationError: If the space builds no models.
        ArchitectureError: If the architecture is not one of the space.
        InfeasibleArchitecture: If the model's shapes do not fit, or its constructor rejects the architecture.
        SpaceError: If the model can't be built or judged for another reason.
    """
    if not isinstance(space, Buildable):
        msg = (
            f"Costs are counted on models, but the space ({type(space).__name__}) builds none. "
            "Search a ModelSpace, or leave costs out."
        )
        raise EvaluationError(msg)
    try:
        return judge(space.build(architecture, device="meta"))
    except ArchitectureError as error:
        if error.__cause__ is None:  # not what torch says of shapes, which may be of meta alone
            raise
    except Exception:  # noqa: BLE001, S110  # whatever goes wrong on meta, the CPU decides whether it is an error
        pass
    model = space.build(architecture, device="cpu", seed=0)
    try:
        return judge(model)
    except SpaceError as error:
        if is_shape_error(error.__cause__):
            raise InfeasibleArchitecture(str(error)) from error.__cause__
        raise
