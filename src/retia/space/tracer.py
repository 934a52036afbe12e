"""Finding the parameters of a constructor by running it once."""

from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from retia.errors import SpaceError
from retia.space.condition import ALWAYS, Clause, Condition, Conjunction
from retia.space.domain import Domain
from retia.space.expression import Call, Reference, labels_of
from retia.space.extremes import greatest
from retia.space.parameter import Parameter
from retia.space.recorder import Recorder
from retia.space.symbolic import lift
from retia.space.value import Value

__all__ = ["Tracer"]


class Tracer(Recorder):
    """Answers with symbolic values, the greatest of each domain, and keeps the parameters with their conditions.

    Args:
        overrides: Values to answer with instead of the greatest.
    """

    def __init__(self, overrides: Mapping[str, Value] | None = None) -> None:
        super().__init__()
        self.parameters: dict[str, Parameter] = {}
        self.compared: set[str] = set()
        self.overrides = overrides or {}
        self._condition = ALWAYS

    def declare(self, label: str, domain: Domain) -> Any:
        """Record the parameter and return a symbolic value.

        Raises:
            SpaceError: If the label has been declared with another domain.
        """
        known = self.parameters.get(label)
        if known is not None and known.domain != domain:
            msg = (
                f"The label '{label}' is declared twice with different domains: {known.domain} and {domain}. "
                f"Rename one, put it in a scope of its own (with retia.scope('name'):), or give both the same values to share the choice."
            )
            raise SpaceError(msg)
        condition = self._condition if known is None else known.condition | self._condition
        self.parameters[label] = Parameter(label, domain, condition)
        value = self.overrides[label] if label in self.overrides else greatest(domain)
        return lift(value, Reference(label))

    def note_branch(self, labels: Collection[str]) -> None:
        """Remember the parameters whose values the constructor compared."""
        self.compared.update(labels)

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Call:
        """Return the expression of a function that is called here, which knows what of its arguments can be absent."""
        labels = labels_of(arguments)
        optional = tuple(label for label, known in self.parameters.items() if label in labels and not self._implied(known.condition))
        return Call(function, arguments, optional, self._condition)

    def _implied(self, condition: Condition) -> bool:
        """Whether a condition holds wherever the present one does."""
        return condition.always or all(
            any(all(self._follows(clause, row) for clause in other) for other in condition.alternatives) for row in self._condition.alternatives
        )

    def _follows(self, clause: Clause, row: Conjunction) -> bool:
        # A clause holds only while its parameter is active, and so while what activates that holds.
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
        """Declare inside what exists only while the condition holds."""
        outer = self._condition
        self._condition = self._both(outer, condition)
        try:
            yield
        finally:
            self._condition = outer

    def _both(self, outer: Condition, inner: Condition) -> Condition:
        if inner.always:
            return outer
        asked = [self.parameters[label].condition for label in inner.labels]
        if outer.always or (asked and all(condition == outer for condition in asked)):
            return inner  # a clause holds only while its parameter is active, which says all that the outer condition does
        rows = (tuple(dict.fromkeys((*a, *b))) for a in outer.alternatives for b in inner.alternatives)
        return Condition(tuple(dict.fromkeys(rows)))
