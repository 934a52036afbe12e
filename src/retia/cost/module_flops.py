"""The FLOPs of each module of a model."""

from collections.abc import Callable, Generator, Hashable, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import nn

from retia.cost.flop_counter import FlopCounter
from retia.cost.shapes import NotAShapeError, describe, from_description

__all__ = ["flops_by_module"]


@contextmanager
def flops_by_module(
    model: nn.Module, state: Callable[[nn.Module], Hashable] | None = None
) -> Generator[Callable[..., Mapping[nn.Module, int]]]:
    """Yield a function that runs a model and returns the FLOPs of each module's own code.

    A multiply-add counts as two. The FLOPs of a submodule are not those of the module that calls it. Modules
    without FLOPs are omitted.

    Args:
        model: Model on `meta`.
        state: Function that returns everything, apart from the shapes of its inputs, that the computation of
            a module and its submodules depends on. Results are then cached by state and shapes. Default: no
            cache.

    >>> model = nn.Sequential(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 2, bias=False)).to("meta")
    >>> with flops_by_module(model) as run:
    ...     found = run(torch.zeros(1, 10, device="meta"))
    >>> [(type(module).__name__, flops) for module, flops in found.items()]
    [('Linear', 100), ('Linear', 20)]
    """
    counting = _Counting(state)
    modules = list(model.modules())
    before = [module.__dict__.get("forward") for module in modules]
    for module in modules:
        module.forward = counting.around(module, module.forward)
    try:
        yield lambda *args, **kwargs: counting.run(model, args, kwargs)
    finally:
        for module, forward in zip(modules, before, strict=True):
            if forward is None:
                del module.forward
            else:
                module.forward = forward


class _Counting:
    """Counts the FLOPs of modules that call each other."""

    def __init__(self, state: Callable[[nn.Module], Hashable] | None) -> None:
        self._state = state
        self._known: dict[Any, tuple[Any, Mapping[nn.Module, int]]] = {}
        self._counter = FlopCounter()
        self._flops: dict[nn.Module, int] = {}  # of the submodules of the running module

    def run(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Mapping[nn.Module, int]:
        """Run a model and return the FLOPs of its modules."""
        self._flops, self._counter = {}, FlopCounter()
        with torch.no_grad(), self._counter:
            model(*args, **kwargs)
        return {module: flops for module, flops in self._flops.items() if flops}

    def around(self, module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Return a `forward` that counts its FLOPs."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            key = self._key(module, args, kwargs)
            outside = self._flops
            if key in self._known:
                returned, inside = self._known[key]
                returned = from_description(returned)
            else:
                self._flops = {}
                start = self._counter.flops
                returned = forward(*args, **kwargs)
                inside = self._flops
                inside[module] = inside.get(module, 0) + self._counter.flops - start
                self._counter.flops = start
                self._store(key, returned, inside)
            for inner, flops in inside.items():
                outside[inner] = outside.get(inner, 0) + flops
            self._flops = outside
            return returned

        return counted

    def _key(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the cache key of a call; None if the result can't be cached."""
        if self._state is None or _holds_list((*args, *kwargs.values())):  # lists may be mutated
            return None
        try:
            return module, self._state(module), describe(args), describe(tuple(kwargs.items()))
        except NotAShapeError:
            return None

    def _store(self, key: Any, returned: Any, inside: Mapping[nn.Module, int]) -> None:
        if key is not None:
            with suppress(NotAShapeError):
                self._known[key] = describe(returned), inside


def _holds_list(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, tuple) and any(map(_holds_list, value)))  # pyright: ignore[reportUnknownArgumentType]
