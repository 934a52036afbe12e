"""How much memory tensors take at most while something runs on the CPU."""

import weakref
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

__all__ = ["LiveMemory"]


class LiveMemory(TorchDispatchMode):
    """Counts the bytes of the storages that operators make inside, from when they are made until the last
    tensor on them is gone.

    Every operator passes through it, those of the backward pass as well, so that whatever autograd keeps is
    counted as long as it is kept: activations, gradients, the outputs of steps. What existed before is not
    counted, nor is what an operator needs within itself.

    Attributes:
        peak: The greatest number of bytes at a time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._now = 0
        self._alive: dict[int, Any] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        inputs = {
            self._key(tensor)
            for tensor in tree_flatten((args, kwargs or {}))[0]
            if isinstance(tensor, Tensor)
        }
        result = func(*args, **(kwargs or {}))
        for tensor in tree_flatten(result)[0]:
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                key = storage._cdata
                if key not in inputs and key not in self._alive:
                    size = storage.nbytes()
                    self._now += size
                    self._alive[key] = weakref.finalize(storage, self._gone, key, size)
        self.peak = max(self.peak, self._now)
        return result

    def _key(self, tensor: Tensor) -> int:
        return tensor.untyped_storage()._cdata

    def _gone(self, key: int, size: int) -> None:
        self._alive.pop(key, None)
        self._now -= size
