"""Which dimensions of a model's tensors follow each other in a run, and how the run divides them and puts
them together.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

__all__ = ["Following", "Seen"]

Seen: TypeAlias = "tuple[tuple[int, ...], str | None]"
"""The extents into which a run divides a dimension, the outermost first, and the operation that it was lost
at, if it was.
"""


class _Axis:
    """A dimension, or a factor of one, with all those that it was seen to be the same as.

    Attributes:
        extent: How many entries it has.
        parts: The factors that it has been divided into, the outermost first.
        lost: The operation at which it could not be followed.
    """

    def __init__(self, extent: int) -> None:
        self.extent = extent
        self.parts: list[_Axis] = []
        self.lost: str | None = None

    def leaves(self) -> "list[_Axis]":
        return [leaf for part in self.parts for leaf in part.leaves()] if self.parts else [self]


_Dims: TypeAlias = "list[list[_Axis]]"
"""The axes of each dimension of a tensor, the outermost first; a dimension of extent 1 has no axis."""


class Following(TorchDispatchMode):
    """Follows the dimensions of parameters and buffers through a run: what multiplies, adds or copies makes
    two of them the same, a view divides them.

    Operations that are not known keep the dimensions whose extents they keep.

    Args:
        model: The model that is run inside.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._dims: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self._own = {
            **dict(model.named_parameters(remove_duplicate=False)),
            **dict(model.named_buffers(remove_duplicate=False)),
        }
        self._first = {name: self._of(tensor) for name, tensor in self._own.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._first

    def seen(self, name: str, dim: int) -> Seen:
        """Return how the run divides a dimension of a parameter or buffer."""
        leaves = _leaves(self._first[name][dim])
        return tuple(leaf.extent for leaf in leaves), next((leaf.lost for leaf in leaves if leaf.lost), None)

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
            rule = _RULES.get(name) or (
                _norm if "norm" in name else _elementwise if torch.Tag.pointwise in func.tags else _others
            )
            for output, dims in zip(outputs, rule(self, name, args, inputs, outputs), strict=False):
                self._dims[output] = dims
        return result

    def _of(self, tensor: Tensor) -> _Dims:
        if tensor not in self._dims:
            self._dims[tensor] = _fresh(tensor.shape)
        return self._dims[tensor]


def _fresh(shape: Sequence[int]) -> _Dims:
    return [_axis(extent) for extent in shape]


def _axis(extent: int) -> list[_Axis]:
    return [] if extent == 1 else [_Axis(extent)]


def _leaves(axes: Iterable[_Axis]) -> list[_Axis]:
    return [leaf for axis in axes for leaf in axis.leaves()]


def _divided(axis: _Axis, outer: int) -> list[_Axis]:
    axis.parts = [_Axis(outer), _Axis(axis.extent // outer)]
    for part in axis.parts:
        part.lost = axis.lost
    return axis.parts


def _unify(one: Iterable[_Axis], other: Iterable[_Axis]) -> None:
    """Make two dimensions the same, as far as their factors fit together."""
    a, b = _leaves(one)[::-1], _leaves(other)[::-1]
    while a and b:
        x, y = a.pop(), b.pop()
        if x.parts or y.parts:  # divided meanwhile, as part of the other dimension
            a += x.leaves()[::-1]
            b += y.leaves()[::-1]
        elif x.extent == y.extent:
            if x is not y:
                y.parts = [x]
                x.lost = x.lost or y.lost
        elif max(x.extent, y.extent) % min(x.extent, y.extent):
            return
        elif x.extent > y.extent:
            a += _divided(x, y.extent)[::-1]
            b.append(y)
        else:
            b += _divided(y, x.extent)[::-1]
            a.append(x)


def _regrouped(dims: _Dims, shape: Sequence[int]) -> _Dims:
    """Return the dimensions of a view: the factors of all, in their order, put into its dimensions."""
    waiting = _leaves(axis for dim in dims for axis in dim)[::-1]
    regrouped: _Dims = []
    for extent in shape:
        axes: list[_Axis] = []
        rest = extent
        while rest > 1:
            if not waiting:
                return _fresh(shape)
            axis = waiting.pop()
            if axis.parts:
                waiting += axis.leaves()[::-1]
            elif rest % axis.extent == 0:
                axes.append(axis)
                rest //= axis.extent
            elif axis.extent % rest == 0:
                waiting += _divided(axis, rest)[::-1]
            else:
                _lose([[axis], waiting], "view")
                return _fresh(shape)
        regrouped.append(axes)
    return regrouped


def _lose(dims: _Dims, name: str) -> None:
    for leaf in _leaves(axis for dim in dims for axis in dim):
        leaf.lost = leaf.lost or name


_Rule: TypeAlias = "Callable[[Following, str, tuple[Any, ...], list[Tensor], list[Tensor]], list[_Dims]]"


def _view(
    run: Following, _: str, args: tuple[Any, ...], inputs: list[Tensor], outputs: list[Tensor]
) -> list[_Dims]:
    return [_regrouped(run._of(inputs[0]), outputs[0].shape)]


def _transpose(
    run: Following, name: str, args: tuple[Any, ...], inputs: list[Tensor], outputs: list[Tensor]
) -> list[_Dims]:
    order = list(range(inputs[0].ndim))
    if name == "permute":
        order = [dim % len(order) for dim in args[1]]
    elif len(order) > 1:
        first, second = args[1:3] if name == "transpose" else (0, 1)
        order[first], order[second] = order[second], order[first]
    dims = run._of(inputs[0])
    return [[dims[dim] for dim in order]]


def _expand(
    run: Following, name: str, args: tuple[Any, ...], inputs: list[Tensor], outputs: list[Tensor]
) -> list[_Dims]:
    return [_elementwise(run, name, args, inputs, [output])[0] for output in outputs]


def _elementwise(
    run: Following, _: str, args: tuple[Any, ...], inputs: list[Tensor], outputs: list[Tensor]
) -> list[_Dims]:
    shape = outputs[0].shape
    dims = _fresh(shape)
    for tensor in inputs:
        for dim, own in enumerate(run._of(tensor), len(shape) - tensor.ndim):
            if 0 <= dim < len(shape) and math.prod(axis.extent for axis in own) == shape[dim]:
                _unify(dims[dim], own)
    return [dims] * len(outputs)


def _norm(
    run: Following, name: str, args: tuple[Any, ...], inputs: list[Tensor], outputs: list[Tensor]
) -> list[_Dims]:
    dims = run._of(inputs[0])
    for tensor in inputs[1:]:
        own = run._of(tensor)
        for dim, axes in zip(dims[-tensor.ndim :] if "layer" in name else dims[1:2], own, strict=False):
            _unify(dims[1] if "layer" not in name else dim, axes)
    return [dims]


def _others(
    run: Following, name: str, args: tuple[Any, ...], inputs: list[Tensor], outputs: list[Tensor]
) -> list[_Dims]:
    dims = run._of(inputs[0])
    found: list[_Dims] = []
    for output in outputs:
        kept = output.ndim == inputs[0].ndim
        found.append(
            [
                dim if kept and inputs[0].shape[i] == output.shape[i] else _axis(output.shape[i])
                for i, dim in enumerate(dims[: output.ndim])
            ]
        )
        found[-1] += _fresh(output.shape[len(dims) :])
    _lose([axes for dims_ in found for axes in dims_ if not any(axes is dim for dim in dims)], name)
    if outputs[0].ndim == inputs[0].ndim:
        _lose([dim for i, dim in enumerate(dims) if inputs[0].shape[i] != outputs[0].shape[i] != 1], name)
    elif name not in _REDUCTIONS:
        _lose(dims, name)
    return found


def _reduction(
    run: Following, name: str, args: tuple[Any, ...], inputs: list[Tensor], outputs: list[Tensor]
) -> list[_Dims]:
    over = (
        args[1]
        if len(args) > 1 and isinstance(args[1], list | tuple | int) and not isinstance(args[1], bool)
        else ()
    )
    over = [over] if isinstance(over, int) else [dim % inputs[0].ndim for dim in over]
    dims = run._of(inputs[0])
    if outputs[0].ndim == len(dims):
        return [[[] if dim in over else axes for dim, axes in enumerate(dims)]] * len(outputs)
    kept = [axes for dim, axes in enumerate(dims) if dim not in over]
    return [kept if len(kept) == outputs[0].ndim else _fresh(outputs[0].shape)] * len(outputs)


def _select(
    run: Following, name: str, args: tuple[Any, ...], inputs: list[Tensor], outputs: list[Tensor]
) -> list[_Dims]:
    dims = list(run._of(inputs[0]))
    del dims[args[1] if len(args) > 1 else 0]
    return [dims] * len(outputs)


def _split(
    run: Following, name: str, args: tuple[Any, ...], inputs: list[Tensor], outputs: list[Tensor]
) -> list[_Dims]:
    whole = inputs[0]
    dim = (
        args[1] if name == "slice" and len(args) > 1 else args[2] if name != "slice" and len(args) > 2 else 0
    ) % whole.ndim
    start = args[2] if name == "slice" and len(args) > 2 and args[2] else 0
    extents = {output.shape[dim] for output in outputs}
    return _parts(
        run._of(whole), dim, whole.shape[dim], extents.pop() if len(extents) == 1 else 0, start, name, outputs
    )


def _parts(
    dims: _Dims, dim: int, whole: int, extent: int, start: int, name: str, outputs: list[Tensor]
) -> list[_Dims]:
    if extent == whole:
        return [dims] * len(outputs)
    if not extent or whole % extent or start % extent:
        _lose([dims[dim]], name)
        return [[*dims[:dim], _axis(output.shape[dim]), *dims[dim + 1 :]] for output in outputs]
    inner = _regrouped([dims[dim]], (whole // extent, extent))[1]
    return [[*dims[:dim], inner, *dims[dim + 1 :]]] * len(outputs)


def _glu(
    run: Following, name: str, args: tuple[Any, ...], inputs: list[Tensor], outputs: list[Tensor]
) -> list[_Dims]:
    dim = (args[1] if len(args) > 1 else -1) % inputs[0].ndim
    return _parts(run._of(inputs[0]), dim, inputs[0].shape[dim], outputs[0].shape[dim], 0, name, outputs)


def _cat(
    run: Following, name: str, args: tuple[Any, ...], inputs: list[Tensor], outputs: list[Tensor]
) -> list[_Dims]:
    inputs = [tensor for tensor in inputs if tensor.ndim == outputs[0].ndim]
    along = (args[1] if len(args) > 1 else 0) % outputs[0].ndim
    all_dims = [run._of(tensor) for tensor in inputs]
    dims = list(all_dims[0])
    equal = len({tensor.shape[along] for tensor in inputs}) == 1
    for other in all_dims[1:]:
        for dim, axes in enumerate(dims):
            if dim != along or equal:
                _unify(axes, other[dim])
    dims[along] = [*_axis(len(inputs)), *dims[along]] if equal else _axis(outputs[0].shape[along])
    return [dims]


def _stack(
    run: Following, name: str, args: tuple[Any, ...], inputs: list[Tensor], outputs: list[Tensor]
) -> list[_Dims]:
    along = (args[1] if len(args) > 1 else 0) % outputs[0].ndim
    dims = list(_elementwise(run, name, args, inputs, [inputs[0]])[0])
    dims.insert(along, _axis(len(inputs)))
    return [dims]


def _matmul(
    run: Following, name: str, args: tuple[Any, ...], inputs: list[Tensor], outputs: list[Tensor]
) -> list[_Dims]:
    a, b = (run._of(tensor) for tensor in inputs[-2:])
    _unify(a[-1], b[-2])
    for one, other in zip(a[:-2], b[:-2], strict=False):
        _unify(one, other)
    dims = [*a[:-1], b[-1]]
    if len(inputs) == 3:  # what is added
        for own, dim in zip(reversed(run._of(inputs[0])), reversed(dims), strict=False):
            if own:
                _unify(dim, own)
    return [dims]


def _convolution(
    run: Following, name: str, args: tuple[Any, ...], inputs: list[Tensor], outputs: list[Tensor]
) -> list[_Dims]:
    x, weight, transposed, groups = run._of(inputs[0]), run._of(inputs[1]), args[6], args[8]
    outer, inner = weight[0], weight[1]
    made = inner if transposed else outer
    if groups == 1:
        _unify(x[1], outer if transposed else inner)
    elif not inner and not transposed:  # depthwise: each channel has its own outputs, one after the other
        _unify(outer, [*x[1], *_axis(inputs[1].shape[0] // groups)])
    elif transposed:
        made = _axis(outputs[0].shape[1])
    if len(inputs) > 2:
        _unify(made, run._of(inputs[2])[0])
    return [[x[0], made, *_fresh(outputs[0].shape[2:])]]


def _embedding(
    run: Following, name: str, args: tuple[Any, ...], inputs: list[Tensor], outputs: list[Tensor]
) -> list[_Dims]:
    return [[*run._of(inputs[1]), run._of(inputs[0])[-1]]]


def _pixel_shuffle(
    run: Following, name: str, args: tuple[Any, ...], inputs: list[Tensor], outputs: list[Tensor]
) -> list[_Dims]:
    *outer, channels, _, _ = run._of(inputs[0])
    return [
        [
            *outer,
            _regrouped([channels], (outputs[0].shape[-3], args[1] ** 2))[0],
            *_fresh(outputs[0].shape[-2:]),
        ]
    ]


_REDUCTIONS = frozenset(
    [
        "mean",
        "sum",
        "amax",
        "amin",
        "max",
        "min",
        "var",
        "std",
        "prod",
        "any",
        "all",
        "argmax",
        "argmin",
        "logsumexp",
    ]
)
_RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(["view", "_unsafe_view", "reshape", "_reshape_alias", "unsqueeze", "squeeze"], _view),
    **dict.fromkeys(["t", "transpose", "permute"], _transpose),
    **dict.fromkeys(["expand", "copy_"], _expand),
    **dict.fromkeys(["select", "unbind"], _select),
    **dict.fromkeys(
        ["slice", "split", "split_with_sizes", "unsafe_split", "unsafe_split_with_sizes"], _split
    ),
    **dict.fromkeys(["mm", "addmm", "bmm", "baddbmm"], _matmul),
    **dict.fromkeys(_REDUCTIONS, _reduction),
    "cat": _cat,
    "stack": _stack,
    "glu": _glu,
    "convolution": _convolution,
    "embedding": _embedding,
    "pixel_shuffle": _pixel_shuffle,
}
