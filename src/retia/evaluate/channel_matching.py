"""Channels of a child's layer, matched to its parent's by comparing the inputs of both layers."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase  # what batch and instance normalization derive from
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd  # what all convolutions derive from

from retia.nn import arguments

__all__ = ["match_channels"]

_CLOSE = 1e-4
"""Greatest difference of equal channels, relative to the greatest value."""

_SAMPLES = 16
_COLUMNS = 2048
_PAIRS = 4_000_000
"""Maximum numbers of samples, of values of a channel, and of pairs of channels that are compared."""

Share = Callable[[Tensor, int], Tensor]
"""Function of the sources of channels, (C,), and their number; returns the share of weights of each, (C,)."""

Grown = Callable[[Any, Any], Tensor]
"""Function of a layer and its parent's layer: weights (C_out, C_in, ...) that read the parent's inputs."""


def match_channels(child: nn.Module, parent: nn.Module, example: Any, share: Share, grown: Grown) -> None:
    """Match the input channels of a child's layers to the parent's, in whatever order they come.

    Both models are run on the example and on noise, the child layer by layer, so that what a layer is given
    follows from layers that are filled already. A channel without a match gets weights of 0.
    Layers whose inputs can't be compared are left as they are.

    Args:
        child: The model to fill, in evaluation mode; weights that the parent has are of the right shapes
            already.
        parent: The model to inherit from, in evaluation mode.
        example: Inputs of both.
        share: Splits the weights of what is read among its copies.
        grown: Makes the weights of a layer that reads what the parent's reads.
    """
    args, kwargs = arguments(_varied(example))
    given: dict[str, Tensor] = {}
    filled: set[str] = set()
    theirs = dict(parent.named_modules())

    def remember(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            if name not in given and (channels := _channels(module, inputs)) is not None:
                given[name] = channels

        return hook

    def fill(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            if name in filled or name not in given or type(module) is not type(theirs[name]):
                return
            filled.add(name)
            channels = _channels(module, inputs)
            sources = None if channels is None else _sources(channels, given[name])
            if sources is not None:
                _rewrite(module, theirs[name], sources, share, grown)

        return hook

    for model, hook in ((parent, remember), (child, fill)):
        handles = [
            module.register_forward_pre_hook(hook(name))
            for name, module in model.named_modules()
            if name in theirs and _is_matched(module)
        ]
        try:
            model(*args, **kwargs)
        finally:
            for handle in handles:
                handle.remove()


def _is_matched(module: nn.Module) -> bool:
    return isinstance(
        module, nn.Linear | _ConvNd | _NormBase | nn.LayerNorm | nn.GroupNorm
    ) and not isinstance(module, _ConvTransposeNd)


def _varied(example: Any) -> Any:
    """Return samples and noise around them: what is dead or alike in one sample is not in all."""
    generator = torch.Generator().manual_seed(0)

    def one(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: one(item) for name, item in value.items()}
        if isinstance(value, tuple | list):
            return tuple(one(item) for item in value)
        if not isinstance(value, Tensor) or not value.ndim or not len(value):
            return value
        taken = value[torch.arange(_SAMPLES, device=value.device) % len(value)]
        if not value.is_floating_point():
            return taken
        noise = torch.randn(taken.shape, generator=generator).to(value.device, value.dtype)
        return taken + noise * (taken.std() + 1e-3)

    return one(example)


def _channels(module: nn.Module, inputs: tuple[Any, ...]) -> Tensor | None:
    """Return the inputs of a layer by channel, (C, values); None if their channels are not known."""
    x = inputs[0] if inputs else None
    last = isinstance(module, nn.Linear | nn.LayerNorm)
    if (
        not isinstance(x, Tensor)
        or x.ndim < 2
        or (isinstance(module, nn.LayerNorm) and len(module.normalized_shape) > 1)
    ):
        return None
    if isinstance(module, _ConvNd) and x.ndim != module.weight.ndim:
        return None
    return x.movedim(-1 if last else 1, 0).flatten(1)


def _sources(ours: Tensor, theirs: Tensor) -> Tensor | None:
    """Return the parent's channel of each channel of the child, (C,); -1 where there is no such channel.

    Returns:
        None if the channels can't be compared, or if one of the parent's is missing.
    """
    if ours.shape[1] != theirs.shape[1] or len(ours) * len(theirs) > _PAIRS:
        return None
    step = -(-ours.shape[1] // _COLUMNS)
    ours, theirs = ours[:, ::step].double(), theirs[:, ::step].double()
    far = (
        torch.cdist(ours, theirs, compute_mode="donot_use_mm_for_euclid_dist") / ours.shape[1] ** 0.5
    )  # (C of ours, C of theirs)
    close = far <= _CLOSE * (float(theirs.abs().max()) or 1.0)
    return _in_runs([row.nonzero().flatten().tolist() for row in close], len(theirs))


def _in_runs(candidates: Sequence[list[int]], before: int) -> Tensor | None:
    """Choose a candidate for each channel, in the order of the parent if possible, or repeated in turn."""
    chosen = [one[0] if len(one) == 1 else None for one in candidates]
    for order, by in ((range(1, len(chosen)), 1), (range(len(chosen) - 2, -1, -1), -1)):
        for place in order:
            neighbour = chosen[place - by]
            if chosen[place] is None and neighbour is not None and neighbour + by in candidates[place]:
                chosen[place] = neighbour + by
    for place, several in enumerate(candidates):
        if chosen[place] is None:
            chosen[place] = place % before if place % before in several else (several or [-1])[0]
    sources = torch.tensor([-1 if one is None else one for one in chosen])
    return sources if set(range(before)) <= set(sources.tolist()) else None


def _rewrite(layer: nn.Module, before: nn.Module, sources: Tensor, share: Share, grown: Grown) -> None:
    """Make a layer compute of its inputs what the parent's layer computes of its own."""
    known: Any = before
    own: Any = layer
    if isinstance(layer, _ConvNd) and (layer.groups > 1 or known.groups > 1):
        _rewrite_grouped(own, known, sources)
        return
    if isinstance(layer, nn.Linear | _ConvNd):
        made = grown(own, known)  # (C out, C in of the parent, ...)
        shares = share(sources, made.shape[1]).to(made.device, made.dtype)
        own.weight.copy_(made[:, sources.clamp(min=0)] * shares.reshape([1, -1, *[1] * (made.ndim - 2)]))
        return
    for name, value in own.state_dict().items():
        if value.ndim == 1 and len(value) == len(sources):
            value[sources >= 0] = known.state_dict()[name][sources[sources >= 0]]


def _rewrite_grouped(own: Any, known: Any, sources: Tensor) -> None:
    """Copy to each group the weights of the parent's group that reads the same channels, if all have one."""
    size, before = own.weight.shape[1], known.weight.shape[1]  # channels that a group reads
    made, known_made = (
        len(own.weight) // own.groups,
        len(known.weight) // known.groups,
    )  # channels that it makes
    rows: list[int] = []
    for group in sources.reshape(-1, size):
        first = int(group[0])
        if size != before or first % before or group.tolist() != list(range(first, first + before)):
            return
        rows += [first // before * known_made + turn % known_made for turn in range(made)]
    if own.weight.shape[2:] != known.weight.shape[2:]:
        return
    own.weight.copy_(known.weight[rows])
    if own.bias is not None and known.bias is not None:
        own.bias.copy_(known.bias[rows])
