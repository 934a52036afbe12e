"""Mixing: a supernet that weighs the values of choices, where activation would take one of each.

A layer choice combines its candidates, a stack its depths, an input choice its inputs. A width or kernel runs
at its greatest value with the weights multiplied by a mask: how likely an entry is part of what an
architecture uses.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from retia.errors import SupernetError
from retia.nn import ElasticNode, ElasticSequential, MixedLayer, Mixture, SelectInputs
from retia.space import Domain, Expression, Value, evaluate, greatest, labels_of, values_of
from retia.supernet.attention import ElasticAttention
from retia.supernet.elastic import Elastic
from retia.supernet.recurrent import ElasticCell, ElasticRecurrent
from retia.supernet.slots import Slot, Slots

__all__ = ["Mixing"]

_SIZES = frozenset(
    [
        *(
            "in_channels",
            "out_channels",
            "in_features",
            "out_features",
            "num_features",
            "num_channels",
            "num_parameters",
            "normalized_shape",
        ),
        *(
            "num_embeddings",
            "embedding_dim",
            "kernel_size",
            "padding",
            "_reversed_padding_repeated_twice",
            "elastic_sizes",
            "factors",
        ),
    ]
)
"""The attributes of torch's layers that may stand at their greatest value while the tensors are masked."""


@dataclass(frozen=True, eq=False)
class _Target:
    """Something that is weighed by which of its entries are in use: the depths of a stack, the edges of a
    node, the channels of a tensor.

    Attributes:
        term: What says which entries are in use.
        entries: How many there are, given the values that everything runs at; of a size that is a product,
            how many of each factor.
        use: The share of each entry, shape (entries,), for a value of the term.
        receive: Takes the expected shares, shape (entries,), and which entries can be in use at all.
    """

    term: Expression
    entries: Callable[[Mapping[str, Value]], Any]
    use: Callable[[Any, Any], Tensor]
    receive: Callable[[Tensor, list[bool]], None]


class Mixing:
    """What can be mixed in a model, and how.

    Args:
        model: The model of a supernet.
        slots: Its slots.
        domains: The domains of the parameters, by label.
    """

    def __init__(self, model: nn.Module, slots: Slots, domains: Mapping[str, Domain]) -> None:
        self._model = model
        self._slots = slots
        self._domains = domains
        self._layers: dict[str, list[MixedLayer]] = {}
        for module in model.modules():
            if isinstance(module, MixedLayer):
                self._layers.setdefault(module.label, []).append(module)
        self._targets = [target for slot in slots.all for target in _targets(slot, domains)]
        self._tables: dict[tuple[int, Any], tuple[Tensor, list[bool]]] = {}

    def obstacle(self, label: str) -> str | None:
        """Return why a parameter can't be mixed, as what is said of it; None if it can."""
        domain = self._domains.get(label)
        if domain is None:
            return "is no parameter of the space"
        if math.isinf(domain.size):
            return "is a real interval, which has no finite number of values to weigh"
        terms = {(id(slot.owner), slot.name): slot.term for slot in self._slots.all}
        for slot in self._slots.all:
            if label in slot.labels and (reason := _obstacle(slot, terms)):
                return reason
        if label not in self._layers and not any(label in target.term.labels for target in self._targets):
            return "is in no layer choice, depth, input or size that could be weighed"
        return None

    def candidates(self, label: str) -> int:
        """Return how many values a parameter has."""
        return int(self._domains[label].size)

    def apply(self, mixtures: Mapping[str, Mixture], values: Mapping[str, Value]) -> None:
        """Mix the choices of some labels, for which there is no obstacle, in a model without a mixture.

        Args:
            mixtures: The mixtures by label.
            values: The values of the other parameters that are active.

        Raises:
            SupernetError: If a size is not largest at the greatest values.
        """
        # Everything runs at its greatest; what lies under a choice has a value, whichever way the choice
        # goes.
        filled: dict[str, Value] = {label: domain.default for label, domain in self._domains.items()}
        filled |= {**values, **{label: greatest(self._domains[label]) for label in mixtures}}
        self._slots.fill(filled)
        for label, mixture in mixtures.items():
            for layer in self._layers.get(label, ()):
                layer.mixture = mixture
        weights = {label: mixture.weights for label, mixture in mixtures.items()}
        expected: dict[Any, Tensor] = {}
        for target in self._targets:
            mixed = tuple(sorted(target.term.labels & weights.keys()))
            if mixed:
                table, possible = self._table(target, mixed, filled)
                key = (id(table),)
                if key not in expected:
                    expected[key] = _joint([weights[label] for label in mixed]) @ table.to(weights[mixed[0]])
                target.receive(expected[key], possible)

    def clear(self) -> None:
        """Remove the mixture from the model."""
        for module in self._model.modules():
            if isinstance(module, MixedLayer):
                module.mixture = None
            elif isinstance(module, ElasticSequential | SelectInputs | ElasticNode):
                module.weights = None
            elif isinstance(module, Elastic):
                module.masks = {}

    def _table(
        self, target: _Target, mixed: tuple[str, ...], filled: Mapping[str, Value]
    ) -> tuple[Tensor, list[bool]]:
        """Return the shares for each combination of the mixed parameters' values, shape (combinations,
        entries), and which entries are ever used.
        """
        fixed = {label: filled[label] for label in target.term.labels if label not in mixed}
        entries = target.entries(filled)
        key = (id(target), (mixed, entries, *fixed.items()))
        if key not in self._tables:
            given = _Given(target.term, fixed, frozenset(mixed))
            rows = [
                target.use(value, entries)
                for _, value in values_of(given, {label: self._domains[label] for label in mixed})
            ]
            table = torch.stack(rows)
            alike = next(
                (
                    known
                    for (_, rest), known in self._tables.items()
                    if rest == key[1] and torch.equal(known[0], table)
                ),
                None,
            )
            self._tables[key] = alike or (table, table.any(0).tolist())
        return self._tables[key]


@dataclass(frozen=True)
class _Given(Expression):
    """An expression of which some parameters are fixed."""

    term: Expression
    fixed: Mapping[str, Value]
    free: frozenset[str]

    @property
    def labels(self) -> frozenset[str]:
        """The parameters that are not fixed."""
        return self.free

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Compute it with the fixed values and the others."""
        return self.term.evaluate({**self.fixed, **values})


@dataclass(frozen=True)
class _Several(Expression):
    """A tuple of terms, as one expression."""

    terms: tuple[Any, ...]

    @property
    def labels(self) -> frozenset[str]:
        """The parameters that they depend on."""
        return labels_of(self.terms)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Compute them all."""
        return evaluate(self.terms, values)


def _joint(weights: Sequence[Tensor]) -> Tensor:
    """Return the weight of each combination of values, the last varying first."""
    joint = weights[0]
    for more in weights[1:]:
        joint = (joint[:, None] * more).flatten()
    return joint


def _shares(positions: Sequence[int], entries: int, *, share: float = 1.0) -> Tensor:
    shares = torch.zeros(entries)
    for position in positions:
        shares[position] += share
    return shares


def _targets(slot: Slot, domains: Mapping[str, Domain]) -> Iterator[_Target]:
    module: Any = slot.owner
    shapes: Any = slot.term
    term = (
        slot.term
        if isinstance(slot.term, Expression)
        else _Several(slot.term)
        if isinstance(slot.term, tuple)
        else None
    )
    match module, slot.name:
        case ElasticSequential(), "depth" if term:

            def receive_depths(weights: Tensor, possible: list[bool]) -> None:
                module.weights = {depth: weights[depth] for depth, used in enumerate(possible) if used}

            yield _Target(
                term, lambda _: 1 + len(module._modules), lambda depth, n: _shares([depth], n), receive_depths
            )
        case SelectInputs(), "chosen" if term:
            (label,) = term.labels
            items: Any = domains[label]
            mean = module.reduction == "mean"
            use = lambda chosen, n: _shares(chosen, n, share=1 / len(chosen) if mean else 1.0)  # noqa: E731
            yield _Target(
                term, lambda _: len(items.items), use, lambda weights, _: setattr(module, "weights", weights)
            )
        case ElasticNode(), "used" if term:
            yield _Target(
                term,
                lambda _: len(module.edges),
                _shares,
                lambda weights, _: setattr(module, "weights", weights),
            )
        case Elastic(), "elastic_sizes":
            for name, shape in shapes.items():
                for dim, size in enumerate(shape):
                    divided = (
                        len(module.full_factors[name][dim]) > 1 if name in module.full_factors else False
                    )
                    if (
                        isinstance(size, Expression)
                        and not divided
                        and name in module._parameters
                        and _is_weighed(module, dim, len(shape))
                    ):
                        yield _Target(
                            size,
                            partial(evaluate, size),
                            partial(_entries, module, dim),
                            partial(_receive_mask, module, name, dim),
                        )
        case Elastic(), "factors":
            for name, dims in shapes.items():
                for dim, factors in enumerate(dims):
                    if (
                        len(factors) > 1
                        and name in module._parameters
                        and _is_weighed(module, dim, len(dims))
                    ):
                        terms = _Several(factors)
                        yield _Target(
                            terms,
                            terms.evaluate,
                            partial(_nested, module),
                            partial(_receive_mask, module, name, dim),
                        )
        case _:
            pass


def _nested(module: Elastic, parts: Sequence[int], wholes: Sequence[int]) -> Tensor:
    """Return which entries of a dimension are used that is laid out by factors: the first ones of each."""
    mask = torch.ones(())
    for part, whole in zip(parts, wholes, strict=True):
        mask = mask[..., None] * _entries(module, 0, part, whole)
    return mask.flatten()


def _entries(module: Elastic, dim: int, size: int, entries: int) -> Tensor:
    """Return which entries of a dimension are used: the first ones, or of a kernel the centre."""
    if size > entries:
        msg = (
            f"A size of {_class_of(module)} is {size} for some value and {entries} for the greatest ones, "
            "at which a mixture runs. "
            f"Let sizes grow with their choices, or search them by a method that samples paths."
        )
        raise SupernetError(msg)
    start = (entries - size) // 2 if _is_kernel(module, dim) else 0
    return _shares(range(start, start + size), entries)


def _is_kernel(module: Elastic, dim: int) -> bool:
    return module.kernel is not None and dim >= module.kernel


def _is_weighed(module: Elastic, dim: int, dims: int) -> bool:
    """Whether a mask belongs to a dimension: of the outputs or the kernel, for the inputs have been masked
    where they were made.
    """
    return dims == 1 or module.outputs is None or dim == module.outputs or _is_kernel(module, dim)


def _receive_mask(module: Elastic, name: str, dim: int, mask: Tensor, possible: list[bool]) -> None:
    del possible
    module.masks = {**module.masks, name: (*module.masks.get(name, ()), (dim, mask))}


def _obstacle(slot: Slot, terms: Mapping[tuple[int, str], Any]) -> str | None:
    """Return why what fills a slot can't be mixed; None if it can, or needs not be."""
    owner, name = slot.owner, slot.name
    match owner:
        case MixedLayer() | ElasticSequential() | ElasticNode():
            return None
        case SelectInputs():
            return (
                None
                if owner.reduction in ("sum", "mean")
                else f"chooses inputs that are joined by {owner.reduction!r}, not by a sum"
            )
        case ElasticAttention() | ElasticRecurrent() | ElasticCell():
            return f"sizes '{slot.path}' ({_class_of(owner)}), whose tensors are stacks of blocks"
        case _:
            pass
    shown = f"is '{name}' of '{slot.path}' ({_class_of(owner)})"
    if isinstance(owner, Elastic) or type(owner).__module__.startswith("torch."):
        depthwise = name == "groups" and slot.term == terms.get((id(owner), "in_channels"))
        return None if name in _SIZES or depthwise else f"{shown}, of which there is no weighted mean"
    value = vars(owner)[name]
    sizes = value if isinstance(value, tuple | list) else [value]
    return None if all(type(size) is int for size in sizes) else f"{shown}, which is no size"


def _class_of(module: Any) -> str:
    return type(module).__name__.removeprefix("Elastic")
