"""Weights that a child model inherits from its parent."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase  # what batch and instance normalization derive from
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd  # what all convolutions derive from

from retia.errors import EvaluationError, StorageError
from retia.evaluate.channel_matching import match_channels
from retia.nn import arguments
from retia.rng import stream_seed
from retia.trial import WEIGHTS, Run

__all__ = ["Inheritance", "inherit", "inherit_from_parent"]

_ENOUGH = 1e-6
"""Relative deviation below which a child counts as computing the same as its parent."""

_SAME = 1e-3
"""Relative deviation above which a trial warns that its child computes something else."""

_OUT, _IN, _KERNEL = "out", "in", "kernel"


@dataclass(frozen=True)
class Inheritance:
    """The weights that a child has inherited from its parent.

    Args:
        copied: Names of the weights that were copied unchanged.
        resized: Names of the weights that were made larger or smaller.
        new: Names of the weights that the parent does not have.
        deviation: Greatest absolute difference of the outputs for the example from the parent's, divided by
            the parent's greatest absolute output; None without an example.
    """

    copied: tuple[str, ...]
    resized: tuple[str, ...]
    new: tuple[str, ...]
    deviation: float | None = None


def inherit(
    child: nn.Module, parent: nn.Module, example: Any = None, *, generator: torch.Generator | None = None
) -> Inheritance:
    """Copy a parent's weights to a model, so that it computes the same where it can.

    Weights are matched by name. Additional channels or features repeat those of the parent, and the weights
    that read them are split among the copies; larger kernels are padded with zeros; smaller weights keep the
    first channels and the middle of the kernel. Modules that the parent does not have are made to return
    their inputs (an additional block in a chain) or zeros (an additional branch of a sum), or keep their
    weights, whichever brings the outputs for the example nearest to the parent's. Where channels are
    concatenated or shuffled, the example shows which channel is which. Both models run in evaluation mode,
    and their modes are restored.

    The outputs are not preserved by group normalization, by layer normalization unless each channel is
    repeated equally often, or by growing groups, sums with a concatenation, growing `nn.MultiheadAttention`
    and recurrent layers. The deviation shows it, and a study warns.

    Args:
        child: Model to fill, already initialized.
        parent: Model to inherit from.
        example: Inputs of both models: a tensor, a tuple of tensors, or tensors by name. Without it, new
            modules keep their weights.
        generator: Random generator for splitting weights unevenly, so that copies of a channel learn
            differently. Default: weights are split evenly. The outputs are the same.

    Raises:
        EvaluationError: If the models have no weight in common.

    Reference:
        Chen et al., Net2Net: Accelerating Learning via Knowledge Transfer, ICLR 2016, sections 2.2 and 2.3.
        Deviations: channels are repeated in turn, not at random, so that every layer that reads or writes the
        same channels repeats the same ones; copies differ in how the weights are split, not by noise, which
        leaves the outputs unchanged; batch normalization of a new block is the identity in evaluation
        mode only.
    """
    known, own = parent.state_dict(), child.state_dict()
    shared = [name for name in own if name in known and own[name].ndim == known[name].ndim]
    if not shared:
        msg = (
            f"A {type(child).__name__} inherits weights by name, but it shares no name with the "
            f"{type(parent).__name__}: {_some(own)} against {_some(known)}. "
            "Inherit from a model whose layers have the same names."
        )
        raise EvaluationError(msg)
    with torch.no_grad():
        for name in shared:
            path, _, attribute = name.rpartition(".")
            roles = _roles(child.get_submodule(path), attribute, own[name].ndim)
            own[name].copy_(_resized(known[name], own[name].shape, roles, generator))
        deviation = None if example is None else _settled(child, parent, _new_modules(child, known), example)
        if deviation is not None and deviation > _ENOUGH:
            deviation = _matched(child, parent, example, deviation, generator)
    return Inheritance(
        copied=tuple(name for name in shared if own[name].shape == known[name].shape),
        resized=tuple(name for name in shared if own[name].shape != known[name].shape),
        new=tuple(name for name in own if name not in shared),
        deviation=deviation,
    )


def inherit_from_parent(child: nn.Module, run: Run, example: Any) -> Inheritance | None:
    """Copy the kept weights of the parent trial to a trial's model.

    Args:
        child: Model of the trial.
        run: Run of the trial, which names the parent.
        example: Inputs of the model.

    Returns:
        The inherited weights; None if there is no parent, or, with a `RuntimeWarning`, if its weights are
        missing or damaged. It also warns if the child only grew, but computes something else.
    """
    if run.parent is None:
        return None
    path = run.parent.directory / WEIGHTS
    space: Any = run.space
    try:
        if not path.exists():
            msg = f"There is no '{path}'. Let the study keep weights, keep_weights='all'."
            raise StorageError(msg)  # noqa: TRY301  # reported below like a damaged file
        parent: nn.Module = space.load(run.parent.architecture, path)
    except StorageError as error:
        msg = (
            f"{dict(run.parent.architecture)} has no weights to inherit, "
            f"and its child is trained from the beginning. {error}"
        )
        warnings.warn(msg, RuntimeWarning, stacklevel=2)
        return None
    inherited = inherit(
        child, parent, example, generator=torch.Generator().manual_seed(stream_seed(run.seed, "inherit"))
    )
    if (
        inherited.deviation is not None
        and inherited.deviation > _SAME
        and _is_growth(child, parent, inherited)
    ):
        grown = [*inherited.resized, *inherited.new]
        names = ", ".join(grown[:3]) + (", ..." if len(grown) > 3 else "")
        msg = (
            f"A child of {dict(run.parent.architecture)} is larger and nowhere smaller, "
            "but does not compute the same: its outputs are off by "
            f"{inherited.deviation:.1%} of the greatest. What grew is {names}; "
            "retia.evaluate.inherit says what can't be kept. It is trained from these weights nevertheless."
        )
        warnings.warn(msg, RuntimeWarning, stacklevel=2)
    return inherited


def _is_growth(child: nn.Module, parent: nn.Module, inherited: Inheritance) -> bool:
    """Whether a child only grew, so that it is expected to compute the same as its parent."""
    own, known = child.state_dict(), parent.state_dict()
    smaller = any(
        size < before
        for name in inherited.resized
        for size, before in zip(own[name].shape, known[name].shape, strict=True)
    )
    return not smaller and known.keys() <= own.keys() and bool(inherited.resized or inherited.new)


# --- weights that the parent has


def _roles(module: nn.Module, attribute: str, ndim: int) -> tuple[str, ...]:
    """Return the role of each dimension of a weight: output, input or kernel."""
    if attribute == "weight" and isinstance(module, _ConvTransposeNd):
        return (_IN, _OUT, *[_KERNEL] * (ndim - 2))
    if attribute == "weight" and isinstance(module, _ConvNd):
        return (_OUT, _IN, *[_KERNEL] * (ndim - 2))
    if attribute == "weight" and isinstance(module, nn.Linear):
        return (_OUT, _IN)
    return (_OUT,) * ndim


def _resized(
    weight: Tensor, shape: torch.Size, roles: tuple[str, ...], generator: torch.Generator | None
) -> Tensor:
    for dim, (size, role) in enumerate(zip(shape, roles, strict=True)):
        if weight.shape[dim] != size:
            weight = (
                _with_kernel(weight, dim, size)
                if role == _KERNEL
                else _with_channels(weight, dim, size, generator, split=role == _IN)
            )
    return weight


def _with_channels(
    weight: Tensor, dim: int, size: int, generator: torch.Generator | None, *, split: bool
) -> Tensor:
    """Repeat channels in turn up to `size`, or take the first ones; `split` divides weights among copies."""
    before = weight.shape[dim]
    sources = torch.arange(size) % before  # (size,)
    taken = weight.index_select(dim, sources.to(weight.device))
    if not split or size < before:
        return taken
    shares = _shares(sources, before, generator)
    return taken * shares.to(weight.device, weight.dtype).reshape(
        [-1 if one == dim else 1 for one in range(weight.ndim)]
    )


def _shares(sources: Tensor, before: int, generator: torch.Generator | None) -> Tensor:
    """Return the share of each copy, (C,): those of one channel add up to 1; 0 where the source is -1."""
    parts = (
        torch.ones(len(sources)) if generator is None else 0.5 + torch.rand(len(sources), generator=generator)
    )
    parts = torch.where(sources >= 0, parts, 0.0)
    return parts / torch.zeros(before).index_add_(0, sources.clamp(min=0), parts)[sources]


def _with_kernel(weight: Tensor, dim: int, size: int) -> Tensor:
    """Put zeros around the kernel, or take its middle."""
    before = weight.shape[dim]
    if size < before:
        return weight.narrow(dim, (before - size) // 2, size)
    grown = weight.new_zeros([size if one == dim else length for one, length in enumerate(weight.shape)])
    grown.narrow(dim, (size - before) // 2, before).copy_(weight)
    return grown


# --- modules that the parent does not have


def _new_modules(child: nn.Module, known: Mapping[str, Tensor]) -> list[nn.Module]:
    """Return the outermost modules without any weight in the parent."""
    found: list[str] = []
    for path, module in child.named_modules():
        names = [f"{path}.{name}" for name in module.state_dict()]
        if (
            path
            and names
            and not any(path.startswith(f"{outer}.") for outer in found)
            and not any(name in known for name in names)
        ):
            found.append(path)
    return [child.get_submodule(path) for path in found]


def _settled(child: nn.Module, parent: nn.Module, modules: list[nn.Module], example: Any) -> float:
    """Make new modules identities or zeros, or leave them, to come nearest to the parent.

    Returns:
        The deviation from the parent.
    """
    modes = _modes(child, parent)
    deviation = _deviation(child, parent, example)
    own = [{name: value.clone() for name, value in module.state_dict().items()} for module in modules]
    states: list[Callable[[int], None]] = [
        lambda index: _silence(modules[index]),
        lambda index: _pass_on(modules[index]),
        lambda index: None,
    ]
    chosen = [0] * len(modules)

    def put(index: int, state: int) -> None:
        modules[index].load_state_dict(own[index])
        states[state](index)

    def put_all(state: int) -> float:
        chosen[:] = [state] * len(modules)
        for index in range(len(modules)):
            put(index, state)
        return deviation()

    best = min((0, 1), key=put_all)
    nearest = put_all(best)
    # Twice, for a module may have an effect only after another one has changed.
    for index in [*range(len(modules))] * 2:
        for state in range(len(states)):
            if nearest > _ENOUGH and state != chosen[index]:
                put(index, state)
                if (now := deviation()) < nearest:
                    nearest, chosen[index] = now, state
                else:
                    put(index, chosen[index])
    _put_back(modes)
    return nearest


def _matched(
    child: nn.Module, parent: nn.Module, example: Any, before: float, generator: torch.Generator | None
) -> float:
    """Match the channels that layers read by comparison, if that brings the child nearer to its parent.

    Returns:
        The deviation from the parent.
    """
    modes = _modes(child, parent)
    deviation = _deviation(child, parent, example)
    kept = {name: value.clone() for name, value in child.state_dict().items()}

    def grown(layer: Any, known: Any) -> Tensor:
        weight: Tensor = known.weight
        shape = torch.Size([layer.weight.shape[0], weight.shape[1], *layer.weight.shape[2:]])
        return _resized(weight, shape, _roles(layer, "weight", weight.ndim), generator)

    match_channels(child, parent, example, lambda sources, count: _shares(sources, count, generator), grown)
    if (now := deviation()) >= before:
        child.load_state_dict(kept)
    _put_back(modes)
    return min(now, before)


def _modes(child: nn.Module, parent: nn.Module) -> list[tuple[nn.Module, bool]]:
    return [(module, module.training) for model in (child, parent) for module in model.modules()]


def _put_back(modes: list[tuple[nn.Module, bool]]) -> None:
    for module, training in modes:
        module.training = training


def _deviation(child: nn.Module, parent: nn.Module, example: Any) -> Callable[[], float]:
    """Put both models in evaluation mode, and return the function that measures their deviation."""
    args, kwargs = arguments(example)
    child.eval()
    expected: Tensor = parent.eval()(*args, **kwargs)
    scale = float(expected.abs().max()) or 1.0

    def deviation() -> float:
        outputs: Tensor = child(*args, **kwargs)
        return (
            float((outputs - expected).abs().max()) / scale
            if outputs.shape == expected.shape
            else float("inf")
        )

    return deviation


def _silence(module: nn.Module) -> None:
    """Make the last layer return zeros: a residual block becomes the identity, a branch adds nothing."""
    last = [one for one in module.modules() if next(one.parameters(recurse=False), None) is not None][-1:]
    for parameter in (parameter for layer in last for parameter in layer.parameters(recurse=False)):
        parameter.zero_()


def _pass_on(module: nn.Module) -> None:
    """Make every layer the identity, where its shape allows it."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.eye_(layer.weight)
        elif isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            nn.init.dirac_(layer.weight, layer.groups)
        elif isinstance(layer, _NormBase) and layer.affine and layer.running_var is not None:
            layer.weight.copy_((layer.running_var + layer.eps).sqrt())
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d) and layer.bias is not None:
            layer.bias.zero_()


def _some(names: Mapping[str, Any]) -> str:
    return ", ".join([*names][:3]) + (", ..." if len(names) > 3 else "") if names else "none"
