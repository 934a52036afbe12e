"""Expressions over parameters: small picklable trees that compute a value from an architecture."""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Call", "Expression", "Item", "Operation", "Reference", "evaluate", "labels_of", "rebuilt"]


class Expression(ABC):
    """A value that depends on an architecture."""

    @property
    @abstractmethod
    def labels(self) -> frozenset[str]:
        """The parameters it depends on."""

    @abstractmethod
    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Compute it from the values of the parameters."""


def evaluate(term: Any, values: Mapping[str, Any]) -> Any:
    """Compute a term, which is an expression, a tuple, list or dict that may hold some, or a constant."""
    if isinstance(term, Expression):
        return term.evaluate(values)
    return rebuilt(term, lambda item: evaluate(item, values))


def labels_of(term: Any) -> frozenset[str]:
    """Return the parameters that a term depends on."""
    if isinstance(term, Expression):
        return term.labels
    if isinstance(term, dict):
        return labels_of(tuple(term.values()))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(term, tuple | list):
        return frozenset[str]().union(*map(labels_of, term))  # pyright: ignore[reportUnknownArgumentType]
    return frozenset()


def rebuilt(container: Any, function: Callable[[Any], Any]) -> Any:
    """Return a tuple, list or dict with `function` applied to its items; anything else as it is."""
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


@dataclass(frozen=True)
class Reference(Expression):
    """The value of a parameter."""

    label: str

    @property
    def labels(self) -> frozenset[str]:
        """The parameters it depends on."""
        return frozenset({self.label})

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Look the parameter up."""
        return values[self.label]

    def __str__(self) -> str:
        return self.label


_SIGNS = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**",
    "lshift": "<<", "rshift": ">>", "and_": "&", "or_": "|", "xor": "^", "neg": "-", "pos": "+", "invert": "~",
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "not_": "not ",
}  # fmt: skip


@dataclass(frozen=True)
class Operation(Expression):
    """An operator of Python, by its name in the `operator` module, and its operands."""

    name: str
    operands: tuple[Any, ...]

    @property
    def labels(self) -> frozenset[str]:
        """The parameters it depends on."""
        return labels_of(self.operands)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Apply the operator to the operands' values."""
        return getattr(operator, self.name)(*evaluate(self.operands, values))

    def __str__(self) -> str:
        shown = [f"({operand})" if isinstance(operand, Operation) else _shown(operand) for operand in self.operands]
        sign = _SIGNS.get(self.name)
        if sign is None:
            return f"{self.name}({', '.join(map(_shown, self.operands))})"
        return f"{sign}{shown[0]}" if len(shown) == 1 else f" {sign} ".join(shown)


@dataclass(frozen=True)
class Call(Expression):
    """A function of the user's, by reference, and its arguments."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]

    @property
    def labels(self) -> frozenset[str]:
        """The parameters it depends on."""
        return labels_of(self.arguments)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Call the function with the arguments' values."""
        return self.function(*evaluate(self.arguments, values))

    def __str__(self) -> str:
        function = getattr(self.function, "func", self.function)  # what a functools.partial calls
        return f"{getattr(function, '__name__', type(function).__name__)}({', '.join(map(_shown, self.arguments))})"


@dataclass(frozen=True)
class Item(Expression):
    """One item of a value that is a tuple."""

    of: Expression
    index: int

    @property
    def labels(self) -> frozenset[str]:
        """The parameters it depends on."""
        return self.of.labels

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Take the item of the tuple."""
        return self.of.evaluate(values)[self.index]

    def __str__(self) -> str:
        return f"{self.of}[{self.index}]"
