"""The tracer: it finds the parameters of a constructor by running it once."""

import sys
from collections.abc import Callable, Collection, Generator, Hashable, Mapping
from contextlib import contextmanager
from typing import Any

from retia.errors import SpaceError
from retia.space.condition import ALWAYS, Clause, Condition, Conjunction
from retia.space.domain import Domain
from retia.space.expression import Call, Expression, Reference, labels_of
from retia.space.extremes import greatest
from retia.space.parameter import Parameter
from retia.space.place import Place
from retia.space.recorder import Recorder
from retia.space.requirement import Requirement
from retia.space.restriction import Restriction
from retia.space.symbolic import lift
from retia.space.value import Value

__all__ = ["Tracer"]


class Tracer(Recorder):
    """Answers with symbolic values, by default the greatest, and records the parameters and their conditions.

    Args:
        overrides: Values to answer with, by label.
        otherwise: Function from a domain to the answer for a label that is not in `overrides`.

    Attributes:
        parameters: The parameters by label.
        answers: The answers by label.
        restrictions: The requirements of the constructor.
        compared: The parameters of comparisons whose truth was used.
    """

    def __init__(
        self, overrides: Mapping[str, Value] | None = None, otherwise: Callable[[Domain], Value] = greatest
    ) -> None:
        super().__init__()
        self.parameters: dict[str, Parameter] = {}
        self.answers: dict[str, Value] = {}
        self.restrictions: list[Restriction] = []
        self.compared: set[str] = set()
        self.overrides = overrides or {}
        self._otherwise = otherwise
        self._used: tuple[Place, Collection[str]] | None = None
        self._condition = ALWAYS

    @property
    def found(self) -> frozenset[Hashable]:
        """The labels, and the restrictions as tuples of their text."""
        return frozenset(
            (*self.parameters, *((restriction.description,) for restriction in self.restrictions))
        )

    def declare(self, label: str, domain: Domain) -> Any:
        """Record the parameter and return a symbolic value.

        Raises:
            SpaceError: If `label` has been declared with another domain.
        """
        known = self.parameters.get(label)
        if known is not None and known.domain != domain:
            raise SpaceError(_declared_twice(label, known.domain, domain))
        condition = self._condition if known is None else known.condition | self._condition
        self.parameters[label] = Parameter(label, domain, condition)
        if label not in self.answers:
            self.answers[label] = (
                self.overrides[label] if label in self.overrides else self._otherwise(domain)
            )
        return lift(self.answers[label], Reference(label))

    def note_branch(self, labels: Collection[str]) -> None:
        """Record the parameters, and the place where the truth was used."""
        self.compared.update(labels)
        self._used = Place.of(sys._getframe(2)), labels

    def used_within(self, place: Place) -> Collection[str]:
        """Return the parameters whose truth was used last, if in the source of the instruction at `place`."""
        return self._used[1] if self._used is not None and self._used[0].within(place) else ()

    def require(self, condition: Expression) -> bool:
        """Record the condition as a restriction, if it depends on a parameter."""
        requirement = Requirement(condition, self._condition)
        restriction = Restriction(requirement, str(requirement))
        if condition.labels and restriction not in self.restrictions:
            self.restrictions.append(restriction)
        return bool(condition.labels)

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Call:
        """Return the expression of a function that is called here, with its optional arguments."""
        labels = labels_of(arguments)
        optional = tuple(
            label
            for label, known in self.parameters.items()
            if label in labels and not self._implied(known.condition)
        )
        return Call(function, arguments, optional, self._condition)

    def _implied(self, condition: Condition) -> bool:
        """Return whether a condition holds wherever the present condition does."""
        return condition.always or all(
            any(all(self._follows(clause, row) for clause in other) for other in condition.alternatives)
            for row in self._condition.alternatives
        )

    def _follows(self, clause: Clause, row: Conjunction) -> bool:
        # A clause holds only while its parameter is active, and so while the parameter's condition holds.
        return any(
            (known.label == clause.label and known.values <= clause.values)
            or any(
                self._follows(clause, above)
                for above in self.parameters[known.label].condition.alternatives[:1]
                if len(self.parameters[known.label].condition.alternatives) == 1
            )
            for known in row
        )

    @contextmanager
    def given(self, condition: Condition) -> Generator[None]:
        """Make the declarations inside the block conditional."""
        outer = self._condition
        self._condition = self._both(outer, condition)
        try:
            yield
        finally:
            self._condition = outer

    def _both(self, outer: Condition, inner: Condition) -> Condition:
        asked = [self.parameters[label].condition for label in inner.labels]
        if asked and all(condition == outer for condition in asked):
            return inner  # a clause holds only while its parameter is active, which implies `outer`
        return outer & inner


def _declared_twice(label: str, known: Domain, domain: Domain) -> str:
    if {**known.to_json(), "default": None} == {**domain.to_json(), "default": None}:
        return (
            f"The label '{label}' is declared twice with different defaults: "
            f"{known.default!r} and {domain.default!r}. "
            f"Give both the same default= to share the choice, or rename one."
        )
    return (
        f"The label '{label}' is declared twice with different domains: {known} and {domain}. "
        "Rename one, put it in its own scope (with retia.scope('name'):), "
        "or give both the same values to share the choice."
    )
