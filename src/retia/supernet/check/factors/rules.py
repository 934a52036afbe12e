"""Rules of the operations of torch: which dimensions of inputs and outputs are equal or factors."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from retia.supernet.check.factors.axes import Dims, fresh, lose, new_axis, regrouped, unify

__all__ = ["Step", "outputs_of"]


@dataclass(frozen=True, eq=False)
class Step:
    """An operation of a run.

    Attributes:
        name: Name of the operation, such as "view".
        args: Its positional arguments.
        inputs: The tensors among its arguments.
        dims: The dimensions of each input.
        outputs: The tensors that it returned.
    """

    name: str
    args: tuple[Any, ...]
    inputs: list[Tensor]
    dims: list[Dims]
    outputs: list[Tensor]

    @property
    def shape(self) -> torch.Size:
        """The shape of the first output."""
        return self.outputs[0].shape

    def argument(self, index: int, default: Any) -> Any:
        """Return a positional argument, or a default if it is not given."""
        return self.args[index] if len(self.args) > index else default


_Rule: TypeAlias = "Callable[[Step], list[Dims]]"


def outputs_of(func: Any, step: Step) -> list[Dims]:
    """Return the dimensions of the outputs of an operation of torch's dispatcher."""
    if rule := _RULES.get(step.name):
        return rule(step)
    if "norm" in step.name:
        return _norm(step)
    return _elementwise(step) if torch.Tag.pointwise in func.tags else _others(step)


def _view(step: Step) -> list[Dims]:
    return [regrouped(step.dims[0], step.shape)]


def _transpose(step: Step) -> list[Dims]:
    order = list(range(step.inputs[0].ndim))
    if step.name == "permute":
        order = [dim % len(order) for dim in step.args[1]]
    elif len(order) > 1:
        first, second = step.args[1:3] if step.name == "transpose" else (0, 1)
        order[first], order[second] = order[second], order[first]
    return [[step.dims[0][dim] for dim in order]]


def _elementwise(step: Step) -> list[Dims]:
    return [_broadcast(step, step.shape)] * len(step.outputs)


def _broadcast(step: Step, shape: torch.Size) -> Dims:
    """Return dimensions of a shape that equal those of all inputs, aligned at the last dimension."""
    dims = fresh(shape)
    for tensor, own in zip(step.inputs, step.dims, strict=True):
        for dim, axes in enumerate(own, len(shape) - tensor.ndim):
            if 0 <= dim < len(shape) and math.prod(axis.extent for axis in axes) == shape[dim]:
                unify(dims[dim], axes)
    return dims


def _norm(step: Step) -> list[Dims]:
    dims = step.dims[0]
    for tensor, own in zip(step.inputs[1:], step.dims[1:], strict=True):
        normalized = dims[-tensor.ndim :] if "layer" in step.name else dims[1:2]
        for dim, axes in zip(normalized, own, strict=False):
            unify(dim, axes)
    return [dims]


def _others(step: Step) -> list[Dims]:
    """Keep the dimensions whose extents an unknown operation keeps."""
    dims, shape = step.dims[0], step.inputs[0].shape
    found: list[Dims] = []
    for output in step.outputs:
        same = [output.ndim == len(shape) and a == b for a, b in zip(shape, output.shape, strict=False)]
        kept = [dims[i] if same[i] else new_axis(output.shape[i]) for i in range(len(same))]
        found.append([*kept, *fresh(output.shape[len(dims) :])])
    lose([axes for own in found for axes in own if not any(axes is dim for dim in dims)], step.name)
    if step.outputs[0].ndim == len(shape):
        changed = [dim for i, dim in enumerate(dims) if shape[i] != step.shape[i] != 1]
        lose(changed, step.name)
    elif step.name not in _REDUCTIONS:
        lose(dims, step.name)
    return found


def _reduction(step: Step) -> list[Dims]:
    over = step.argument(1, ())
    if isinstance(over, bool) or not isinstance(over, list | tuple | int):
        over = ()
    over = [over] if isinstance(over, int) else [dim % step.inputs[0].ndim for dim in over]
    dims = step.dims[0]
    if step.outputs[0].ndim == len(dims):
        return [[[] if dim in over else axes for dim, axes in enumerate(dims)]] * len(step.outputs)
    kept = [axes for dim, axes in enumerate(dims) if dim not in over]
    return [kept if len(kept) == len(step.shape) else fresh(step.shape)] * len(step.outputs)


def _select(step: Step) -> list[Dims]:
    dims = list(step.dims[0])
    del dims[step.argument(1, 0)]
    return [dims] * len(step.outputs)


def _split(step: Step) -> list[Dims]:
    whole = step.inputs[0]
    sliced = step.name == "slice"
    dim = step.argument(1 if sliced else 2, 0) % whole.ndim
    start = (step.argument(2, 0) or 0) if sliced else 0
    extents = {output.shape[dim] for output in step.outputs}
    return _parts(step, dim, extents.pop() if len(extents) == 1 else 0, start)


def _glu(step: Step) -> list[Dims]:
    dim = step.argument(1, -1) % step.inputs[0].ndim
    return _parts(step, dim, step.shape[dim])


def _parts(step: Step, dim: int, extent: int, start: int = 0) -> list[Dims]:
    """Return the dimensions of parts of the first input: `extent` entries of a dimension, from `start` on."""
    dims, whole = step.dims[0], step.inputs[0].shape[dim]
    if extent == whole:
        return [dims] * len(step.outputs)
    if not extent or whole % extent or start % extent:
        lose([dims[dim]], step.name)
        return [[*dims[:dim], new_axis(output.shape[dim]), *dims[dim + 1 :]] for output in step.outputs]
    inner = regrouped([dims[dim]], (whole // extent, extent))[1]
    return [[*dims[:dim], inner, *dims[dim + 1 :]]] * len(step.outputs)


def _cat(step: Step) -> list[Dims]:
    along = step.argument(1, 0) % step.outputs[0].ndim
    joined = [
        (tensor.shape[along], dims)
        for tensor, dims in zip(step.inputs, step.dims, strict=True)
        if tensor.ndim == step.outputs[0].ndim
    ]
    dims = list(joined[0][1])
    equal = len({extent for extent, _ in joined}) == 1
    for _, other in joined[1:]:
        for dim, axes in enumerate(dims):
            if dim != along or equal:
                unify(axes, other[dim])
    dims[along] = [*new_axis(len(joined)), *dims[along]] if equal else new_axis(step.shape[along])
    return [dims]


def _stack(step: Step) -> list[Dims]:
    dims = _broadcast(step, step.inputs[0].shape)
    dims.insert(step.argument(1, 0) % step.outputs[0].ndim, new_axis(len(step.inputs)))
    return [dims]


def _matmul(step: Step) -> list[Dims]:
    a, b = step.dims[-2:]
    unify(a[-1], b[-2])
    for one, other in zip(a[:-2], b[:-2], strict=False):
        unify(one, other)
    dims = [*a[:-1], b[-1]]
    if len(step.inputs) == 3:  # a tensor is added to the product
        for own, dim in zip(reversed(step.dims[0]), reversed(dims), strict=False):
            if own:
                unify(dim, own)
    return [dims]


def _convolution(step: Step) -> list[Dims]:
    x, weight, transposed, groups = step.dims[0], step.dims[1], step.args[6], step.args[8]
    outer, inner = weight[0], weight[1]
    made = inner if transposed else outer
    if groups == 1:
        unify(x[1], outer if transposed else inner)
    elif not inner and not transposed:  # depthwise: the outputs of each channel lie together
        unify(outer, [*x[1], *new_axis(step.inputs[1].shape[0] // groups)])
    elif transposed:
        made = new_axis(step.shape[1])
    if len(step.inputs) > 2:
        unify(made, step.dims[2][0])
    return [[x[0], made, *fresh(step.shape[2:])]]


def _embedding(step: Step) -> list[Dims]:
    return [[*step.dims[1], step.dims[0][-1]]]


def _pixel_shuffle(step: Step) -> list[Dims]:
    *outer, channels, _, _ = step.dims[0]
    inner = regrouped([channels], (step.shape[-3], step.args[1] ** 2))[0]
    return [[*outer, inner, *fresh(step.shape[-2:])]]


_REDUCTIONS = frozenset(
    "mean sum amax amin max min var std prod any all argmax argmin logsumexp".split()  # noqa: SIM905
)
_RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(["view", "_unsafe_view", "reshape", "_reshape_alias", "unsqueeze", "squeeze"], _view),
    **dict.fromkeys(["t", "transpose", "permute"], _transpose),
    **dict.fromkeys(["expand", "copy_"], _elementwise),
    **dict.fromkeys(["select", "unbind"], _select),
    **dict.fromkeys(["slice", "split", "split_with_sizes", "unsafe_split"], _split),
    **dict.fromkeys(["unsafe_split_with_sizes"], _split),
    **dict.fromkeys(["mm", "addmm", "bmm", "baddbmm"], _matmul),
    **dict.fromkeys(_REDUCTIONS, _reduction),
    "cat": _cat,
    "stack": _stack,
    "glu": _glu,
    "convolution": _convolution,
    "embedding": _embedding,
    "pixel_shuffle": _pixel_shuffle,
}
