"""The search space: which architectures there are."""

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from retia.errors import ArchitectureError, InfeasibleArchitecture, SpaceError
from retia.space.architecture import Architecture
from retia.space.condition import Condition
from retia.space.counting import Counting
from retia.space.domain import Domain, domain_from_json
from retia.space.encoding import distance, encode, feature_labels
from retia.space.enumeration import enumerate_values
from retia.space.membership import canonical, refuse_superfluous
from retia.space.neighbours import Neighbours, joined
from retia.space.parameter import Parameter, Step, in_order
from retia.space.real import Real
from retia.space.rendering import as_html, as_text, size_in_words
from retia.space.requirement import Requirement
from retia.space.restriction import Restriction
from retia.space.value import Value

__all__ = ["SearchSpace"]

TRIES = 10_000
"""How many samples in a row may break a restriction before a space counts as empty."""


class SearchSpace:
    """A set of architectures: parameters with domains and conditions, and restrictions over the whole.

    Args:
        parameters: A domain for each label, or `Parameter` objects where there are conditions.

    Raises:
        SpaceError: If labels or conditions contradict each other.

    >>> from retia.space import Categorical, Integer
    >>> space = SearchSpace({"width": Categorical((16, 32)), "depth": Integer(1, 3)})
    >>> space.size(), space.default() == {"width": 16, "depth": 1}
    (6, True)
    """

    def __init__(self, parameters: Mapping[str, Domain] | Iterable[Parameter]) -> None:
        self._parameters = in_order(_listed(parameters))
        self._restrictions: tuple[Restriction, ...] = ()

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameters by label: domain, and condition under which each is active."""
        return self._parameters

    @property
    def restrictions(self) -> tuple[Restriction, ...]:
        """What `where` has added, and before that what `require` has, in the constructor of a model space."""
        return self._restrictions

    # --- making spaces from spaces

    def where(self, predicate: Callable[[Architecture], bool], description: str | None = None) -> Self:
        """Return the space of those architectures for which `predicate` is true.

        Sampling draws until it holds; `size` has to enumerate. It sees active parameters alone: write
        `"b" not in a or a["b"] > 2`.

        >>> from retia.space import Integer
        >>> space = SearchSpace({"a": Integer(1, 3), "b": Integer(1, 3)})
        >>> space = space.where(lambda x: x["a"] < x["b"], "a < b")
        >>> space.size()
        3
        """
        space = copy.copy(self)
        name = description or getattr(predicate, "__name__", repr(predicate))
        space._restrictions = (*self._restrictions, Restriction(predicate, name))
        return space

    def extend(self, domains: Mapping[str, Domain]) -> Self:
        """Return the space with further parameters, which are always active.

        Raises:
            SpaceError: If a label exists already.
        """
        if clash := domains.keys() & self._parameters.keys():
            msg = (
                f"The space has a parameter {min(clash)!r} already. Rename the choice in the model, "
                "or give the other a constant."
            )
            raise SpaceError(msg)
        return self._with(
            [*self._parameters.values(), *(Parameter(label, domain) for label, domain in domains.items())]
        )

    def discretize(self, points: int) -> Self:
        """Return the space in which every real interval is `points` values, evenly spaced on its scale.

        Raises:
            SpaceError: If there is no point, or a condition asks about a value of an interval that is none of
                the points.
        """
        domains = {
            p.label: p.domain.discretize(points) if isinstance(p.domain, Real) else p.domain
            for p in self._parameters.values()
        }
        return self._with(
            [Parameter(p.label, domains[p.label], p.condition) for p in self._parameters.values()]
        )

    def _with(self, parameters: Iterable[Parameter]) -> Self:
        space = copy.copy(self)
        space._parameters = in_order(parameters)
        for name, attribute in vars(SearchSpace).items():
            if isinstance(attribute, cached_property):
                vars(space).pop(name, None)
        return space

    # --- membership

    def canonical(self, architecture: Mapping[str, Value]) -> Architecture:
        """Return the architecture without the parameters that are not active in it.

        Raises:
            ArchitectureError: If an active parameter is missing or has an illegal value.
        """
        return canonical(self._plan, architecture)

    def validate(self, architecture: Mapping[str, Value]) -> Architecture:
        """Return the architecture if it is one of the space.

        Raises:
            ArchitectureError: If a label is unknown, missing or not active, a value is illegal, or a
                restriction is broken.
            InfeasibleArchitecture: If a restriction is broken that the constructor requires.
        """
        valid = canonical(self._plan, architecture)
        refuse_superfluous(self._parameters, architecture, valid)
        for restriction in self._restrictions:
            if not restriction.holds(valid, self._parameters):
                msg = f"The architecture breaks the restriction '{restriction.description}': {dict(valid)}."
                raise (
                    InfeasibleArchitecture
                    if isinstance(restriction.predicate, Requirement)
                    else ArchitectureError
                )(msg)
        return valid

    def __contains__(self, architecture: object) -> bool:
        """Whether the mapping is an architecture of the space."""
        try:
            self.validate(architecture)  # pyright: ignore[reportArgumentType]  # whatever is no mapping is no architecture
        except (ArchitectureError, TypeError, AttributeError):
            return False
        return True

    def allows(self, architecture: Architecture) -> bool:
        """Whether an architecture, all of whose values are legal, meets the restrictions."""
        return not self._restrictions or all(
            restriction.holds(architecture, self._parameters) for restriction in self._restrictions
        )

    # --- sampling and counting

    def sample(self, rng: np.random.Generator, *, uniform: str = "choices") -> Architecture:
        """Draw an architecture.

        Args:
            rng: Where the randomness comes from.
            uniform: "choices" draws each active parameter uniformly, one after the other; "architectures"
                gives every architecture of the space the same probability, which favours the values under
                which there is more to choose.

        Raises:
            SpaceError: If `uniform` is neither, no sample meets the restrictions, or the space has no finite
                size and "architectures" is asked for.
        """
        if uniform not in ("choices", "architectures"):
            msg = f"uniform is 'choices' or 'architectures', got {uniform!r}."
            raise SpaceError(msg)
        for _ in range(TRIES):
            values = self._draw(rng) if uniform == "choices" else self._counting.sample(rng)
            architecture = Architecture.trusted(values)
            if self.allows(architecture):
                return architecture
        msg = (
            f"None of {TRIES:,} sampled architectures met "
            f"{' and '.join(repr(r.description) for r in self._restrictions)}. "
            f"Loosen the restriction, or narrow the domains to where it holds."
        )
        raise SpaceError(msg)

    def default(self) -> Architecture:
        """Return the architecture of all defaults: the model that the constructor builds outside a search.

        Raises:
            SpaceError: If it breaks a restriction.
        """
        architecture = Architecture.trusted(self._complete({}, None))
        for restriction in self._restrictions:
            if not restriction.holds(architecture, self._parameters):
                msg = (
                    f"The default architecture {dict(architecture)} breaks the restriction "
                    f"'{restriction.description}'. "
                    f"Give the choices a default= that meets it, or the study another baseline=."
                )
                raise SpaceError(msg)
        return architecture

    def size(self) -> int | float:
        """Return the exact number of architectures; infinite if there is a real interval.

        It is counted without enumeration, except in a space with restrictions.

        Raises:
            SpaceError: If the space has restrictions and more than a million architectures without them.
        """
        if any(isinstance(parameter.domain, Real) for parameter in self._parameters.values()):
            return math.inf
        if not self._restrictions:
            return self._size
        if self._size > 1_000_000:
            msg = (
                f"Restrictions are counted by enumeration, and this one has {self._size:,} architectures "
                "without them. Ask before .where(...)."
            )
            raise SpaceError(msg)
        return sum(1 for _ in self.enumerate())

    def size_before_restrictions(self) -> int | float:
        """Return the number of architectures that there would be without `where`; never enumerates."""
        return math.inf if any(isinstance(p.domain, Real) for p in self._parameters.values()) else self._size

    def nothing_to_search(self) -> str:
        """Say what to do about a space without parameters, for the error of a study."""
        return (
            "There is nothing to search: it has no parameters. Give the space some: SearchSpace({'width': "
            "Integer(8, 64)})."
        )

    def seeded(self, seed: int) -> AbstractContextManager[None]:
        """Seed, inside, the libraries with which the space builds; a plain space builds nothing."""
        del seed
        return nullcontext()

    def check_device(self, device: str | None) -> None:
        """Check that models can be built on a device; a plain space builds nothing."""
        del device

    def enumerate(self) -> Iterator[Architecture]:
        """Yield every architecture once, lazily, in a stable order: the last parameter varies first.

        Raises:
            SpaceError: If there is a real interval.
        """
        for values in enumerate_values(list(self._parameters.values())):
            architecture = Architecture.trusted(values)
            if self.allows(architecture):
                yield architecture

    # --- moving through the space

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """Return the architecture with another value of one active parameter, drawn uniformly.

        Parameters that the change makes active are sampled; those that it makes inactive go.

        Raises:
            SpaceError: If no active parameter has two values, or no mutant meets the restrictions.
        """
        values = architecture.unwrapped
        movable = [label for label in values if label in self._movable]
        if not movable:
            msg = (
                f"No parameter of {dict(architecture)} has a second value, so there is nothing to mutate. "
                "Give a choice more values."
            )
            raise SpaceError(msg)
        for _ in range(TRIES):
            label = movable[int(rng.random() * len(movable))]
            value = self._parameters[label].domain.mutate(values[label], rng)
            mutant = self._change(architecture, rng, label, value)
            if self.allows(mutant):
                return mutant
        msg = (
            f"None of {TRIES:,} mutants of {dict(architecture)} met the restrictions. Loosen them, "
            "or start from another architecture."
        )
        raise SpaceError(msg)

    def crossover(self, a: Architecture, b: Architecture, rng: np.random.Generator) -> Architecture:
        """Return a child that has each active parameter from one of its parents at random.

        A parameter that only one parent has comes from it; one that neither has is sampled.

        Raises:
            SpaceError: If no child meets the restrictions.
        """
        for _ in range(TRIES):
            units = rng.random(len(self._plan)).tolist()
            mixed = {}
            for unit, (label, _, _) in zip(units, self._plan, strict=True):
                first, second = (a, b) if unit < 0.5 else (b, a)
                if label in first or label in second:
                    mixed[label] = first[label] if label in first else second[label]
            child = Architecture.trusted(self._complete(mixed, rng))
            if self.allows(child):
                return child
        msg = (
            f"None of {TRIES:,} children of two architectures met the restrictions. Loosen them, "
            "or cross other parents."
        )
        raise SpaceError(msg)

    def neighbours(
        self, architecture: Architecture, rng: np.random.Generator | None = None
    ) -> Neighbours[Architecture]:
        """Return all architectures that are one decision away: iterate over them, or over `.shuffled(rng)`.
        They are never listed.

        A decision changes one active parameter to one of its domain's neighbours: any other value; for a
        subset one item more, fewer or exchanged; for a real interval a tenth of the scale up or down. What
        the change makes active is at its default, or sampled if `rng` is given; what it makes inactive goes.
        """
        around = [
            (label, self._parameters[label].domain.neighbours(value)) for label, value in architecture.items()
        ]
        return joined(
            around, partial(self._change, architecture, rng), self.allows if self._restrictions else None
        )

    # --- numbers for predictors

    def encode(self, architecture: Mapping[str, Value]) -> NDArray[np.float64]:
        """Return the architecture as numbers in [0, 1], shape (F,), distinct for distinct architectures.

        A categorical is one-hot, a subset one number an item, a number its position on its scale. What is not
        active is 0; a number that may be inactive has a second feature, 1 while it is active.
        """
        return encode(self._parameters.values(), architecture)

    @cached_property
    def feature_labels(self) -> list[str]:
        """The label of each feature of `encode`."""
        return feature_labels(self._parameters.values())

    def distance(self, a: Mapping[str, Value], b: Mapping[str, Value]) -> float:
        """Return how far apart two architectures are: the sum of their parameters' distances, each at most 1.

        A parameter that only one of them has counts 1. It is a metric.
        """
        return distance(self._parameters.values(), a, b)

    # --- as data and as text

    def to_json(self) -> dict[str, Any]:
        """Return the space as a JSON object. Restrictions are code: only their descriptions are kept."""
        parameters = {
            label: {"domain": parameter.domain.to_json(), "condition": parameter.condition.to_json()}
            for label, parameter in self._parameters.items()
        }
        return {
            "parameters": parameters,
            "restrictions": [restriction.description for restriction in self._restrictions],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "SearchSpace":
        """Read the parameters that `to_json` wrote; the space has no restrictions and builds no models."""
        return SearchSpace(
            Parameter(label, domain_from_json(entry["domain"]), Condition.from_json(entry["condition"]))
            for label, entry in data["parameters"].items()
        )

    def __len__(self) -> int:
        """The number of parameters."""
        return len(self._parameters)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self._parameters)} parameters>"

    def __str__(self) -> str:
        size = size_in_words(self.size_before_restrictions(), restricted=bool(self._restrictions))
        title = f"{type(self).__name__}: {len(self._parameters)} parameters, {size} architectures"
        return as_text(
            title, self._parameters.values(), [restriction.description for restriction in self._restrictions]
        )

    def _repr_html_(self) -> str:
        size = size_in_words(self.size_before_restrictions(), restricted=bool(self._restrictions))
        title = f"{type(self).__name__}: {size} architectures"
        return as_html(
            title, self._parameters.values(), [restriction.description for restriction in self._restrictions]
        )

    # --- inside

    @cached_property
    def _plan(self) -> list[Step]:
        """Label, parameter, and the condition where there is one, in order."""
        return [
            (label, p, None if p.condition.always else p.condition) for label, p in self._parameters.items()
        ]

    @cached_property
    def _counting(self) -> Counting:
        if any(isinstance(parameter.domain, Real) for parameter in self._parameters.values()):
            msg = (
                "Architectures can't be drawn uniformly from a space with a real interval. "
                "Use uniform='choices', or space.discretize(points)."
            )
            raise SpaceError(msg)
        return Counting(list(self._parameters.values()))

    @cached_property
    def _size(self) -> int:
        return self._counting.size()

    @cached_property
    def _asked(self) -> frozenset[str]:
        """The labels that some condition asks about."""
        return frozenset[str]().union(
            *(parameter.condition.labels for parameter in self._parameters.values())
        )

    @cached_property
    def _movable(self) -> frozenset[str]:
        """The labels that have a second value."""
        return frozenset(label for label, parameter in self._parameters.items() if parameter.domain.size > 1)

    def _draw(self, rng: np.random.Generator) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for unit, (label, parameter, condition) in zip(
            rng.random(len(self._plan)).tolist(), self._plan, strict=True
        ):
            if condition is None or condition.holds(values):
                values[label] = parameter.domain.from_unit(unit)
        return values

    def _complete(self, given: Mapping[str, Value], rng: np.random.Generator | None) -> dict[str, Value]:
        """Return values for every active parameter: the given ones, the rest sampled or at their defaults."""
        values: dict[str, Value] = {}
        for label, parameter, condition in self._plan:
            if condition is None or condition.holds(values):
                if label in given:
                    values[label] = given[label]
                else:
                    values[label] = parameter.domain.default if rng is None else parameter.domain.sample(rng)
        return values

    def _change(
        self, architecture: Architecture, rng: np.random.Generator | None, label: str, value: Value
    ) -> Architecture:
        values = {**architecture.unwrapped, label: value}
        return Architecture.trusted(self._complete(values, rng) if label in self._asked else values)


def _listed(parameters: Mapping[str, Domain] | Iterable[Parameter]) -> Iterable[Parameter]:
    if isinstance(parameters, Mapping):
        domains = cast("Mapping[str, Domain]", parameters)
        return [Parameter(label, domain) for label, domain in domains.items()]
    return parameters
