"""Expressions over parameters: small picklable trees that compute a value from an architecture."""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from retia.space.condition import ALWAYS, Condition
from retia.space.domain import Domain

__all__ = [
    "Call",
    "Expression",
    "Item",
    "Operation",
    "Reference",
    "computable",
    "evaluate",
    "labels_of",
    "rebuilt",
]


class Expression(ABC):
    """A value that depends on an architecture."""

    @property
    @abstractmethod
    def labels(self) -> frozenset[str]:
        """The labels of the parameters on which it depends."""

    @abstractmethod
    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Compute the value from the values of the parameters."""

    def outcomes(self, domains: Mapping[str, Domain]) -> Collection[Any] | None:
        """Return all its values if it knows them without trying combinations; None otherwise."""
        del domains
        return None


def evaluate(term: Any, values: Mapping[str, Any]) -> Any:
    """Compute a term: an expression, a tuple, list or dict that may hold some, or a constant."""
    if isinstance(term, Expression):
        return term.evaluate(values)
    return rebuilt(term, lambda item: evaluate(item, values))


def labels_of(term: Any) -> frozenset[str]:
    """Return the labels of the parameters on which a term depends."""
    if isinstance(term, Expression):
        return term.labels
    if isinstance(term, dict):
        return labels_of(tuple(term.values()))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(term, tuple | list):
        return frozenset[str]().union(*map(labels_of, term))  # pyright: ignore[reportUnknownArgumentType]
    return frozenset()


def computable(term: Any, values: Mapping[str, Any]) -> bool:
    """Return whether the active parameters' values are enough to compute a term."""
    if isinstance(term, Call):
        optional = frozenset(term.optional)
        here = not optional or term.condition.holds(values)
        return here and all(
            computable(item, values) or labels_of(item) & optional for item in _items(term.arguments)
        )
    match term:
        case Reference(label=label):
            return label in values
        case Operation(operands=operands):
            return all(computable(operand, values) for operand in operands)
        case Item(of=of):
            return computable(of, values)
        case Expression():
            return term.labels <= values.keys()
        case _:
            return all(computable(item, values) for item in _items(term) if labels_of(item))


def _items(term: Any) -> Iterator[Any]:
    """Yield a term, or its items if it is a tuple, list or dict."""
    if isinstance(term, tuple | list | dict):
        for item in term.values() if isinstance(term, dict) else term:  # pyright: ignore[reportUnknownVariableType]
            yield from _items(item)
    else:
        yield term


def _without(term: Any, absent: Collection[str]) -> Any:
    """Return a tuple or list without the items that depend on an absent parameter."""
    if not isinstance(term, tuple | list):
        return term
    kept = (
        _without(item, absent)
        for item in term
        if isinstance(item, tuple | list) or not labels_of(item) & set(absent)
    )  # pyright: ignore[reportUnknownVariableType]
    return type(term)(kept)  # pyright: ignore[reportUnknownVariableType]


def rebuilt(container: Any, function: Callable[[Any], Any]) -> Any:
    """Return a tuple, list or dict with `function` applied to its items; anything else unchanged."""
    if isinstance(container, dict):
        return {key: function(item) for key, item in container.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(container, list):
        return [function(item) for item in container]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(container, tuple):
        items = (function(item) for item in container)  # pyright: ignore[reportUnknownVariableType]
        return container._make(items) if hasattr(container, "_make") else tuple(items)  # pyright: ignore[reportAttributeAccessIssue,reportUnknownVariableType]
    return container


def _shown(term: Any) -> str:
    """Return a term as text that is the same in every process."""
    if isinstance(term, tuple | list):
        return f"({', '.join(map(_shown, term))})"  # pyright: ignore[reportUnknownArgumentType]
    return str(term) if isinstance(term, Expression) else repr(term)


_FEW = 100_000
"""Maximal number of values of one parameter that are enumerated."""


@dataclass(frozen=True)
class Reference(Expression):
    """The value of a parameter."""

    label: str

    @property
    def labels(self) -> frozenset[str]:
        """The labels of the parameters on which it depends."""
        return frozenset({self.label})

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Return the value of the parameter."""
        return values[self.label]

    def outcomes(self, domains: Mapping[str, Domain]) -> Collection[Any] | None:
        """Return the values of the domain if it is small."""
        domain = domains[self.label]
        return list(domain.enumerate()) if domain.size <= _FEW else None

    def __str__(self) -> str:
        return self.label


_SIGNS = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**",
    "lshift": "<<", "rshift": ">>", "and_": "&", "or_": "|", "xor": "^",
    "neg": "-", "pos": "+", "invert": "~",
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "not_": "not ",
}  # fmt: skip


@dataclass(frozen=True)
class Operation(Expression):
    """An operator of Python, by its name in the `operator` module, with its operands."""

    name: str
    operands: tuple[Any, ...]

    @property
    def labels(self) -> frozenset[str]:
        """The labels of the parameters on which it depends."""
        return labels_of(self.operands)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Apply the operator to the operands' values."""
        return self.compute(evaluate(self.operands, values))

    def compute(self, operands: Sequence[Any]) -> Any:
        """Apply the operator to values."""
        return getattr(operator, self.name)(*operands)

    def __str__(self) -> str:
        shown = [
            f"({operand})" if isinstance(operand, Operation) else _shown(operand) for operand in self.operands
        ]
        sign = _SIGNS.get(self.name)
        if sign is None:
            return f"{self.name}({', '.join(map(_shown, self.operands))})"
        return f"{sign}{shown[0]}" if len(shown) == 1 else f" {sign} ".join(shown)


@dataclass(frozen=True)
class Call(Expression):
    """A user's function, by reference, with its arguments.

    Attributes:
        function: Function to call.
        arguments: Terms as its arguments.
        optional: Parameters of the arguments that may be inactive at the call, such as those of the blocks of
            a `repeat` before it. Arguments, and items of lists and tuples, that depend on an inactive
            parameter are left out, because the constructor does not have them.
        condition: Condition under which the constructor calls the function.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    optional: tuple[str, ...] = field(default=(), compare=False)
    condition: Condition = field(default=ALWAYS, compare=False)

    @property
    def labels(self) -> frozenset[str]:
        """The labels of the parameters on which it depends."""
        return labels_of(self.arguments)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Call the function with the arguments' values."""
        absent = {label for label in self.optional if label not in values}
        return self.compute(evaluate(_without(self.arguments, absent) if absent else self.arguments, values))

    def without(self, absent: Collection[str]) -> "Call":
        """Return the call that the constructor makes while some optional parameters are inactive."""
        return replace(
            self,
            arguments=_without(self.arguments, absent),
            optional=tuple(label for label in self.optional if label not in absent),
        )

    def compute(self, arguments: Sequence[Any]) -> Any:
        """Call the function with values."""
        return self.function(*arguments)

    def __str__(self) -> str:
        function = getattr(self.function, "func", self.function)  # the function of a functools.partial
        name = getattr(function, "__name__", type(function).__name__)
        return f"{name}({', '.join(map(_shown, self.arguments))})"


@dataclass(frozen=True)
class Item(Expression):
    """One item of a value that is a tuple."""

    of: Expression
    index: int

    @property
    def labels(self) -> frozenset[str]:
        """The labels of the parameters on which it depends."""
        return self.of.labels

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Return the item of the tuple."""
        return self.of.evaluate(values)[self.index]

    def __str__(self) -> str:
        return f"{self.of}[{self.index}]"
