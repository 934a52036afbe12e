"""Stacks with a searchable number of blocks."""

import inspect
from collections.abc import Callable
from typing import TypeAlias

from torch import nn

from retia.errors import SpaceError
from retia.nn.elastic_sequential import ElasticSequential
from retia.space import (
    Builder,
    Integer,
    Tracer,
    active_recorder,
    condition_where,
    declare,
    expression_of,
    labelled,
    scope,
    symbolic,
    values_of,
)

__all__ = ["Depth", "repeat"]

Depth: TypeAlias = "int | tuple[int, int] | range"
"""Number of blocks, fixed or symbolic; (least, most), both included; or a Python range."""


@labelled("repeat('body', lambda i: Block(), (1, 4))")
def repeat(label: str, factory: Callable[[int], nn.Module], depth: Depth) -> nn.Sequential:
    """Stack a searchable number of blocks.

    Parameters declared in block 2 are named `label/2/...`, and are active while there are at least three
    blocks. If all blocks share a choice, make it outside of `factory`.

    Args:
        label: Name of the depth, unique in its scope (see `choice`).
        factory: Function of the index, from 0, that makes a block.
        depth: Number of blocks, at least 0: an int, a choice made elsewhere, `(least, most)` with both
            included, or a `range`.

    Returns:
        The blocks in order; an `ElasticSequential` of the most blocks while tracing and in a supernet.

    Raises:
        SpaceError: If `depth` is of another type, negative or empty; or if `factory` is a module or a class,
            can't be called with an index, or does not return a module.

    >>> len(repeat("body", lambda i: nn.Linear(8, 8), (1, 4)))
    1
    """
    recorder = active_recorder()
    full = label if recorder is None else recorder.qualify(label)
    if not isinstance(recorder, Builder):  # a constructor is traced before it is built
        _require_function_of_index(full, factory)
    count = _declare_depth(full, label, depth)
    with scope(label):
        if not isinstance(recorder, Tracer) or not symbolic(count):
            return nn.Sequential(*(_block(full, factory, i) for i in range(count)))
        expression = expression_of(count)
        domains = {name: recorder.parameters[name].domain for name in expression.labels}
        depths = [number for _, number in values_of(expression, domains)]
        if min(depths) < 0:
            msg = f"The depth of '{full}' can't be negative, but {expression} can be {min(depths)}."
            raise SpaceError(msg)
        blocks: list[nn.Module] = []
        for i in range(max(depths)):
            condition = condition_where(expression, domains, lambda number, i=i: number > i)
            with recorder.given(condition):
                blocks.append(_block(full, factory, i))
        return ElasticSequential(blocks, count)


def _declare_depth(full: str, label: str, depth: Depth) -> int:
    if isinstance(depth, int):
        if not symbolic(depth) and depth < 0:
            msg = f"The depth of '{full}' can't be negative, got {depth}."
            raise SpaceError(msg)
        return depth
    if isinstance(depth, range):
        if not depth or depth.step < 0:
            msg = f"The depth of '{full}' needs an ascending range that is not empty, got {depth}."
            raise SpaceError(msg)
        least, most, step = depth[0], depth[-1], depth.step
    elif isinstance(depth, tuple) and len(depth) == 2:  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
        (least, most), step = depth, 1
    else:
        msg = (
            f"The depth of '{full}' is an int, (least, most) or a range, got {depth!r}. "
            "For arithmetic on a choice use //, or retia.apply(int, ...)."
        )
        raise SpaceError(msg)
    if least < 0 or least > most:
        msg = f"The depth of '{full}' needs 0 <= least <= most, got {depth}."
        raise SpaceError(msg)
    return least if least == most else declare(label, Integer(least, most, step=step))


def _require_function_of_index(full: str, factory: object) -> None:
    remedy = f"Give a function of the index: repeat('{full.rpartition('/')[2]}', lambda i: "
    made = f"The blocks of '{full}' are made by a function of their index, got"
    if isinstance(factory, type):
        msg = (
            f"{made} the class {factory.__name__}. The index would become its first argument. "
            f"{remedy}{factory.__name__}(...), (1, 4))."
        )
        raise SpaceError(msg)
    if isinstance(factory, nn.Module) or not callable(factory):
        msg = f"{made} {factory!r}. {remedy}nn.Linear(8, 8), (1, 4))."
        raise SpaceError(msg)
    try:
        inspect.signature(factory).bind(0)
    except TypeError as error:
        msg = (
            f"The function that makes the blocks of '{full}' can't be called with an index: {error}. "
            f"{remedy}Block(), (1, 4))."
        )
        raise SpaceError(msg) from None
    except ValueError:  # a builtin without a signature
        pass


def _block(full: str, factory: Callable[[int], nn.Module], index: int) -> nn.Module:
    with scope(str(index)):
        block = factory(index)
    if not isinstance(block, nn.Module):  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
        msg = (
            f"The function that makes the blocks of '{full}' must return a torch.nn.Module, "
            f"got {block!r} for block {index}. Is a return missing?"
        )
        raise SpaceError(msg)
    return block
