"""Restrictions: conditions that every architecture of a space must meet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from retia.errors import SpaceError
from retia.space.architecture import Architecture
from retia.space.parameter import Parameter

__all__ = ["Restriction"]


@dataclass(frozen=True)
class Restriction:
    """A predicate that every architecture of the space meets, and its description."""

    predicate: Callable[[Architecture], bool]
    description: str

    def holds(self, architecture: Architecture, parameters: Mapping[str, Parameter]) -> bool:
        """Return whether an architecture meets the restriction.

        Args:
            architecture: Architecture with legal values.
            parameters: Parameters of the space, by label.

        Raises:
            SpaceError: If the predicate reads a parameter that is not active, or is not in the space.
        """
        try:
            return bool(self.predicate(architecture))
        except KeyError as error:
            label = error.args[0] if error.args else None
            if not isinstance(label, str) or label in architecture:
                raise
            if label not in parameters:
                msg = (
                    f"The restriction '{self.description}' reads {label!r}, "
                    f"which is not one of the labels {list(parameters)}. Correct it."
                )
                raise SpaceError(msg) from error
            msg = (
                f"The restriction '{self.description}' reads '{label}', "
                f"which is not active in {dict(architecture)}: it exists only while "
                f"{parameters[label].condition}. Read it only while it is active: lambda a: "
                f"{label!r} not in a or ..., with a[{label!r}] in the rest."
            )
            raise SpaceError(msg) from error
