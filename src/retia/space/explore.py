"""Finding the conditions that Python's own control flow makes, by tracing a constructor for every value."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field

from retia.errors import InfeasibleArchitecture, SpaceError
from retia.space.condition import ALWAYS, Clause, Condition, Conjunction
from retia.space.parameter import Parameter
from retia.space.real import Real
from retia.space.requirement import Requirement
from retia.space.restriction import Restriction
from retia.space.tracer import Tracer
from retia.space.value import Value

__all__ = ["explore"]

LIMIT = 10_000
"""How many times a constructor may be traced."""


@dataclass
class _Node:
    """One trace, and the traces that differ from it in the value of one more parameter."""

    trace: Tracer
    children: dict[str, dict[Value, "_Node"]] = field(default_factory=dict[str, "dict[Value, _Node]"])


def explore(trace: Callable[[Mapping[str, Value]], Tracer]) -> tuple[list[Parameter], list[Restriction]]:
    """Return the parameters of a constructor that branches on choices, and what it requires.

    The constructor is traced with the greatest values (or others, where these do not fit together), then with
    every other value of each parameter, one at a time. Where that changes which labels or requirements there
    are, the trace is taken as a new start: the parameters that appeared or were compared only there are
    varied in turn. A label that needs two parameters to change together, whose comparisons both run
    unconditionally, is not found; building such an architecture says so.

    Args:
        trace: Runs the constructor with some values fixed.

    Raises:
        SpaceError: If a label has two domains, or the constructor would have to be traced too often.
    """
    traces = 0

    def run(fixed: Mapping[str, Value]) -> _Node:
        nonlocal traces
        traces += 1
        if traces > LIMIT:
            msg = (
                f"explore=True traced the constructor {LIMIT:,} times without an end. "
                "Use layer_choice and repeat instead of Python's if and range."
            )
            raise SpaceError(msg)
        return _Node(trace(fixed))

    def visit(node: _Node, fixed: Mapping[str, Value], before: Tracer | None) -> None:
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
                    children[value] = run({**fixed, label: value})
                # the constructor rejects the value whatever the others are, so it has no labels of its own
                except InfeasibleArchitecture:
                    continue
            changed = {value: child for value, child in children.items() if child.trace.found != here.found}
            if changed:
                node.children[label] = children
            for value, child in changed.items():
                visit(child, {**fixed, label: value}, here)

    root = run({})
    visit(root, {}, None)
    found: dict[str, Parameter] = {}
    required: dict[str, Restriction] = {}
    for node in _walk(root):
        for restriction in node.trace.restrictions:
            required.setdefault(restriction.description, restriction)
        for label, parameter in node.trace.parameters.items():
            known = found.setdefault(label, parameter)
            if known.domain != parameter.domain:
                msg = (
                    f"'{label}' has the domain {known.domain} or {parameter.domain}, "
                    "depending on another choice. "
                    f"A domain must not depend on a choice: give the choice a label of its own in each case."
                )
                raise SpaceError(msg)
    parameters = [
        Parameter(label, found[label].domain, _condition(label, found[label].condition, root))
        for label in found
    ]
    return parameters, [_restricted(restriction, root) for restriction in required.values()]


def _walk(node: _Node) -> Iterator[_Node]:
    yield node
    for children in node.children.values():
        for child in children.values():
            yield from _walk(child)


def _restricted(restriction: Restriction, root: _Node) -> Restriction:
    """Let a requirement hold where the control flow comes by it."""
    requirement = restriction.predicate
    assert isinstance(requirement, Requirement)
    requirement = Requirement(
        requirement.expression, _condition((restriction.description,), requirement.condition, root)
    )
    return Restriction(requirement, str(requirement))


def _condition(name: Hashable, condition: Condition, root: _Node) -> Condition:
    rows = list(_alternatives(name, root))
    if () in rows:
        return condition
    branched = Condition(tuple(dict.fromkeys(rows)))
    if condition == ALWAYS:
        return branched
    both = (tuple(dict.fromkeys((*a, *b))) for a in branched.alternatives for b in condition.alternatives)
    return Condition(tuple(both))


def _alternatives(name: Hashable, node: _Node) -> Iterator[Conjunction]:
    """Yield the conjunctions of values, beyond those that the node fixes, under which a label is declared or
    a condition required.
    """
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
