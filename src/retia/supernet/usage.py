"""The modules and tensors of a supernet that are in use, by their names in the model built alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from retia.errors import SupernetError
from retia.nn import Switch
from retia.space import Architecture
from retia.supernet.elastic import Elastic

__all__ = ["Use", "modules_in_use", "refuse_mismatch", "switches_in_use", "tensors_in_use"]


@dataclass(frozen=True, eq=False)
class Use:
    """A tensor that the active architecture uses.

    Attributes:
        name: Name of the tensor in the `state_dict` of the model built alone.
        module: Module that holds it.
        tensor: Name of the tensor in the module.
        persistent: Whether a `state_dict` contains it.
    """

    name: str
    module: nn.Module
    tensor: str
    persistent: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the tensor in the model built alone."""
        if isinstance(self.module, Elastic):
            return tuple(self.module.shapes()[self.tensor])
        return tuple(self.part.shape)

    @property
    def part(self) -> Tensor:
        """The part of the full tensor that is in use."""
        if isinstance(self.module, Elastic):
            return self.module.part(self.tensor)
        return getattr(self.module, self.tensor)

    def write(self, values: Tensor) -> None:
        """Copy values into the part of the full tensor."""
        if isinstance(self.module, Elastic):
            self.module.write(self.tensor, values)
        else:
            self.part.copy_(values)


def modules_in_use(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield name and module, without switches, of the modules that the active architecture uses."""
    if isinstance(module, Switch):
        for name, child in module.present():
            yield from modules_in_use(child, f"{prefix}.{name}".strip("."))
        return
    yield prefix, module
    for name, child in module._modules.items():
        if child is not None:
            yield from modules_in_use(child, f"{prefix}.{name}".strip("."))


def switches_in_use(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, Switch]]:
    """Yield name and module of the switches on the paths of modules that the active architecture uses."""
    children = module.present() if isinstance(module, Switch) else module._modules.items()
    if isinstance(module, Switch):
        yield prefix, module
    for name, child in children:
        if child is not None:
            yield from switches_in_use(child, f"{prefix}.{name}".strip("."))


def tensors_in_use(module: nn.Module) -> Iterator[Use]:
    """Yield the tensors that the active architecture uses."""
    for path, holder in modules_in_use(module):
        own = [*holder._parameters.items(), *holder._buffers.items()]
        present = [name for name, tensor in own if tensor is not None]
        for name in holder.shapes() if isinstance(holder, Elastic) else present:
            saved = name not in holder._non_persistent_buffers_set
            yield Use(f"{path}.{name}".strip("."), holder, name, persistent=saved)


def refuse_mismatch(
    parts: Mapping[str, Use], weights: Mapping[str, Tensor], architecture: Architecture
) -> None:
    """Reject tensors whose names or shapes are not those that an architecture uses.

    Raises:
        SupernetError: If a name or a shape differs.
    """
    reasons = {
        **{name: "is missing" for name in parts if name not in weights},
        **{name: "is not in such a model" for name in weights if name not in parts},
    }
    reasons = reasons or {
        name: f"has the shape {tuple(weights[name].shape)} instead of {use.shape}"
        for name, use in parts.items()
        if tuple(weights[name].shape) != use.shape
    }
    for name, reason in reasons.items():
        msg = (
            f"These are not the weights of a model of {dict(architecture)}: '{name}' {reason}. "
            "Give the architecture that the model was built from."
        )
        raise SupernetError(msg)
