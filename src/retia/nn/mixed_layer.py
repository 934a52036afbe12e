"""All candidates of a layer choice in one module."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from retia.nn.switch import Switch

__all__ = ["MixedLayer"]


class MixedLayer(Switch):
    """All candidates of a layer choice, of which it runs the chosen one, or, while it has `weights`, the weighted sum of all.

    What else is asked of it, the chosen candidate answers: its attributes and methods.

    Args:
        label: The full label of the choice.
        candidates: The candidates by name.
        chosen: The name of the one that runs; it may be symbolic.

    Attributes:
        weights: None, or one weight for each candidate, shape (K,): the candidates' outputs, which have one shape, are summed with them.
    """

    def __init__(self, label: str, candidates: Mapping[Any, nn.Module], chosen: str | int) -> None:
        super().__init__()
        self.label = label
        self.chosen = chosen
        self.candidates = nn.ModuleList(candidates.values())
        self.positions = {name: i for i, name in enumerate(candidates)}
        self.weights: Tensor | None = None

    @property
    def active(self) -> nn.Module:
        """The candidate that is chosen."""
        return self.candidates[self.positions[self.chosen]]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the chosen candidate, or the mixture of all."""
        if self.weights is None:
            return self.active(*args, **kwargs)
        terms = (weight * candidate(*args, **kwargs) for weight, candidate in zip(self.weights, self.candidates, strict=True))
        total = next(terms)
        for term in terms:
            total = total + term
        return total

    def present(self) -> list[tuple[str, nn.Module]]:
        """Return the chosen candidate, which stands in the switch's own place."""
        return [("", self.active)]

    def extra_repr(self) -> str:
        """Show which candidate runs."""
        return f"label={self.label!r}, chosen={self.chosen!r}"

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            modules = self.__dict__.get("_modules", {})
            if name.startswith("__") or "candidates" not in modules or "chosen" not in self.__dict__:
                raise  # it is being unpickled
            return getattr(self.active, name)
