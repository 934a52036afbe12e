"""How much of an architecture has nothing to learn: the sign by which a search that has gone wrong is
known.
"""

from collections.abc import Mapping

from retia.nn import MixedLayer
from retia.space import Architecture, Categorical, Value
from retia.supernet import Supernet

__all__ = ["PARAMETER_FREE", "parameter_free_values", "share_parameter_free"]

PARAMETER_FREE = "parameter_free"
"""The name of the metric."""


def parameter_free_values(supernet: Supernet) -> Mapping[str, frozenset[Value]]:
    """Return, for each layer choice by label, the values whose candidates have no parameters: skips, pools,
    what passes nothing on.
    """
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
    """Return in how many of its layer choices, as a share, an architecture has a candidate without
    parameters; 0 if it has no layer choice.

    Reference:
        Zela et al., Understanding and Robustifying Differentiable Architecture Search, ICLR 2020, section 2:
        searches that fail end in skips.
    """
    chosen = [architecture[label] in free for label, free in values.items() if label in architecture]
    return sum(chosen) / len(chosen) if chosen else 0.0
