"""Elastic layers: one set of tensors, parts of which the architectures use."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

__all__ = ["Elastic", "behaviour_of", "elastic", "elastic_version", "layer_class", "prefix", "window"]


class Elastic(nn.Module):
    """Base class of elastic layers: reading a tensor, as `forward` does, returns the part in use.

    The full tensors stay registered, so optimizers, `state_dict` and `.to` see them, and gradients reach
    them. By default a part is the first entries along each dimension; for a size that is a product, the first
    entries of each factor. A subclass may override `prepare`, `shapes` and `pieces`, and is registered with
    `@elastic(Layer)`.

    Attributes:
        elastic_sizes: Shape of each of the layer's tensors for the active architecture.
        factors: Factors of each size for the active architecture, the outermost first, of tensors with a size
            that is a product: ((3, 16), (8,)).
        full_factors: The same factors of the full tensors.
        masks: Pairs of a dimension and a mask along it, which multiply a tensor while sizes are mixed.
        divides: Pairs of attributes, the first of which must divide the second for every architecture.
        outputs: Dimension of a weight along which the outputs lie; None if all dimensions are outputs.
        stacked: Whether the layer's own code fixes the order of the factors of its sizes, as attention does
            for queries, keys and values.
        kernel: First dimension of a weight that is an extent of a kernel, whose centre is used; None if the
            layer has no kernel.
    """

    elastic_sizes: dict[str, tuple[int, ...]]
    factors: Mapping[str, tuple[tuple[int, ...], ...]] = MappingProxyType({})
    full_factors: Mapping[str, tuple[tuple[int, ...], ...]] = MappingProxyType({})
    masks: Mapping[str, tuple[tuple[int, Tensor], ...]] = MappingProxyType({})
    divides: ClassVar[Sequence[tuple[str, str]]] = ()
    outputs: ClassVar[int | None] = None
    stacked: ClassVar[bool] = False
    kernel: ClassVar[int | None] = None

    def prepare(self) -> None:
        """Rearrange the full tensors, once, after construction with symbolic attributes."""

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of each tensor that the layer has when it is built alone with its attributes."""
        return self.elastic_sizes

    def pieces(self, name: str, shape: tuple[int, ...]) -> Sequence[Tensor]:
        """Return views of full tensors that are the part of a tensor when concatenated along dimension 0.

        A view may have a dimension for each factor of a size, as `cut` returns it.

        Args:
            name: Name of the tensor.
            shape: Shape of the part.
        """
        return [self.cut(name, shape)]

    def cut(self, name: str, shape: Sequence[int], starts: Sequence[int] | None = None) -> Tensor:
        """Return a view of `shape` entries of a full tensor from `starts` on.

        A dimension with factors becomes several, and has the first entries of each factor.
        """
        full = self.full(name)
        starts = (0,) * len(shape) if starts is None else starts
        if name not in self.factors:
            return window(full, starts, shape)
        begin: list[int] = []
        sizes: list[int] = []
        for dim in reversed(range(full.ndim)):
            whole, part = self.full_factors[name][dim], self.factors[name][dim]
            if len(whole) == 1 or math.prod(part) != shape[dim]:
                whole, part = (full.shape[dim],), (shape[dim],)
            full = full.unflatten(dim, whole)
            begin[:0] = [starts[dim], *[0] * (len(part) - 1)]
            sizes[:0] = part
        return window(full, begin, sizes)

    def full(self, name: str) -> Tensor:
        """Return the full tensor, with the weights of all architectures."""
        return self._tensors(name)[name]  # pyright: ignore[reportReturnType]  # no tensor of an elastic layer is None

    def part(self, name: str) -> Tensor:
        """Return the part of a tensor that the active architecture uses."""
        if name in (taken := self.__dict__.get("_taken", ())):
            return taken[name]
        shape = self.shapes()[name]
        pieces = self.pieces(name, shape)
        return (
            _joined(pieces[0], shape)
            if len(pieces) == 1
            else torch.cat([_joined(piece, (-1, *shape[1:])) for piece in pieces])
        )

    @torch.no_grad()
    def write(self, name: str, values: Tensor) -> None:
        """Copy values into the part of a tensor that the active architecture uses."""
        pieces = self.pieces(name, self.shapes()[name])
        rows = [piece.numel() // max(1, math.prod(values.shape[1:])) for piece in pieces]
        for piece, own in zip(pieces, values.split(rows) if len(pieces) > 1 else [values], strict=True):
            piece.copy_(own.reshape(piece.shape))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the layer, and write parts of buffers back that are copies, for it may have changed them."""
        buffers = [name for name in self.factors if self._buffers.get(name) is not None]
        if not buffers:
            return super().__call__(*args, **kwargs)
        taken = self.__dict__["_taken"] = {name: self.part(name) for name in buffers}
        try:
            return super().__call__(*args, **kwargs)
        finally:
            del self.__dict__["_taken"]
            for name, part in taken.items():
                self.write(name, part)

    def _tensors(self, name: str) -> Mapping[str, Tensor | None]:
        return self._parameters if name in self._parameters else self._buffers

    def __getattr__(self, name: str) -> Any:
        # Parameters and buffers are not in the instance's own dictionary, so reading one arrives here.
        if name in self.__dict__.get("elastic_sizes", ()) and self._tensors(name).get(name) is not None:
            part = self.part(name)
            for dim, mask in self.masks.get(name, ()):
                part = part * mask.view(-1, *[1] * (part.ndim - dim - 1))
            return part
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        # A forward that assigns to a buffer, as for a moving average, assigns the part;
        # load_state_dict(..., assign=True) assigns the full buffer.
        full = (
            self._buffers.get(name)
            if isinstance(value, Tensor) and name in self.__dict__.get("elastic_sizes", ())
            else None
        )
        if (
            full is not None
            and not full.is_meta
            and (value.shape != full.shape or value.shape == self.shapes()[name])
        ):
            self.write(name, value)
            if name in (taken := self.__dict__.get("_taken", {})):
                taken[name] = value
            return
        super().__setattr__(name, value)

    def __reduce_ex__(self, protocol: Any) -> Any:
        behaviour, layer = type(self).__bases__
        return _restored, (behaviour, layer), self.__getstate__()


L = TypeVar("L", bound=type[Elastic])

_BEHAVIOURS: dict[type[nn.Module], type[Elastic]] = {}
"""The elastic behaviour of each class of layers, filled by `elastic` where the behaviours are defined."""


def elastic(*layers: type[nn.Module]) -> Callable[[L], L]:
    """Register a class as the elastic behaviour of layers, whose subclasses are not included.

    >>> class Scale(nn.Module):
    ...     def __init__(self, channels):
    ...         super().__init__()
    ...         self.weight = nn.Parameter(torch.ones(channels))
    >>> @elastic(Scale)
    ... class LastChannels(Elastic):
    ...     def pieces(self, name, shape):
    ...         return [self.full(name)[-shape[0] :]]

    Raises:
        TypeError: If the class is not a subclass of `Elastic`, or a layer is not a class of modules.
    """
    for layer in layers:
        if not (isinstance(layer, type) and issubclass(layer, nn.Module)):
            msg = f"elastic(...) takes classes of torch.nn.Module, got {layer!r}."
            raise TypeError(msg)

    def register(behaviour: L) -> L:
        if not (isinstance(behaviour, type) and issubclass(behaviour, Elastic)):
            msg = f"@elastic(...) stands above a subclass of retia.supernet.Elastic, got {behaviour!r}."
            raise TypeError(msg)
        for layer in layers:
            _BEHAVIOURS[layer] = behaviour
        return behaviour

    return register


def behaviour_of(layer: type[nn.Module]) -> type[Elastic] | None:
    """Return the elastic behaviour of layers of exactly this class; None if it is not registered."""
    return _BEHAVIOURS.get(layer)


@cache
def elastic_version(behaviour: type[Elastic], layer: type[nn.Module]) -> type[Elastic]:
    """Return the class of a layer's elastic version, a subclass of the layer's class."""
    return type(
        f"Elastic{layer.__name__}",
        (behaviour, layer),
        {"__module__": behaviour.__module__, "__doc__": layer.__doc__},
    )


def layer_class(value: Any) -> type:
    """Return the class of an object; for an elastic layer, the class of the layer itself."""
    return type(value).__bases__[1] if isinstance(value, Elastic) else type(value)


def prefix(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """Return a view of the first entries along each dimension.

    >>> prefix(torch.arange(6).view(2, 3), (2, 2))
    tensor([[0, 1],
            [3, 4]])
    """
    return window(tensor, (0,) * len(shape), shape)


def window(tensor: Tensor, starts: Sequence[int], shape: Sequence[int]) -> Tensor:
    """Return a view of `shape` entries of a tensor, from the entry `starts` on.

    >>> window(torch.arange(9).view(3, 3), (1, 0), (2, 2))
    tensor([[3, 4],
            [6, 7]])
    """
    cut = [dim for dim, (size, extent) in enumerate(zip(shape, tensor.shape, strict=True)) if size != extent]
    if not cut:
        return tensor
    if len(cut) == 1:
        return tensor.narrow(cut[0], starts[cut[0]], shape[cut[0]])
    # With one view for all dimensions, the backward pass writes the gradient once, not once a dimension.
    strides = tensor.stride()
    offset = tensor.storage_offset() + sum(
        start * stride for start, stride in zip(starts, strides, strict=True)
    )
    return tensor.as_strided(shape, strides, offset)


def _joined(view: Tensor, shape: Sequence[int]) -> Tensor:
    """Return a view, whose dimensions may be divided by factors, in the shape of the part."""
    return view if view.ndim == len(shape) else view.reshape(tuple(shape))


def _restored(behaviour: type[Elastic], layer: type[nn.Module]) -> Elastic:
    kind = elastic_version(behaviour, layer)
    return kind.__new__(kind)
