"""What operators compute: their FLOPs, added up while a model runs."""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_any

from retia.cost.formulas import formulas
from retia.cost.shapes import NotAShapeError, described, made

__all__ = ["FlopCounter"]

REMEMBERED = 20_000
"""Of how many operators, on tensors of some shapes, it is remembered what they return on `meta`."""

_WORDS = """
_reshape_copy _to_copy _unsafe_view cat clone contiguous copy_ detach embedding empty_like
fill_ full_like gather index
index_select lift_fresh new_empty new_full new_ones new_zeros ones_like
pixel_shuffle rand_like randn_like repeat roll stack unsafe_split
unsafe_split_with_sizes zero_ zeros_like
"""
_MOVES = frozenset(f"aten.{name}" for name in _WORDS.split())
"""Operators that only make or move numbers."""


class FlopCounter(TorchDispatchMode):
    """Adds up the formulas of the operators that run inside; an operator made of others is counted by these.

    On `meta` an operator runs once on tensors of the same shapes, and is remembered from then on: some of
    torch's take a millisecond to find the shape of what they return.

    Attributes:
        flops: Floating-point operations so far; a multiply-add is two.
        uncounted: The operators that have no formula and do more than make or move numbers.
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
        """Run an operator, or remember what it returned, and count it."""
        del types
        kwargs = kwargs or {}
        if _follows_from_shapes(func):
            try:
                known = described(tuple(args)), described(tuple(kwargs.items()))
            except NotAShapeError:
                pass
            else:
                outcome = _outcome(func, *known, torch.get_default_dtype())
                self.flops += outcome.flops
                self.uncounted |= outcome.uncounted
                return made(outcome.returned)
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
    """What an operator returns, described, and computes."""

    returned: Any
    flops: int
    uncounted: frozenset[str]


@cache
def _follows_from_shapes(func: Any) -> bool:
    """Whether an operator makes new tensors of given ones and of scalars, and does nothing else."""
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


@lru_cache(maxsize=REMEMBERED)
def _outcome(func: Any, args: Any, kwargs: Any, default_dtype: torch.dtype) -> _Outcome:
    """Return what an operator does with arguments of which these are the descriptions."""
    del default_dtype  # the classes of results may depend on it
    counter = FlopCounter()
    returned = counter.run(func, made(args), dict(made(kwargs)))
    return _Outcome(described(returned), counter.flops, frozenset(counter.uncounted))
