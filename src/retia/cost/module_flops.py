"""What each module of a model computes."""

from collections.abc import Callable, Generator, Hashable, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import nn

from retia.cost.flop_counter import FlopCounter
from retia.cost.shapes import NotAShapeError, described, made

__all__ = ["flops_by_module"]


@contextmanager
def flops_by_module(
    model: nn.Module, state: Callable[[nn.Module], Hashable] | None = None
) -> Generator[Callable[..., Mapping[nn.Module, int]]]:
    """Give a function that runs a model, and returns the floating-point operations of each module's own code;
    a multiply-add is two.

    What a module calls counts as the called module's. Modules that compute nothing are left out.

    Args:
        model: The model, on `meta`.
        state: All that the computation of a module, with what it calls, depends on besides the shapes that it
            is given. If it is known, a module is not run again for the same state and shapes, so that runs of
            a model that hardly changes are quick.

    >>> model = nn.Sequential(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 2, bias=False)).to("meta")
    >>> with flops_by_module(model) as run:
    ...     found = run(torch.zeros(1, 10, device="meta"))
    >>> [(type(module).__name__, flops) for module, flops in found.items()]
    [('Linear', 100), ('Linear', 20)]
    """
    counting = _Counting(state)
    modules = list(model.modules())
    before = [vars(module).get("forward") for module in modules]
    for module in modules:
        vars(module)["forward"] = counting.around(module, module.forward)
    try:
        yield lambda *args, **kwargs: counting.run(model, args, kwargs)
    finally:
        for module, forward in zip(modules, before, strict=True):
            if forward is None:
                del vars(module)["forward"]
            else:
                vars(module)["forward"] = forward


class _Counting:
    """Counts what modules compute while they run one inside of the other."""

    def __init__(self, state: Callable[[nn.Module], Hashable] | None) -> None:
        self._state = state
        self._known: dict[Any, tuple[Any, Mapping[nn.Module, int]]] = {}
        self._counter = FlopCounter()
        self._flops: dict[nn.Module, int] = {}  # of what has run inside the module that is running

    def run(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Mapping[nn.Module, int]:
        """Run a model and return what its modules compute."""
        self._flops, self._counter = {}, FlopCounter()
        with torch.no_grad(), self._counter:
            model(*args, **kwargs)
        return {module: flops for module, flops in self._flops.items() if flops}

    def around(self, module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Return the `forward` of a module, counted."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            key = self._key(module, args, kwargs)
            outside = self._flops
            if key in self._known:
                returned, inside = self._known[key]
                returned = made(returned)
            else:
                self._flops = {}
                start = self._counter.flops
                returned = forward(*args, **kwargs)
                inside = self._flops
                inside[module] = inside.get(module, 0) + self._counter.flops - start
                self._counter.flops = start
                self._remember(key, returned, inside)
            for inner, flops in inside.items():
                outside[inner] = outside.get(inner, 0) + flops
            self._flops = outside
            return returned

        return counted

    def _key(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return all that a call of a module depends on; None if that is not known."""
        if self._state is None or _holds_list((*args, *kwargs.values())):  # which may come back longer
            return None
        try:
            return module, self._state(module), described(args), described(tuple(kwargs.items()))
        except NotAShapeError:
            return None

    def _remember(self, key: Any, returned: Any, inside: Mapping[nn.Module, int]) -> None:
        if key is not None:
            with suppress(NotAShapeError):
                self._known[key] = described(returned), inside


def _holds_list(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, tuple) and any(map(_holds_list, value)))  # pyright: ignore[reportUnknownArgumentType]
