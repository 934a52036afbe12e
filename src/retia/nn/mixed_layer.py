"""All candidates of a layer choice in one module."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from retia.nn.mixture import Mixture
from retia.nn.switch import Switch

__all__ = ["MixedLayer"]


class MixedLayer(Switch):
    """All candidates of a layer choice, of which the chosen one runs.

    Attributes and methods that this class lacks are those of the chosen candidate.

    Args:
        label: Full label of the choice.
        candidates: Candidates by name.
        chosen: Name of the candidate that runs; it may be symbolic.

    Attributes:
        mixture: Rule that combines all candidates instead of the chosen one. Default: None.
    """

    def __init__(self, label: str, candidates: Mapping[Any, nn.Module], chosen: str | int) -> None:
        super().__init__()
        self.label = label
        self.chosen = chosen
        self.candidates = nn.ModuleList(candidates.values())
        self.positions = {name: i for i, name in enumerate(candidates)}
        self.mixture: Mixture | None = None

    @property
    def active(self) -> nn.Module:
        """The chosen candidate."""
        return self.candidates[self.positions[self.chosen]]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the chosen candidate, or the mixture of all candidates."""
        if self.mixture is None:
            return self.active(*args, **kwargs)
        return self.mixture.combine(self.candidates, args, kwargs)  # pyright: ignore[reportArgumentType]  # a module list is a sequence

    def present(self) -> list[tuple[str, nn.Module]]:
        """Return the chosen candidate, which takes the name of the switch."""
        return [("", self.active)]

    def extra_repr(self) -> str:
        """Show the label and the chosen candidate."""
        return f"label={self.label!r}, chosen={self.chosen!r}"

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            modules = self.__dict__.get("_modules", {})
            if name.startswith("__") or "candidates" not in modules or "chosen" not in self.__dict__:
                raise  # it is being unpickled
            return getattr(self.active, name)
