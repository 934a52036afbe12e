"""Comparison of outputs: the numbers that a supernet and its subnets return for an example."""

from collections.abc import Collection, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from retia.errors import SupernetError
from retia.nn import ModelSpace, seeded
from retia.space import Architecture
from retia.supernet.check.architectures import architectures_to_try, extremes, greatest_architecture
from retia.supernet.check.blame import culprit, unfollowed
from retia.supernet.check.runs import arguments, moved
from retia.supernet.check.subject import REMEDY

__all__ = ["Activatable", "compare_outputs"]

ARCHITECTURES = 3
"""Number of architectures that are run, without the greatest one, to which outdated values would belong."""
TOLERANCE = 1e-3
"""Largest difference of outputs, relative to the largest output."""
ROUGH = 5e-2
"""The same for half precision, and for hardware that rounds products, such as GPUs (TF32)."""


class Activatable(Protocol):
    """A supernet, as far as its outputs are compared.

    Laws: inside `activated(a)`, `model` computes what `subnet(a)` computes.
    """

    model: nn.Module
    space: ModelSpace

    def activated(self, architecture: Architecture | None = None) -> AbstractContextManager[None]:
        """Activate an architecture inside the context."""
        ...

    def subnet(self, architecture: Architecture | None = None) -> nn.Module:
        """Return the plain model of an architecture, with the supernet's weights."""
        ...


def compare_outputs(supernet: Activatable, example: Any) -> None:
    """Run a supernet and some of its subnets in evaluation mode, and compare what they return.

    This finds what shapes do not show, such as a value that `forward` keeps in a global. Buffers and modes
    are restored. An example of equal numbers, such as zeros, hides what it is multiplied by, so it is
    replaced by random numbers. On `meta` nothing is compared.

    Raises:
        SupernetError: If the outputs differ.
    """
    example = tree_map(_varied, example)
    tensors = (*supernet.model.parameters(), *supernet.model.buffers())
    if any(leaf.is_meta for leaf in (*tree_leaves(example), *tensors) if isinstance(leaf, Tensor)):
        return
    example = moved(example, next((tensor.device for tensor in tensors), torch.device("cpu")))
    space = supernet.space
    greatest = greatest_architecture(space)
    tried = [one for one in architectures_to_try(space) if one != greatest][:ARCHITECTURES]
    with _restored(supernet.model):
        expected = {one: _outputs(supernet.subnet(one), example) for one in tried}
        _run_other(supernet, tried, example)
        for architecture, outputs in expected.items():
            with supernet.activated(architecture):
                found = _outputs(supernet.model, example)
            if isinstance(outputs, Exception) or not _differ(found, outputs):
                continue
            if reason := _disagreement(supernet, architecture, example):
                label = culprit(
                    space, architecture, lambda one: _disagreement(supernet, one, example) is not None
                )
                msg = (
                    f"For {dict(architecture)} the supernet {reason}.{unfollowed(label)} Its forward reads a "
                    f"value that does not follow the choices. {REMEDY}"
                )
                raise SupernetError(msg)


def _disagreement(supernet: Activatable, architecture: Architecture, example: Any) -> str | None:
    """Return how a supernet differs from a subnet; None if the subnet fails or is not deterministic."""
    with supernet.activated(architecture):
        expected = _outputs(supernet.subnet(), example)
        if isinstance(expected, Exception):
            return None
        # Values outside of the model, in a global or a cache, then no longer fit by accident.
        _run_other(supernet, [architecture], example)
        found = _outputs(supernet.model, example)
        if isinstance(found, Exception):
            return f"fails where the model built alone runs: {type(found).__name__}: {found}"
        if len(found) != len(expected):
            return f"returns {len(found)} tensors, the model built alone {len(expected)}"
        if not _differ(found, expected):
            return None
        alone = supernet.subnet()
        if any(_differ(_outputs(alone, example), expected) for _ in range(2)):
            return None
        one, other = next((a, b) for a, b in zip(found, expected, strict=True) if not _close(a, b))
        if one.shape != other.shape:
            return (
                f"returns the shape {tuple(one.shape)}, the model built alone with the same weights "
                f"{tuple(other.shape)}"
            )
        return (
            "returns other numbers than the model built alone with the same weights: "
            f"they differ by up to {float((one - other).abs().max()):.3g}, "
            f"of {float(other.abs().max()):.3g}"
        )


def _run_other(supernet: Activatable, excluded: Collection[Architecture], example: Any) -> None:
    """Run and build an architecture, so that globals and caches hold values that no excluded one left."""
    space = supernet.space
    candidates = (*extremes(space), *architectures_to_try(space))
    other = next((one for one in candidates if one not in excluded), candidates[-1])
    with supernet.activated(other):
        _outputs(supernet.model, example)
    space.build(other, device=space.traced_on, seed=0)


def _outputs(model: nn.Module, example: Any) -> list[Tensor] | Exception:
    args, kwargs = arguments(example)
    try:
        with seeded(0), torch.no_grad():
            returned = model.eval()(*args, **kwargs)
    except Exception as error:  # noqa: BLE001  # a user's forward may raise anything
        return error
    return [leaf for leaf in tree_leaves(returned) if isinstance(leaf, Tensor) and leaf.is_floating_point()]


def _differ(found: list[Tensor] | Exception, expected: list[Tensor]) -> bool:
    if isinstance(found, Exception) or len(found) != len(expected):
        return True
    return not all(map(_close, found, expected))


def _close(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    exact = other.dtype in (torch.float32, torch.float64) and other.device.type == "cpu"
    one, other = one.double(), other.double()
    largest = float(other.nan_to_num(0.0, 0.0, 0.0).abs().max()) if other.numel() else 0.0
    atol = (TOLERANCE if exact else ROUGH) * largest + 1e-6
    return torch.allclose(one, other, rtol=0.0, atol=atol, equal_nan=True)


def _varied(value: Any) -> Any:
    """Return random numbers instead of a tensor of equal numbers, and any other value itself."""
    if not isinstance(value, Tensor) or not value.is_floating_point() or value.is_meta:
        return value
    if value.numel() < 2 or value.min() != value.max():
        return value
    generator = torch.Generator().manual_seed(0)
    return torch.randn(value.shape, generator=generator, dtype=torch.float32).to(value)


@contextmanager
def _restored(model: nn.Module) -> Generator[None]:
    """Restore the buffers and modes of a model at the end of the context."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
        for module, mode in modes:
            module.training = mode
