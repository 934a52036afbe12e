"""The share of parameter-free operations in an architecture, a symptom of a failed search."""

from collections.abc import Mapping

from retia.nn import MixedLayer
from retia.space import Architecture, Categorical, Value
from retia.supernet import Supernet

__all__ = ["PARAMETER_FREE", "parameter_free_values", "share_parameter_free"]

PARAMETER_FREE = "parameter_free"
"""The name of the metric."""


def parameter_free_values(supernet: Supernet) -> Mapping[str, frozenset[Value]]:
    """Return the values of each layer choice, by label, whose candidates have no parameters."""
    found: dict[str, frozenset[Value]] = {}
    for module in supernet.model.modules():
        if isinstance(module, MixedLayer) and isinstance(
            domain := supernet.space.parameters[module.label].domain, Categorical
        ):
            pairs = zip(domain.values, module.candidates, strict=True)
            found[module.label] = frozenset(
                value for value, candidate in pairs if next(candidate.parameters(), None) is None
            )
    return found


def share_parameter_free(architecture: Architecture, values: Mapping[str, frozenset[Value]]) -> float:
    """Return the share of active layer choices, in [0, 1], with a candidate without parameters.

    It is 0 for an architecture without layer choices.

    Reference:
        Zela et al., Understanding and Robustifying Differentiable Architecture Search, ICLR 2020, section 2:
        failed searches end in skip connections.
    """
    chosen = [architecture[label] in free for label, free in values.items() if label in architecture]
    return sum(chosen) / len(chosen) if chosen else 0.0
