"""A counter that adds up the FLOPs of operators while a model runs."""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_any

from retia.cost.formulas import formulas
from retia.cost.shapes import NotAShapeError, describe, from_description

__all__ = ["FlopCounter"]

CACHED = 20_000
"""Number of cached results of operators on `meta`, for given shapes."""

_WORDS = """
_reshape_copy _to_copy _unsafe_view cat clone contiguous copy_ detach embedding empty_like
fill_ full_like gather index
index_select lift_fresh new_empty new_full new_ones new_zeros ones_like
pixel_shuffle rand_like randn_like repeat roll stack unsafe_split
unsafe_split_with_sizes zero_ zeros_like
"""
_MOVES = frozenset(f"aten.{name}" for name in _WORDS.split())
"""Operators that only create or move numbers."""


class FlopCounter(TorchDispatchMode):
    """Add up the formulas of the operators that run inside; composite operators are decomposed.

    Results on `meta` are cached by operator and shapes, because some operators of torch need a millisecond to
    infer the shape of their result.

    Attributes:
        flops: Floating-point operations so far; a multiply-add counts as two.
        uncounted: Operators that have no formula and do more than create or move numbers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0
        self.uncounted: set[str] = set()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operator, or return its cached result, and count it."""
        del types
        kwargs = kwargs or {}
        if _follows_from_shapes(func):
            try:
                known = describe(tuple(args)), describe(tuple(kwargs.items()))
            except NotAShapeError:
                pass
            else:
                outcome = _outcome(func, *known, torch.get_default_dtype())
                self.flops += outcome.flops
                self.uncounted |= outcome.uncounted
                return from_description(outcome.returned)
        return self.run(func, args, kwargs)

    def run(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Run an operator and count it."""
        formula = formulas().get(func._overloadpacket)
        if formula is not None:
            out = func(*args, **kwargs)
            self.flops += int(formula(*args, **kwargs, out_val=out))
            return out
        with self:
            parts = func.decompose(*args, **kwargs)
        if parts is not NotImplemented:
            return parts
        name = str(func._overloadpacket)
        if (
            not func.is_view
            and name not in _MOVES
            and tree_any(lambda leaf: isinstance(leaf, Tensor), (args, kwargs))
        ):
            self.uncounted.add(name)
        return func(*args, **kwargs)


class _Outcome(NamedTuple):
    """Description of an operator's result, and its FLOPs."""

    returned: Any
    flops: int
    uncounted: frozenset[str]


@cache
def _follows_from_shapes(func: Any) -> bool:
    """Whether an operator returns new tensors without mutating or aliasing its arguments."""
    schema = func._schema
    takes_tensors = any("Tensor" in str(argument.type) for argument in schema.arguments)
    returns = {str(returned.type) for returned in schema.returns}
    return (
        takes_tensors
        and bool(returns)
        and returns <= {"Tensor", "List[Tensor]"}
        and not schema.is_mutable
        and not func.is_view
    )


@lru_cache(maxsize=CACHED)
def _outcome(func: Any, args: Any, kwargs: Any, default_dtype: torch.dtype) -> _Outcome:
    """Return the outcome of an operator on arguments with these descriptions."""
    del default_dtype  # part of the cache key, because dtypes of results may depend on it
    counter = FlopCounter()
    returned = counter.run(func, from_description(args), dict(from_description(kwargs)))
    return _Outcome(describe(returned), counter.flops, frozenset(counter.uncounted))
