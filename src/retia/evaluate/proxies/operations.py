"""The operations that a model computes, whether called as a module, a function or a method."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["Watched"]

Listener = Callable[[Any, tuple[Any, ...]], None]


class Watched(TorchDispatchMode):
    """Context manager that reports every operation computed in it.

    Args:
        before: Function `(operation, arguments)`, called before an operation such as `torch.ops.aten.relu`
            runs and may change its arguments.
        after: Function `(operation, results)`, called after an operation.
    """

    def __init__(self, *, before: Listener | None = None, after: Listener | None = None) -> None:
        super().__init__()
        self._before = before
        self._after = after

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[Any],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation."""
        del types
        if self._before is not None:
            self._before(func.overloadpacket, args)
        results = func(*args, **(kwargs or {}))
        if self._after is not None:
            self._after(
                func.overloadpacket, tuple(results) if isinstance(results, tuple | list) else (results,)
            )
        return results
