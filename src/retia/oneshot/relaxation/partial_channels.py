"""Partial channels: layers that compute with the first `1 / divisor` of their channels.

Reference:
    Xu et al., PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search, ICLR 2020,
    section 3.2.
"""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from retia.errors import SupernetError
from retia.nn import MixedLayer, Switch

__all__ = ["OTHERS", "PartialLayers", "bypass", "shuffled"]

OTHERS = "DARTS, GDAS, SNAS, DrNAS, FBNet or ProxylessNAS"
"""Methods without partial channels, for errors."""

_CONVOLUTIONS = frozenset({nn.Conv1d, nn.Conv2d, nn.Conv3d})
_NORMS = frozenset({nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm})
_POOLS = {3: functional.max_pool1d, 4: functional.max_pool2d, 5: functional.max_pool3d}


class PartialLayers:
    """The layers of a layer choice's candidates that depend on the number of channels.

    Args:
        path: Path of the choice in the model, for errors.
        choice: Layer choice.
        divisor: Ratio of all channels to the channels of a candidate, K in the paper.

    Raises:
        SupernetError: If a candidate holds a choice, a layer with tensors that is neither a convolution nor a
            batch norm, or a layer whose channels or groups are not divisible by `divisor`.
    """

    def __init__(self, path: str, choice: MixedLayer, divisor: int) -> None:
        self.divisor = divisor
        self.path = path
        self.label = choice.label
        self._layers: list[nn.Module] = []
        for name, layer in choice.candidates.named_modules():
            if isinstance(layer, Switch):
                self._refuse(path, name, layer, "a choice inside of a candidate")
            tensors = [
                tensor
                for tensor in (*layer._parameters.values(), *layer._buffers.values())
                if tensor is not None
            ]
            if not tensors and type(layer) not in _CONVOLUTIONS:
                continue
            if type(layer) not in _CONVOLUTIONS | _NORMS:
                self._refuse(path, name, layer, "neither a convolution nor a batch norm of a fixed size")
            sizes = [
                getattr(layer, size)
                for size in ("in_channels", "out_channels", "num_features")
                if hasattr(layer, size)
            ]
            groups = getattr(layer, "groups", 1)
            if any(size % divisor for size in (*sizes, *([groups] if groups > 1 else []))):
                self._refuse(
                    path,
                    name,
                    layer,
                    (
                        f"a layer whose channels {sizes} and number of groups {groups} are not divisible by "
                        f"{divisor}"
                    ),
                )
            self._layers.append(layer)

    def _refuse(self, path: str, name: str, layer: nn.Module, reason: str) -> None:
        msg = (
            f"PCDARTS lets every {self.divisor}th channel through the candidates of '{self.label}', "
            f"but '{path}.candidates.{name}' "
            f"({type(layer).__name__}) is {reason}. Use {OTHERS}, or PCDARTS with another divisor."
        )
        raise SupernetError(msg)

    @contextmanager
    def in_part(self) -> Generator[None]:
        """Make the layers compute with their first channels inside the context.

        Gradients and running statistics are those of the first channels of the full tensors.
        """
        before: list[tuple[dict[str, Any], dict[str, Any]]] = []
        grouped = [(layer, layer.groups) for layer in self._layers if getattr(layer, "groups", 1) != 1]
        try:
            for layer in self._layers:
                for tensors in (layer._parameters, layer._buffers):
                    before.append((tensors, dict(tensors)))
                    for name, tensor in tensors.items():
                        if tensor is not None and tensor.ndim:
                            tensors[name] = self._part(tensor, layer)  # pyright: ignore[reportArgumentType]  # a view is not a Parameter
            for layer, groups in grouped:
                layer.groups = groups // self.divisor  # pyright: ignore[reportOperatorIssue]
            yield
        finally:
            for tensors, own in before:
                tensors.update(own)
            for layer, groups in grouped:
                layer.groups = groups

    def _part(self, tensor: Tensor, layer: nn.Module) -> Tensor:
        part = tensor.narrow(0, 0, len(tensor) // self.divisor)
        return (
            part.narrow(1, 0, part.shape[1] // self.divisor) if part.ndim > 1 and layer.groups == 1 else part
        )


def bypass(rest: Tensor, like: Tensor) -> Tensor:
    """Return the bypassed channels (B, C', ...), max-pooled to the spatial size of `like` if it differs."""
    if rest.shape[2:] == like.shape[2:]:
        return rest
    strides = [-(-before // after) for before, after in zip(rest.shape[2:], like.shape[2:], strict=True)]
    return _POOLS[rest.ndim](rest, strides, strides, ceil_mode=True)


def shuffled(parts: Iterable[Tensor], groups: int) -> Tensor:
    """Concatenate parts along the channels and interleave `groups` groups of channels: (B, C, ...).

    >>> shuffled([torch.tensor([[0, 1]]), torch.tensor([[2, 3]])], 2)
    tensor([[0, 2, 1, 3]])
    """
    whole = torch.cat(list(parts), 1)
    return whole.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)
