"""The search space: a set of architectures."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from retia.errors import ArchitectureError, InfeasibleArchitecture, SpaceError
from retia.space.architecture import Architecture
from retia.space.condition import Condition
from retia.space.domain import Domain, domain_from_json
from retia.space.encoding import distance, encode
from retia.space.enumeration import enumerate_values
from retia.space.membership import canonical, refuse_superfluous
from retia.space.neighbours import Neighbours, joined
from retia.space.parameter import Parameter
from retia.space.plan import Plan
from retia.space.real import Real
from retia.space.rendering import as_html, as_text, size_in_words
from retia.space.requirement import Requirement
from retia.space.restriction import Restriction
from retia.space.value import Value

__all__ = ["SearchSpace"]

TRIES = 10_000
"""Number of consecutive samples that may break a restriction before an error is raised."""


class SearchSpace:
    """A set of architectures, given by parameters with domains and conditions, and by restrictions.

    Args:
        parameters: Domain of each label, or `Parameter` objects if some parameters have conditions.

    Raises:
        SpaceError: If labels or conditions contradict each other.

    >>> from retia.space import Categorical, Integer
    >>> space = SearchSpace({"width": Categorical((16, 32)), "depth": Integer(1, 3)})
    >>> space.size(), space.default() == {"width": 16, "depth": 1}
    (6, True)
    """

    def __init__(self, parameters: Mapping[str, Domain] | Iterable[Parameter]) -> None:
        if isinstance(parameters, Mapping):
            domains = cast("Mapping[str, Domain]", parameters)
            parameters = [Parameter(label, domain) for label, domain in domains.items()]
        self._plan = Plan(parameters)
        self._restrictions: tuple[Restriction, ...] = ()

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameters by label, each after the parameters that its condition refers to."""
        return self._plan.parameters

    @property
    def restrictions(self) -> tuple[Restriction, ...]:
        """The restrictions: first those of `require` in a model's constructor, then those of `where`."""
        return self._restrictions

    # --- derived spaces

    def where(self, predicate: Callable[[Architecture], bool], description: str | None = None) -> Self:
        """Return the space of the architectures for which `predicate` is true.

        `sample` draws until the predicate is true, and `size` enumerates the space. An architecture holds its
        active parameters only, so write `"b" not in a or a["b"] > 2` for a conditional parameter.

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
        """Return the space with additional parameters, which are always active.

        Raises:
            SpaceError: If a label of `domains` is already in the space.
        """
        if clash := domains.keys() & self.parameters.keys():
            msg = (
                f"The space already has a parameter {min(clash)!r}. Rename the choice in the model, "
                "or give the other a constant."
            )
            raise SpaceError(msg)
        return self._with([*self.parameters.values(), *(Parameter(*item) for item in domains.items())])

    def discretize(self, points: int) -> Self:
        """Return the space with each real interval replaced by `points` values, evenly spaced on its scale.

        Raises:
            SpaceError: If `points` is less than 1, or a condition refers to a value of an interval that is
                not one of the points.
        """
        return self._with(
            Parameter(
                p.label,
                p.domain.discretize(points) if isinstance(p.domain, Real) else p.domain,
                p.condition,
            )
            for p in self.parameters.values()
        )

    def _with(self, parameters: Iterable[Parameter]) -> Self:
        space = copy.copy(self)
        space._plan = Plan(parameters)
        return space

    # --- membership

    def canonical(self, architecture: Mapping[str, Value]) -> Architecture:
        """Return the architecture without the parameters that are not active in it.

        Raises:
            ArchitectureError: If an active parameter is missing or has an illegal value.
        """
        return canonical(self._plan.steps, architecture)

    def validate(self, architecture: Mapping[str, Value]) -> Architecture:
        """Return the architecture if it belongs to the space.

        Raises:
            ArchitectureError: If a label is unknown, missing or not active, a value is illegal, or a
                restriction of `where` is broken.
            InfeasibleArchitecture: If a restriction of `require` is broken.
        """
        valid = canonical(self._plan.steps, architecture)
        refuse_superfluous(self.parameters, architecture, valid)
        if broken := self._broken(valid):
            required = isinstance(broken.predicate, Requirement)
            msg = f"The architecture breaks the restriction '{broken.description}': {dict(valid)}."
            raise InfeasibleArchitecture(msg) if required else ArchitectureError(msg)
        return valid

    def __contains__(self, architecture: object) -> bool:
        """Return whether the mapping is an architecture of the space."""
        try:
            self.validate(architecture)  # pyright: ignore[reportArgumentType]  # anything but a mapping raises
        except (ArchitectureError, TypeError, AttributeError):
            return False
        return True

    def allows(self, architecture: Architecture) -> bool:
        """Return whether an architecture with legal values meets the restrictions."""
        return not self._restrictions or self._broken(architecture) is None

    def _broken(self, architecture: Architecture) -> Restriction | None:
        """Return the first restriction that the architecture does not meet."""
        return next((one for one in self._restrictions if not one.holds(architecture, self.parameters)), None)

    # --- sampling and counting

    def sample(self, rng: np.random.Generator, *, uniform: str = "choices") -> Architecture:
        """Draw an architecture.

        Args:
            rng: Random number generator.
            uniform: "choices" draws each active parameter uniformly, one after the other. "architectures"
                gives every architecture the same probability, which favours values that open more choices.

        Raises:
            SpaceError: If `uniform` is not one of the two, 10,000 samples break a restriction, or `uniform`
                is "architectures" and the space has a real interval.
        """
        if uniform not in ("choices", "architectures"):
            msg = f"uniform is 'choices' or 'architectures', got {uniform!r}."
            raise SpaceError(msg)
        draw = self._plan.draw if uniform == "choices" else self._plan.counting.sample
        return self._first_allowed(
            lambda: draw(rng), "sampled architecture", "narrow the domains to values that meet it"
        )

    def default(self) -> Architecture:
        """Return the architecture of all defaults, which the constructor builds outside a search.

        Raises:
            SpaceError: If it breaks a restriction.
        """
        architecture = self._plan.complete({}, None)
        if broken := self._broken(architecture):
            msg = (
                f"The default architecture {dict(architecture)} breaks the restriction "
                f"'{broken.description}'. "
                "Give the choices a default= that meets it, or give the study another baseline=."
            )
            raise SpaceError(msg)
        return architecture

    def size(self) -> int | float:
        """Return the exact number of architectures; infinite if there is a real interval.

        A space without restrictions is counted without enumeration.

        Raises:
            SpaceError: If the space has restrictions, and more than a million architectures without them.
        """
        size = self._plan.size
        if not self._restrictions or not isinstance(size, int):
            return size
        if size > 1_000_000:
            msg = (
                f"A space with restrictions is counted by enumeration, and this one has {size:,} "
                "architectures without them. Call size() before .where(...)."
            )
            raise SpaceError(msg)
        return sum(1 for _ in self.enumerate())

    def size_before_restrictions(self) -> int | float:
        """Return the number of architectures without the restrictions; it never enumerates."""
        return self._plan.size

    def nothing_to_search(self) -> str:
        """Return the error message for a study of a space without parameters."""
        return (
            "There is nothing to search: the space has no parameters. Give it some: SearchSpace({'width': "
            "Integer(8, 64)})."
        )

    def seeded(self, seed: int) -> AbstractContextManager[None]:
        """Return a context that seeds the libraries that build models; a plain space builds no models."""
        del seed
        return nullcontext()

    def require_device(self, device: str | None) -> None:
        """Raise if models can't be built on the device; a plain space builds no models."""
        del device

    def enumerate(self) -> Iterator[Architecture]:
        """Yield every architecture once, lazily, in a stable order: the last parameter varies first.

        Raises:
            SpaceError: If there is a real interval.
        """
        return filter(
            self.allows, map(Architecture.trusted, enumerate_values(list(self.parameters.values())))
        )

    # --- moves

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """Return the architecture with another value of one active parameter, drawn uniformly.

        Parameters that become active are sampled; parameters that become inactive are dropped.

        Raises:
            SpaceError: If no active parameter has two values, or 10,000 mutants break a restriction.
        """
        plan, values = self._plan, architecture.unwrapped
        movable = list(filter(plan.movable.__contains__, values))
        if not movable:
            msg = (
                f"No parameter of {dict(architecture)} has a second value, so there is nothing to mutate. "
                "Give a choice more values."
            )
            raise SpaceError(msg)

        def mutant() -> Architecture:
            label = movable[int(rng.random() * len(movable))]
            value = plan.parameters[label].domain.mutate(values[label], rng)
            return plan.change(architecture, rng, label, value)

        return self._first_allowed(mutant, "mutant", "start from another architecture", architecture)

    def crossover(self, a: Architecture, b: Architecture, rng: np.random.Generator) -> Architecture:
        """Return a child that takes each active parameter from one of its parents at random.

        A parameter that only one parent has comes from that parent; one that neither has is sampled.

        Raises:
            SpaceError: If 10,000 children break a restriction.
        """
        return self._first_allowed(lambda: self._plan.cross(a, b, rng), "child", "cross other parents", a, b)

    def _first_allowed(
        self, draw: Callable[[], Architecture], what: str, remedy: str, *parents: Architecture
    ) -> Architecture:
        for _ in range(TRIES):
            if self.allows(architecture := draw()):
                return architecture
        restrictions = " and ".join(repr(restriction.description) for restriction in self._restrictions)
        of = f" of {' and '.join(str(dict(parent)) for parent in parents)}" if parents else ""
        msg = f"No {what}{of} met {restrictions} in {TRIES:,} tries. Loosen the restriction, or {remedy}."
        raise SpaceError(msg)

    def neighbours(
        self, architecture: Architecture, rng: np.random.Generator | None = None
    ) -> Neighbours[Architecture]:
        """Return all architectures that differ in one decision, made lazily by iteration or `shuffled(rng)`.

        A decision changes one active parameter to a neighbour of its value in its domain: any other value;
        for a subset, one item more, fewer or exchanged; for a real interval, a tenth of the scale up or down.
        Parameters that become active are at their defaults, or sampled if `rng` is given.
        """
        return joined(
            [
                (label, self.parameters[label].domain.neighbours(value))
                for label, value in architecture.items()
            ],
            partial(self._plan.change, architecture, rng),
            self.allows if self._restrictions else None,
        )

    # --- numbers for predictors

    def encode(self, architecture: Mapping[str, Value]) -> NDArray[np.float64]:
        """Return the architecture as numbers in [0, 1], shape (F,), distinct for distinct architectures.

        A categorical is one-hot, a subset has one number per item, and a number is its position on its scale.
        Inactive parameters are 0. A number that may be inactive has a second feature, 1 while it is active.
        """
        return encode(self.parameters.values(), architecture)

    @property
    def feature_labels(self) -> list[str]:
        """The label of each feature of `encode`."""
        return self._plan.feature_labels

    def distance(self, a: Mapping[str, Value], b: Mapping[str, Value]) -> float:
        """Return the sum of the parameters' distances, each at most 1, which is a metric.

        A parameter that is active in only one of the architectures counts 1.
        """
        return distance(self.parameters.values(), a, b)

    # --- data and text

    def to_json(self) -> dict[str, Any]:
        """Return the space as a JSON object, with the descriptions of the restrictions only."""
        parameters = {
            label: {"domain": parameter.domain.to_json(), "condition": parameter.condition.to_json()}
            for label, parameter in self.parameters.items()
        }
        return {"parameters": parameters, "restrictions": [one.description for one in self._restrictions]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "SearchSpace":
        """Read the parameters that `to_json` wrote, without restrictions; the space builds no models."""
        return SearchSpace(
            Parameter(label, domain_from_json(entry["domain"]), Condition.from_json(entry["condition"]))
            for label, entry in data["parameters"].items()
        )

    def __len__(self) -> int:
        """Return the number of parameters."""
        return len(self.parameters)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self)} parameters>"

    def __str__(self) -> str:
        title = f"{type(self).__name__}: {len(self)} parameters, {self._size_in_words} architectures"
        return as_text(title, self.parameters.values(), [one.description for one in self._restrictions])

    def _repr_html_(self) -> str:
        title = f"{type(self).__name__}: {self._size_in_words} architectures"
        return as_html(title, self.parameters.values(), [one.description for one in self._restrictions])

    @property
    def _size_in_words(self) -> str:
        return size_in_words(self._plan.size, restricted=bool(self._restrictions))
