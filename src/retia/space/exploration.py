"""Conditions that Python's own control flow makes, found by tracing a constructor for every value."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field

from retia.errors import InfeasibleArchitecture, SpaceError
from retia.space.condition import Clause, Condition, Conjunction
from retia.space.parameter import Parameter
from retia.space.real import Real
from retia.space.requirement import Requirement
from retia.space.restriction import Restriction
from retia.space.tracer import Tracer
from retia.space.value import Value

__all__ = ["explore"]

LIMIT = 10_000
"""Maximal number of traces of one constructor."""


@dataclass
class _Node:
    """One trace, and the traces that differ from it in the value of one more parameter."""

    trace: Tracer
    children: dict[str, dict[Value, "_Node"]] = field(default_factory=dict[str, "dict[Value, _Node]"])

    def walk(self) -> Iterator["_Node"]:
        """Yield this node and all nodes below it."""
        yield self
        for children in self.children.values():
            for child in children.values():
                yield from child.walk()


class _Exploration:
    """The tree of traces of one constructor."""

    def __init__(self, trace: Callable[[Mapping[str, Value]], Tracer]) -> None:
        self._trace = trace
        self._traces = 0
        self.root = self._node({})
        self._grow(self.root, {}, None)

    def _node(self, fixed: Mapping[str, Value]) -> _Node:
        self._traces += 1
        if self._traces > LIMIT:
            msg = (
                f"explore=True traced the constructor {LIMIT:,} times without an end. "
                "Use layer_choice and repeat instead of Python's if and range."
            )
            raise SpaceError(msg)
        return _Node(self._trace(fixed))

    def _grow(self, node: _Node, fixed: Mapping[str, Value], before: Tracer | None) -> None:
        """Vary each parameter of a node that `before`, the trace above it, has not varied already."""
        here = node.trace
        for label, parameter in here.parameters.items():
            varied_before = (
                before is not None
                and label in before.parameters
                and not (label in here.compared and label not in before.compared)
            )
            if varied_before or label in fixed or isinstance(parameter.domain, Real):
                continue
            children: dict[Value, _Node] = {}
            for value in (value for value in parameter.domain.enumerate() if value != here.answers[label]):
                try:
                    children[value] = self._node({**fixed, label: value})
                # the constructor rejects the value for all values of the others, so it declares no labels
                except InfeasibleArchitecture:
                    continue
            changed = {value: child for value, child in children.items() if child.trace.found != here.found}
            if changed:
                node.children[label] = children
            for value, child in changed.items():
                self._grow(child, {**fixed, label: value}, here)


def explore(trace: Callable[[Mapping[str, Value]], Tracer]) -> tuple[list[Parameter], list[Restriction]]:
    """Return the parameters and the restrictions of a constructor that branches on choices.

    The constructor is traced with the greatest values (or others, if these do not fit together), then with
    every other value of each parameter, one at a time. A value that changes the labels or the requirements
    starts a new level: the parameters that are new there, or compared only there, are varied in turn. A label
    that needs two parameters to change together, both compared unconditionally, is not found; building such
    an architecture raises an error.

    Args:
        trace: Function that traces the constructor with some values fixed.

    Raises:
        SpaceError: If a label has two domains, or the constructor would be traced more than 10,000 times.
    """
    root = _Exploration(trace).root
    found: dict[str, Parameter] = {}
    required: dict[str, Restriction] = {}
    for node in root.walk():
        for restriction in node.trace.restrictions:
            required.setdefault(restriction.description, restriction)
        for label, parameter in node.trace.parameters.items():
            known = found.setdefault(label, parameter)
            if known.domain != parameter.domain:
                msg = (
                    f"'{label}' has the domain {known.domain} or {parameter.domain}, "
                    "depending on another choice. "
                    "A domain must not depend on a choice: give the choice its own label in each case."
                )
                raise SpaceError(msg)
    parameters = [
        Parameter(label, known.domain, _condition(label, known.condition, root))
        for label, known in found.items()
    ]
    return parameters, [_restricted(restriction, root) for restriction in required.values()]


def _restricted(restriction: Restriction, root: _Node) -> Restriction:
    """Return the restriction of a requirement that holds only where the control flow reaches it."""
    requirement = restriction.predicate
    assert isinstance(requirement, Requirement)
    requirement = Requirement(
        requirement.expression, _condition((restriction.description,), requirement.condition, root)
    )
    return Restriction(requirement, str(requirement))


def _condition(name: Hashable, condition: Condition, root: _Node) -> Condition:
    rows = list(_alternatives(name, root))
    return condition if () in rows else Condition(tuple(dict.fromkeys(rows))) & condition


def _alternatives(name: Hashable, node: _Node) -> Iterator[Conjunction]:
    """Yield the conjunctions under which a name is declared, beyond the values that the node fixes."""
    here = name in node.trace.found
    if here:
        clauses: list[Clause] = []
        for other, children in node.children.items():
            domain = node.trace.parameters[other].domain
            gone = {value for value, child in children.items() if name not in child.trace.found}
            if gone:
                clauses.append(Clause(other, frozenset(domain.enumerate()) - gone))
        yield tuple(clauses)
    for other, children in node.children.items():
        grouped: dict[Conjunction, list[Value]] = {}
        for value, child in children.items():
            if here and name in child.trace.found:
                continue
            for row in _alternatives(name, child):
                grouped.setdefault(row, []).append(value)
        for row, values in grouped.items():
            yield (Clause(other, frozenset(values)), *row)
