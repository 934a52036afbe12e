"""Symbolic values: numbers, strings and tuples that carry the expression that computes them.

A `SymbolicInt` is an `int`, so any constructor takes it, and `width * 2` is again a symbolic int. A
conversion or a function (`int(width * 0.75)`, `max(a, b)`, `range(depth)`) returns a plain value without an
expression; `apply` keeps the expression. A comparison returns a symbolic truth value. The recorder notes
where its truth is used, as `if`, `and` and `not` do.
"""

import operator
from collections.abc import Callable
from typing import Any, Self

from retia.space.expression import Expression, Item, Operation, rebuilt
from retia.space.recorder import active_recorder

__all__ = [
    "SymbolicBool",
    "SymbolicFloat",
    "SymbolicInt",
    "SymbolicStr",
    "SymbolicTuple",
    "concrete",
    "expression_of",
    "lift",
    "symbolic",
]


def expression_of(value: Any) -> Any:
    """Return the expression of a symbolic value, also inside tuples, lists and dicts; others unchanged."""
    if isinstance(value, _Symbolic):
        return value.expression
    return rebuilt(value, expression_of)


def symbolic(value: Any) -> bool:
    """Return whether the value is symbolic, or a tuple, list or dict that contains a symbolic value."""
    if isinstance(value, _Symbolic):
        return True
    if isinstance(value, tuple | list):
        return any(map(symbolic, value))  # pyright: ignore[reportUnknownArgumentType]
    return isinstance(value, dict) and any(map(symbolic, value.values()))  # pyright: ignore[reportUnknownArgumentType]


def concrete(value: Any) -> Any:
    """Return the plain value of a symbolic one, also inside tuples, lists and dicts; others unchanged."""
    match value:  # by the base types' methods, which do not note a conversion or the use of a truth
        case SymbolicBool():
            return bool(int.__int__(value))
        case SymbolicInt():
            return int.__int__(value)
        case SymbolicFloat():
            return float.__float__(value)
        case SymbolicStr():
            return str.__str__(value)
        case _:
            pass
    return rebuilt(value, concrete)


def lift(value: Any, expression: Expression) -> Any:
    """Return `value` as a symbolic value with the expression, if its type has a symbolic one; else unchanged.

    The items of a tuple are symbolic too.
    """
    if isinstance(value, bool):
        return SymbolicBool(value, expression)
    if isinstance(value, int):
        return SymbolicInt(value, expression)
    if isinstance(value, float):
        return SymbolicFloat(value, expression)
    if isinstance(value, str):
        return SymbolicStr(value, expression)
    if isinstance(value, tuple):
        return SymbolicTuple((lift(item, Item(expression, i)) for i, item in enumerate(value)), expression)  # pyright: ignore[reportUnknownVariableType]
    return value


def _operation(name: str, operands: tuple[Any, ...]) -> Any:
    function = getattr(operator, name)
    value = function(*(concrete(operand) for operand in operands))
    return lift(value, Operation(name, tuple(expression_of(operand) for operand in operands)))


def _binary(name: str, *, reflected: bool) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, int | float):
            return NotImplemented
        return _operation(name, (other, self) if reflected else (self, other))

    return method


def _unary(name: str) -> Callable[[Any], Any]:
    return lambda self: _operation(name, (self,))


def _comparison(name: str, base: type, others: tuple[type, ...]) -> Callable[[Any, Any], Any]:
    plain = getattr(base, f"__{name}__")

    def method(self: Any, other: Any) -> Any:
        return _operation(name, (self, other)) if isinstance(other, others) else plain(self, other)

    return method


def _truth(self: Any) -> bool:
    recorder = active_recorder()
    if recorder is not None:
        recorder.note_branch(self.expression.labels)
    return bool(concrete(self))


def _conversion(name: str, base: type) -> Callable[..., Any]:
    plain = getattr(base, name)
    how = "a look-up" if name == "__hash__" else f"{name.strip('_')}()"

    def method(self: Any, *others: Any) -> Any:
        recorder = active_recorder()
        if recorder is not None:
            recorder.note_plain(self.expression.labels, how)
        return plain(self, *others)

    return method


class _Symbolic:
    """What the symbolic types share: the expression, and copies and pickles that keep it."""

    __slots__ = ()
    expression: Expression

    def __new__(cls, value: Any, expression: Expression) -> Self:
        """Return the plain value, with the expression as an attribute."""
        self = super().__new__(cls, value)  # pyright: ignore[reportCallIssue]  # of the number, string or tuple
        self.expression = expression
        return self

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> Any:
        # the items of a tuple stay symbolic
        plain = tuple(self) if isinstance(self, SymbolicTuple) else concrete(self)
        return type(self), (plain, self.expression)


class SymbolicInt(_Symbolic, int):
    """An int with the expression that computes it."""

    __hash__ = int.__hash__


class SymbolicBool(SymbolicInt):
    """A truth value with the comparison that computes it; an int, because bool can't be subclassed."""

    def __repr__(self) -> str:
        return repr(concrete(self))

    def __invert__(self) -> Any:
        return _operation("not_", (self,))


class SymbolicFloat(_Symbolic, float):
    """A float with the expression that computes it."""

    __hash__ = float.__hash__


class SymbolicStr(_Symbolic, str):
    """A string with the expression that computes it."""

    __slots__ = ("expression",)
    __hash__ = str.__hash__


class SymbolicTuple(_Symbolic, tuple[Any, ...]):  # noqa: SLOT001  # a subclass of tuple can have no slots
    """A tuple with the expression that computes it, and so its length for each architecture."""

    __hash__ = tuple.__hash__


def _equip(
    kind: type, base: type, *, binary: str, unary: str, compared_with: tuple[type, ...], conversions: str
) -> None:
    for name in binary.split():
        stem = name.rstrip("_")
        setattr(kind, f"__{stem}__", _binary(name, reflected=False))
        setattr(kind, f"__r{stem}__", _binary(name, reflected=True))
    for name in unary.split():
        setattr(kind, f"__{name}__", _unary(name))
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        setattr(kind, f"__{name}__", _comparison(name, base, compared_with))
    for name in conversions.split():
        setattr(kind, f"__{name}__", _conversion(f"__{name}__", base))


_ARITHMETIC = "add sub mul truediv floordiv mod pow"
_BITWISE = "lshift rshift and_ or_ xor"
_CONVERSIONS = "int float round trunc floor ceil hash"
for _kind, _base, _binary_names, _unary_names in (
    (SymbolicInt, int, f"{_ARITHMETIC} {_BITWISE}", "neg pos invert abs"),
    (SymbolicFloat, float, _ARITHMETIC, "neg pos abs"),
):
    _equip(
        _kind,
        _base,
        binary=_binary_names,
        unary=_unary_names,
        compared_with=(int, float),
        conversions=_CONVERSIONS,
    )
    _kind.__bool__ = _truth
for _kind, _base in ((SymbolicStr, str), (SymbolicTuple, tuple)):
    _equip(_kind, _base, binary="", unary="", compared_with=(_base,), conversions="hash")
