"""A recorder of how a run divides the dimensions of a model's tensors."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from retia.supernet.check.factors.axes import Dims, fresh, leaves_of
from retia.supernet.check.factors.rules import Step, outputs_of

__all__ = ["AxisRecorder", "Split"]


class Split(NamedTuple):
    """How a run divides a dimension.

    Attributes:
        extents: Extents of the factors, the outermost first.
        lost: Name of the operation that the dimension could not be followed through, if any.
    """

    extents: tuple[int, ...]
    lost: str | None


class AxisRecorder(TorchDispatchMode):
    """Mode that follows the dimensions of a model's parameters and buffers through a run.

    Two dimensions that are multiplied, added or copied are equal; a view divides dimensions into factors.

    Args:
        model: The model that runs inside the context.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._dims = WeakTensorKeyDictionary()
        self._own = {
            **dict(model.named_parameters(remove_duplicate=False)),
            **dict(model.named_buffers(remove_duplicate=False)),
        }
        self._first = {name: self._of(tensor) for name, tensor in self._own.items()}

    def split(self, name: str, dim: int) -> Split | None:
        """Return how the run divides a dimension of a tensor; None if the model has no such tensor."""
        if name not in self._first:
            return None
        leaves = leaves_of(self._first[name][dim])
        return Split(
            tuple(leaf.extent for leaf in leaves), next((leaf.lost for leaf in leaves if leaf.lost), None)
        )

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if inputs and outputs:
            name = func.overloadpacket.__name__
            step = Step(name, args, inputs, [self._of(tensor) for tensor in inputs], outputs)
            for output, dims in zip(outputs, outputs_of(func, step), strict=False):
                self._dims[output] = dims
        return result

    def _of(self, tensor: Tensor) -> Dims:
        if tensor not in self._dims:
            self._dims[tensor] = fresh(tensor.shape)
        return self._dims[tensor]
