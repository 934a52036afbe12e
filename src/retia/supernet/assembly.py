"""Assembly of a supernet's model: symbolic construction, conversion to elastic layers, search for slots."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized

from retia.errors import SupernetError
from retia.nn import ModelSpace
from retia.space import expression_of, labels_of, symbolic
from retia.supernet.convolution import ElasticConvolution
from retia.supernet.elastic import Elastic, behaviour_of, elastic_version, layer_class
from retia.supernet.layout import Orders, Product, lay_out, products_of
from retia.supernet.sizes import RecordedSizes
from retia.supernet.slots import Slot, Slots, find_slots

__all__ = ["Assembly", "Division", "assemble", "named", "where"]

_CONTAINERS = (nn.Module, nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)


@dataclass(frozen=True)
class Division:
    """Two attributes of a layer, the first of which has to divide the second for every architecture."""

    path: str
    layer: str
    divisor: str
    dividend: str
    divisor_term: Any
    dividend_term: Any

    @property
    def terms(self) -> tuple[Any, Any]:
        """The terms of the divisor and the dividend."""
        return self.divisor_term, self.dividend_term


@dataclass(frozen=True)
class Assembly:
    """A model that holds every architecture.

    Attributes:
        model: The model.
        slots: Its slots.
        divisions: Divisions in its layers.
        products: Sizes of its tensors that are products.
    """

    model: nn.Module
    slots: Slots
    divisions: tuple[Division, ...]
    products: tuple[Product, ...]


def assemble(
    space: ModelSpace,
    device: str | torch.device | None = None,
    seed: int | None = None,
    *,
    kernel_transform: bool = False,
    orders: Orders = MappingProxyType({}),
) -> Assembly:
    """Construct the model of all architectures.

    Args:
        space: Space of the models.
        device: Device of the tensors. Default None: torch's default device.
        seed: Seed of the weights. Default None: they are drawn from torch's generator.
        kernel_transform: Whether smaller kernels are learnt linear maps of larger ones. Default False.
        orders: Orders in which the factors of sizes are laid out. Default: the order of the code.

    Raises:
        SpaceError: If the constructor fails.
        SupernetError: If a layer with a searchable tensor has no elastic version, a function hides a choice,
            or `kernel_transform` is True and no kernel is searched.
    """
    domains = {label: parameter.domain for label, parameter in space.parameters.items()}
    with RecordedSizes(domains) as sizes:
        model = space.assemble(device, seed)
    found = find_slots(model)
    slots: dict[int, list[Slot]] = {}
    for slot in found:
        slots.setdefault(id(slot.owner), []).append(slot)
    divisions: list[Division] = []
    products: list[Product] = []
    transformed = False
    for path, module in model.named_modules():
        _make_elastic(path, module, sizes, slots.get(id(module), []))
        divisions += _divisions(path, module)
        if isinstance(module, Elastic) and symbolic(module.elastic_sizes):
            found.append(Slot(module, "elastic_sizes", expression_of(module.elastic_sizes), path))
            own = list(products_of(path, module, domains))
            products += own
            if factors := lay_out(module, own, orders, domains):
                found.append(Slot(module, "factors", factors, path))
        if kernel_transform and isinstance(module, ElasticConvolution) and symbolic(module.kernel_size):
            module.transform_kernels(domains)
            transformed = True
    if kernel_transform and not transformed:
        msg = (
            f"kernel_transform=True has nothing to transform: no convolution of {space.name} has a "
            "searchable kernel. Leave it out, or search a kernel_size."
        )
        raise SupernetError(msg)
    return Assembly(model, Slots(found), tuple(divisions), tuple(products))


def _make_elastic(path: str, module: nn.Module, sizes: RecordedSizes, slots: list[Slot]) -> None:
    tensors: dict[str, Tensor] = {
        name: t for own in (module._parameters, module._buffers) for name, t in own.items() if t is not None
    }
    if lazy := next((name for name, tensor in tensors.items() if is_lazy(tensor)), None):
        msg = (
            f"{where(path)} ({type(module).__name__}) takes the size of its '{lazy}' from the first call, "
            "so a supernet can't know it. Give the layer its size."
        )
        raise SupernetError(msg)
    shapes = {name: sizes.of(tensor) or tuple(tensor.shape) for name, tensor in tensors.items()}
    searchable = {name: shape for name, shape in shapes.items() if symbolic(shape)}
    layer = type(module)
    behaviour = behaviour_of(layer)
    if not searchable and (behaviour is None or not slots or not tensors):
        return
    searched = _searched(slots, searchable)
    if is_parametrized(module):
        msg = (
            f"{where(path)} ({layer.__name__.removeprefix('Parametrized')}) {searched} and a "
            "parametrization, such as weight_norm, which computes a tensor from others. "
            "Parametrize the models that subnet() "
            "returns instead, give the layer a constant size, or use a multi-trial strategy."
        )
        raise SupernetError(msg)
    if behaviour is None:
        _refuse_torchs_own(layer, f"{where(path)} ({layer.__name__}) {searched}")
        behaviour = Elastic
    module.__class__ = elastic_version(behaviour, layer)
    assert isinstance(module, Elastic)
    module.elastic_sizes = shapes
    try:
        module.prepare()
    except SupernetError as error:
        msg = f"{where(path)} ({layer.__name__}) {searched}, but {error}"
        raise SupernetError(msg) from error


def _refuse_torchs_own(layer: type[nn.Module], what: str) -> None:
    """Reject a layer of torch or a class derived from one, whose use of its tensors is not known."""
    torchs = next(
        (base for base in layer.__mro__ if base.__module__.startswith("torch.") and base not in _CONTAINERS),
        None,
    )
    if torchs is None or not issubclass(torchs, nn.Module):
        return
    if layer is torchs:
        msg = (
            f"{what}, but {layer.__name__} has no elastic version. Fix it before the search, "
            "give it a constant size, "
            f"register one with @retia.supernet.elastic(nn.{layer.__name__}), or use a multi-trial strategy."
        )
    else:
        msg = (
            f"{what}. {layer.__name__} derives from {torchs.__name__} and may compute something else, "
            "so it has no elastic version. "
            f"{_as_torchs(layer, torchs)} register how it is elastic with "
            f"@retia.supernet.elastic({layer.__name__}), "
            "give it a constant size, or use a multi-trial strategy."
        )
    raise SupernetError(msg)


def _as_torchs(layer: type[nn.Module], torchs: type[nn.Module]) -> str:
    behaviour = behaviour_of(torchs)
    if behaviour is None:
        return "To search it,"
    register = f"retia.supernet.elastic({layer.__name__})(retia.supernet.{behaviour.__name__})"
    return (
        f"If it reads its tensors as {torchs.__name__} does, write {register} before the search. Otherwise,"
    )


def where(path: str) -> str:
    """Return a module's path as the subject of a sentence; "" is the path of the whole model."""
    return f"'{path}'" if path else "The model itself"


def named(path: str, module: nn.Module) -> str:
    """Return a module's path and class for use within a sentence."""
    return f"{where(path) if path else 'the model itself'} ({layer_class(module).__name__})"


def _searched(slots: list[Slot], searchable: dict[str, tuple[int, ...]]) -> str:
    """Return the predicate that a layer has a searchable attribute or tensor, with its labels."""
    if slots:
        name, labels = slots[0].name, slots[0].labels
    else:
        name, shape = next(iter(searchable.items()))
        labels = labels_of(expression_of(shape))
    return f"has a searchable '{name}' (label {', '.join(map(repr, sorted(labels)))})"


def _divisions(path: str, module: nn.Module) -> list[Division]:
    found: list[Division] = []
    # The sizes of a layer without tensors, such as a normalization without weights, have to divide as well.
    behaviour = type(module) if isinstance(module, Elastic) else behaviour_of(type(module))
    for divisor, dividend in behaviour.divides if behaviour is not None else ():
        terms = expression_of(getattr(module, divisor)), expression_of(getattr(module, dividend))
        if labels_of(terms):
            found.append(Division(path, layer_class(module).__name__, divisor, dividend, *terms))
    return found
