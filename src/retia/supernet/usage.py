"""Which modules and tensors of a supernet the present architecture uses, by their names in the model built
alone.
"""

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
    """A tensor that the present architecture uses.

    Attributes:
        name: Its name in the model built alone, as in its `state_dict`.
        module: The module that holds it.
        tensor: Its name in the module.
        persistent: Whether it is part of a `state_dict`.
    """

    name: str
    module: nn.Module
    tensor: str
    persistent: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape in the model built alone."""
        if isinstance(self.module, Elastic):
            return tuple(self.module.shapes()[self.tensor])
        return tuple(self.part.shape)

    @property
    def part(self) -> Tensor:
        """The part of the full tensor that is used."""
        return (
            self.module.part(self.tensor)
            if isinstance(self.module, Elastic)
            else getattr(self.module, self.tensor)
        )

    def write(self, values: Tensor) -> None:
        """Copy values into the part of the full tensor."""
        if isinstance(self.module, Elastic):
            self.module.write(self.tensor, values)
        else:
            self.part.copy_(values)


def modules_in_use(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules that the present architecture uses, each with its name in the model built alone;
    switches themselves are left out.
    """
    if isinstance(module, Switch):
        for name, child in module.present():
            yield from modules_in_use(child, f"{prefix}.{name}".strip("."))
        return
    yield prefix, module
    for name, child in module._modules.items():
        if child is not None:
            yield from modules_in_use(child, f"{prefix}.{name}".strip("."))


def switches_in_use(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, Switch]]:
    """Yield the switches among, and around, the modules that the present architecture uses, each with its
    name in the model built alone.
    """
    children = module.present() if isinstance(module, Switch) else module._modules.items()
    if isinstance(module, Switch):
        yield prefix, module
    for name, child in children:
        if child is not None:
            yield from switches_in_use(child, f"{prefix}.{name}".strip("."))


def tensors_in_use(module: nn.Module) -> Iterator[Use]:
    """Yield the tensors that the present architecture uses, each with its name in the model built alone."""
    for path, holder in modules_in_use(module):
        own = [*holder._parameters.items(), *holder._buffers.items()]
        names = (
            list(holder.shapes())
            if isinstance(holder, Elastic)
            else [name for name, tensor in own if tensor is not None]
        )
        for name in names:
            yield Use(
                f"{path}.{name}".strip("."),
                holder,
                name,
                persistent=name not in holder._non_persistent_buffers_set,
            )


def refuse_mismatch(
    parts: Mapping[str, Use], weights: Mapping[str, Tensor], architecture: Architecture
) -> None:
    """Refuse tensors of other names or shapes than those that an architecture uses.

    Raises:
        SupernetError: If a name or a shape differs.
    """
    shown = dict(architecture)
    odd = next((name for name in (*parts, *weights) if (name in parts) != (name in weights)), None)
    if odd is not None:
        where = "is missing" if odd in parts else "is in no such model"
        msg = (
            f"These are not the weights of a model of {shown}: '{odd}' {where}. "
            "Give the architecture that the model was built from."
        )
        raise SupernetError(msg)
    for name, use in parts.items():
        if tuple(weights[name].shape) != use.shape:
            msg = (
                f"These are not the weights of a model of {shown}: '{name}' has the shape "
                f"{tuple(weights[name].shape)} instead of {use.shape}. "
                f"Give the architecture that the model was built from."
            )
            raise SupernetError(msg)
