"""A trial run with numbers: what a supernet returns for an example is what the model built alone does with
the same weights.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from retia.errors import SupernetError
from retia.nn import seeded
from retia.space import Architecture
from retia.supernet.outcome import arguments
from retia.supernet.self_check import REMEDY
from retia.supernet.trying import architectures_to_try, culprit, extremes, follows, greatest_architecture

if TYPE_CHECKING:
    from retia.supernet.supernet import Supernet

__all__ = ["check_agreement"]

ARCHITECTURES = 3
"""How many architectures are run; the greatest is none of them, which what has gone stale is true of."""
TOLERANCE = 1e-3
"""How far outputs may differ, relative to the largest of them."""
ROUGH = 5e-2
"""The same for half precision, and where other hardware rounds products, as GPUs do (TF32)."""


def check_agreement(supernet: "Supernet", example: Any) -> None:
    """Run a supernet and some of its subnets on an example, in evaluation mode, and compare what they return.

    It sees what shapes don't show: a value that forward keeps in a global, the class of a layer choice that
    it asks for. Buffers and modes are left as they were. An example of equal numbers, such as zeros, is
    replaced by random ones, for it would hide what they are multiplied by.

    Raises:
        SupernetError: If the outputs differ.
    """
    example = tree_map(_varied, example)
    if any(
        tensor.is_meta
        for tensor in (*tree_leaves(example), *supernet.parameters(), *supernet.buffers())
        if isinstance(tensor, Tensor)
    ):
        return
    place = next(
        (tensor.device for tensor in (*supernet.parameters(), *supernet.buffers())), torch.device("cpu")
    )
    example = tree_map(lambda x: x.to(place) if isinstance(x, Tensor) else x, example)
    space = supernet.space
    with _left_as_it_was(supernet):
        large = next(
            (
                one
                for one in (*extremes(space), *architectures_to_try(space))
                if one not in set(_to_run(supernet))
            ),
            supernet.architecture,
        )
        expected = {
            architecture: _outputs(supernet.subnet(architecture), example)
            for architecture in _to_run(supernet)
        }
        _call_another(supernet, large, example)
        for architecture, outputs in expected.items():
            if _unlike(supernet, architecture, example, outputs) and (
                reason := _disagreement(supernet, architecture, example)
            ):
                label = culprit(
                    space, architecture, lambda one: _disagreement(supernet, one, example) is not None
                )
                msg = (
                    f"For {dict(architecture)} the supernet {reason}.{follows(label)} Its forward reads a "
                    f"value that does not follow the choices. {REMEDY}"
                )
                raise SupernetError(msg)


def _to_run(supernet: "Supernet") -> Iterator[Architecture]:
    large = greatest_architecture(supernet.space)
    smaller = [architecture for architecture in architectures_to_try(supernet.space) if architecture != large]
    yield from smaller[:ARCHITECTURES]


def _disagreement(supernet: "Supernet", architecture: Architecture, example: Any) -> str | None:
    """Return in what the supernet differs from its subnet, as what is said of it; None where the subnet
    fails, or differs from itself from call to call.
    """
    with supernet.activated(architecture):
        alone = supernet.subnet()
        expected = _outputs(alone, example)
        if isinstance(expected, Exception):
            return None
        # What the constructor keeps outside of the model, in a global say, or forward in a cache, is not by
        # chance what it should be.
        other = next(
            (
                one
                for one in (*extremes(supernet.space), *architectures_to_try(supernet.space))
                if one != architecture
            ),
            architecture,
        )
        _call_another(supernet, other, example)
        found = _outputs(supernet, example)
        if isinstance(found, Exception):
            return f"fails where the model built alone runs: {type(found).__name__}: {found}"
        if len(found) != len(expected):
            return f"returns {len(found)} tensors, the model built alone {len(expected)}"
        if not any(map(_differ, found, expected)):
            return None
        alone = supernet.subnet()
        for again in (_outputs(alone, example), _outputs(alone, example)):
            if isinstance(again, Exception) or any(map(_differ, again, expected)):
                return None
        one, other = next(
            (one, other) for one, other in zip(found, expected, strict=True) if _differ(one, other)
        )
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


def _call_another(supernet: "Supernet", architecture: Architecture, example: Any) -> None:
    """Build and run another architecture, whose values are then left behind wherever something outside of the
    model keeps them.
    """
    with supernet.activated(architecture):
        _outputs(supernet, example)
    supernet.space.build(architecture, device=supernet.space.traced_on, seed=0)


def _unlike(
    supernet: "Supernet", architecture: Architecture, example: Any, expected: list[Tensor] | Exception
) -> bool:
    """Whether the supernet seems to return something else than its subnet has returned."""
    with supernet.activated(architecture):
        found = _outputs(supernet, example)
    if isinstance(expected, Exception):
        return False
    return isinstance(found, Exception) or len(found) != len(expected) or any(map(_differ, found, expected))


def _outputs(model: nn.Module, example: Any) -> list[Tensor] | Exception:
    args, kwargs = arguments(example)
    try:
        with seeded(0), torch.no_grad():
            returned = model.eval()(*args, **kwargs)
    except Exception as error:  # noqa: BLE001  # whatever a user's forward raises
        return error
    return [
        output
        for output in tree_leaves(returned)
        if isinstance(output, Tensor) and output.is_floating_point()
    ]


def _differ(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return True
    exact = other.dtype in (torch.float32, torch.float64) and other.device.type == "cpu"
    one, other = one.double(), other.double()
    largest = float(other.nan_to_num(0.0, 0.0, 0.0).abs().max()) if other.numel() else 0.0
    return not torch.allclose(
        one, other, rtol=0.0, atol=(TOLERANCE if exact else ROUGH) * largest + 1e-6, equal_nan=True
    )


def _varied(value: Any) -> Any:
    if (
        not (isinstance(value, Tensor) and value.is_floating_point())
        or value.is_meta
        or value.numel() < 2
        or value.min() != value.max()
    ):
        return value
    generator = torch.Generator().manual_seed(0)
    return torch.randn(value.shape, generator=generator, dtype=torch.float32).to(value)


@contextmanager
def _left_as_it_was(model: nn.Module) -> Generator[None]:
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
