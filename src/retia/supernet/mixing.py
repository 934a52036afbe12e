"""Mixing: a supernet that weighs the values of choices instead of activating one value of each.

A layer choice combines its candidates, a stack its depths, an input choice its inputs. A width or kernel runs
at its greatest value, and each entry of the weights is multiplied by the probability that it is in use.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from retia.nn import ElasticNode, ElasticSequential, MixedLayer, Mixture, SelectInputs
from retia.space import Domain, Expression, Value, greatest, values_of
from retia.supernet.attention import ElasticAttention
from retia.supernet.elastic import Elastic, layer_class
from retia.supernet.recurrent import ElasticCell, ElasticRecurrent
from retia.supernet.slots import Slot, Slots
from retia.supernet.targets import Target, targets_of

__all__ = ["Mixing"]

_MASKED = frozenset(
    (  # noqa: SIM905
        "in_channels out_channels num_channels in_features out_features num_features num_parameters "
        "normalized_shape num_embeddings embedding_dim kernel_size padding _reversed_padding_repeated_twice "
        "elastic_sizes factors"
    ).split()
)
"""The attributes of torch's layers that may have their greatest value while the tensors are masked."""


class Mixing:
    """The choices of a model that can be mixed.

    Args:
        model: Model of a supernet.
        slots: Its slots.
        domains: Domains of the parameters, by label.
    """

    def __init__(self, model: nn.Module, slots: Slots, domains: Mapping[str, Domain]) -> None:
        self._model = model
        self._slots = slots
        self._domains = domains
        self._layers: dict[str, list[MixedLayer]] = {}
        for module in model.modules():
            if isinstance(module, MixedLayer):
                self._layers.setdefault(module.label, []).append(module)
        self._targets = [target for slot in slots.all for target in targets_of(slot, domains)]
        self._tables: dict[tuple[int, Any], tuple[Tensor, list[bool]]] = {}

    def obstacle(self, label: str) -> str | None:
        """Return the predicate of a sentence that says why a parameter can't be mixed; None if it can."""
        domain = self._domains.get(label)
        if domain is None:
            return "is not a parameter of the space"
        if math.isinf(domain.size):
            return "is a real interval, which has infinitely many values to weigh"
        terms = {(id(slot.owner), slot.name): slot.term for slot in self._slots.all}
        for slot in self._slots.all:
            if label in slot.labels and (reason := _obstacle(slot, terms)):
                return reason
        if label not in self._layers and not any(label in target.term.labels for target in self._targets):
            return "is in no layer choice, depth, input or size that could be weighed"
        return None

    def candidates(self, label: str) -> int:
        """Return the number of values of a parameter."""
        return int(self._domains[label].size)

    def apply(self, mixtures: Mapping[str, Mixture], values: Mapping[str, Value]) -> None:
        """Mix the choices of some labels, without an obstacle, in a model without a mixture.

        Args:
            mixtures: Mixtures, by label.
            values: Values of the other parameters that are active.

        Raises:
            SupernetError: If a size is not largest at the greatest values.
        """
        # Mixed choices run at their greatest values, under which inactive parameters need a value, too.
        filled: dict[str, Value] = {label: domain.default for label, domain in self._domains.items()}
        filled |= {**values, **{label: greatest(self._domains[label]) for label in mixtures}}
        self._slots.fill(filled)
        for label, mixture in mixtures.items():
            for layer in self._layers.get(label, ()):
                layer.mixture = mixture
        weights = {label: mixture.weights for label, mixture in mixtures.items()}
        expected: dict[int, Tensor] = {}
        for target in self._targets:
            mixed = tuple(sorted(target.term.labels & weights.keys()))
            if mixed:
                table, possible = self._table(target, mixed, filled)
                if id(table) not in expected:
                    joint = _joint([weights[label] for label in mixed])
                    expected[id(table)] = joint @ table.to(joint)
                target.receive(expected[id(table)], possible)

    def clear(self) -> None:
        """End all mixtures."""
        for module in self._model.modules():
            if isinstance(module, MixedLayer):
                module.mixture = None
            elif isinstance(module, ElasticSequential | SelectInputs | ElasticNode):
                module.weights = None
            elif isinstance(module, Elastic):
                module.masks = {}

    def _table(
        self, target: Target, mixed: tuple[str, ...], filled: Mapping[str, Value]
    ) -> tuple[Tensor, list[bool]]:
        """Return the shares of entries for each combination of values, and which entries are ever used.

        The shares have the shape (combinations, entries). Equal tables are one object.
        """
        fixed = {label: filled[label] for label in target.term.labels if label not in mixed}
        entries = target.entries(filled)
        key = (id(target), (mixed, entries, *fixed.items()))
        if key not in self._tables:
            given = _Given(target.term, fixed, frozenset(mixed))
            rows = values_of(given, {label: self._domains[label] for label in mixed})
            table = torch.stack([target.use(value, entries) for _, value in rows])
            known = (pair for (_, rest), pair in self._tables.items() if rest == key[1])
            equal = next((pair for pair in known if torch.equal(pair[0], table)), None)
            self._tables[key] = equal or (table, table.any(0).tolist())
        return self._tables[key]


@dataclass(frozen=True)
class _Given(Expression):
    """An expression with fixed values of some parameters."""

    term: Expression
    fixed: Mapping[str, Value]
    free: frozenset[str]

    @property
    def labels(self) -> frozenset[str]:
        """The parameters that are not fixed."""
        return self.free

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Compute the expression from the fixed and the given values."""
        return self.term.evaluate({**self.fixed, **values})


def _joint(weights: Sequence[Tensor]) -> Tensor:
    """Return the weight of each combination of values, with the last one varying fastest."""
    joint = weights[0]
    for more in weights[1:]:
        joint = (joint[:, None] * more).flatten()
    return joint


def _obstacle(slot: Slot, terms: Mapping[tuple[int, str], Any]) -> str | None:
    """Return why the value of a slot can't be mixed; None if it can, or does not have to be."""
    owner, name = slot.owner, slot.name
    shown = f"'{slot.path}' ({layer_class(owner).__name__})"
    match owner:
        case MixedLayer() | ElasticSequential() | ElasticNode():
            return None
        case SelectInputs():
            summed = owner.reduction in ("sum", "mean")
            return None if summed else f"chooses inputs that are joined by {owner.reduction!r}, not by a sum"
        case ElasticAttention() | ElasticRecurrent() | ElasticCell():
            return f"sizes {shown}, whose tensors are stacks of blocks"
        case _:
            pass
    if isinstance(owner, Elastic) or type(owner).__module__.startswith("torch."):
        depthwise = name == "groups" and slot.term == terms.get((id(owner), "in_channels"))
        masked = name in _MASKED or depthwise
        return None if masked else f"is '{name}' of {shown}, which has no weighted mean"
    value = getattr(owner, name)
    sizes = value if isinstance(value, tuple | list) else [value]
    return (
        None if all(type(size) is int for size in sizes) else f"is '{name}' of {shown}, which is not a size"
    )
