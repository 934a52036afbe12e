"""The supernet: one module with the weights of every architecture of a space."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from retia.errors import SupernetError
from retia.nn import Mixture, ModelSpace, WeightedSum, uncollected
from retia.space import Architecture, Value
from retia.supernet.agreement import check_agreement
from retia.supernet.assembly import assemble
from retia.supernet.constants import check_constants
from retia.supernet.mixing import Mixing
from retia.supernet.self_check import check_supernet
from retia.supernet.trying import starting_architecture
from retia.supernet.usage import Use, refuse_mismatch, tensors_in_use

__all__ = ["Supernet"]


class Supernet(nn.Module):
    """All architectures of a model space in one module, which share their weights.

    It is made by the constructor that `build` calls, and computes, for the architecture that is activated,
    what the model built alone computes with the weights that `extract` gives. It checks itself for that, for
    the most part before it allocates anything.

    Args:
        space: The space of the models.
        example: What `forward` is called with: a tensor, a tuple of arguments, or a mapping of keyword
            arguments. With it the check also runs the supernet and the models, on the `meta` device, and
            compares what they return; a few of them with numbers too.
        device: Where the weights are made.
        seed: Seeds them, and leaves torch's generator as it was; None draws from it, as torch does.
        kernel_transform: Whether a smaller kernel is the centre of the larger one after a learnt linear map,
            the identity at first, instead of the centre itself. Its matrices belong to the supernet alone.

    Attributes:
        space: The space.
        model: The module with the weights of all architectures.
        architecture: The one that is activated; at first the default.

    Raises:
        SupernetError: If some architecture would not compute what its model built alone does: a layer without
            an elastic version, a choice that the model's own code hides, sizes that do not divide. The
            message names the module, the label and the remedy.
        SpaceError: If the constructor fails for some architecture.

    References:
        Guo et al., Single Path One-Shot Neural Architecture Search with Uniform Sampling, ECCV 2020, section
        3. Cai et al., Once-for-All: Train One Network and Specialize it for Efficient Deployment, ICLR 2020,
            section 3.3, for
        elastic depth, width and kernels, and the kernel transformation.

    >>> import retia
    >>> class Net(nn.Sequential):
    ...     def __init__(self):
    ...         width = retia.choice("width", [8, 16])
    ...         super().__init__(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))
    >>> supernet = Supernet(ModelSpace(Net), seed=0)
    >>> supernet.activate({"width": 8})
    >>> x = torch.ones(1, 4)
    >>> torch.equal(supernet(x), supernet.subnet()(x))
    True
    """

    architecture: Architecture

    def __init__(
        self,
        space: ModelSpace,
        *,
        example: Any = None,
        device: str | torch.device | None = None,
        seed: int | None = None,
        kernel_transform: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(space, ModelSpace):  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
            msg = f"A supernet is made of a ModelSpace, got {space!r}. Give ModelSpace(Net)."
            raise SupernetError(msg)
        self.space = space
        checked = check_supernet(space, example, kernel_transform=kernel_transform)
        self._surplus = checked.surplus
        self._mixed = False
        with uncollected():  # nothing that a collection could free
            assembly = assemble(space, device, seed, kernel_transform=kernel_transform, orders=checked.orders)
            if checked.constants:
                check_constants(space, assembly)
            self.model = assembly.model
            self.slots = assembly.slots
            self.activate(starting_architecture(space))
            if example is not None:
                check_agreement(self, example)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the activated architecture."""
        return self.model(*args, **kwargs)

    def activate(self, architecture: Mapping[str, Value]) -> None:
        """Let the supernet compute what the architecture does, from now on.

        Raises:
            ArchitectureError: If it is not one of the space.
        """
        self.architecture = self.space.validate(architecture)
        self._fill()

    def mix(self, mixtures: Mapping[str, Mixture | Tensor]) -> None:
        """Let choices be weighed, as differentiable search does, where activation takes one value of each.

        A layer choice sums its candidates, a stack (`repeat`) the outputs of its depths, an input choice its
        inputs; a width or kernel runs at its greatest value with the weights multiplied by how likely each
        entry is in use. `activate` ends all mixtures.

        Args:
            mixtures: For each label weights of its values, in the order of its domain, shape (K,); or a
                `Mixture`, which also says how a layer choice's candidates are combined. The other choices
                keep the values that are activated, or their defaults.

        Raises:
            SupernetError: If a choice can't be weighed, or there is not one weight for each value.

        References:
            Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019, section 2.2.
            Wan et al., FBNetV2: Differentiable Neural Architecture Search for Spatial and Channel Dimensions,
            CVPR 2020, section 3.1, for widths. Stamoulis et al., Single-Path NAS, ECML PKDD 2019, section 3,
            for kernels. Deviation: the masks are the expected indicators, not thresholded norms.
        """
        given: dict[str, Mixture] = {}
        for label, mixture in mixtures.items():
            if obstacle := self.mixing.obstacle(label):
                msg = (
                    f"'{label}' {obstacle}, so it can't be mixed. Search it by a method that samples paths, "
                    "or give it a constant."
                )
                raise SupernetError(msg)
            given[label] = WeightedSum(mixture) if isinstance(mixture, Tensor) else mixture
            values = self.mixing.candidates(label)
            if tuple(given[label].weights.shape) != (values,):
                msg = (
                    f"'{label}' has {values} values and needs weights of the shape ({values},), "
                    f"got {tuple(given[label].weights.shape)}."
                )
                raise SupernetError(msg)
        self._unmix()
        self._mixed = True
        self.mixing.apply(given, self.architecture.unwrapped)

    @cached_property
    def mixing(self) -> Mixing:
        """What can be mixed, and how."""
        domains = {
            label: parameter.domain
            for label, parameter in self.space.parameters.items()
            if label in self.space.labels
        }
        return Mixing(self.model, self.slots, domains)

    def extract(self, architecture: Mapping[str, Value] | None = None) -> dict[str, Tensor]:
        """Return the weights of an architecture, with the names and shapes of the `state_dict` of its model:
        copies.

        Args:
            architecture: One of the space; the activated one if not given. Which one is activated stays as it
                was.

        Raises:
            ArchitectureError: If it is not one of the space.
        """
        with torch.no_grad(), self.activated(architecture):
            return {use.name: use.part.detach().clone() for use in self.parts()}

    def copy_into(self, model: nn.Module, architecture: Mapping[str, Value] | None = None) -> None:
        """Copy the weights of an architecture into a model of it, which must have been built from it.

        Args:
            model: The model.
            architecture: One of the space; the activated one if not given. Which one is activated stays as it
                was.

        Raises:
            ArchitectureError: If it is not one of the space.
            SupernetError: If the model is not of that architecture; nothing is copied then.
        """
        targets = model.state_dict()
        with torch.no_grad(), self.activated(architecture):
            parts = {use.name: use for use in self.parts()}
            refuse_mismatch(parts, targets, self.architecture)
            for name, use in parts.items():
                targets[name].copy_(use.part)

    def subnet(self, architecture: Mapping[str, Value] | None = None) -> nn.Module:
        """Return the plain model of an architecture with its weights: no trace of the supernet, and no memory
        shared with it.

        It is on the supernet's device, of its types, and in its mode of training or evaluation.

        Args:
            architecture: One of the space; the activated one if not given.

        Raises:
            ArchitectureError: If it is not one of the space.
        """
        chosen = self.architecture if architecture is None else self.space.validate(architecture)
        weights = self.extract(chosen)
        device = next((tensor.device for tensor in weights.values()), None)
        model = self.space.build(chosen, device=device, seed=0)
        with self.activated(chosen), torch.no_grad():
            types = {use.name: use.part.dtype for use in tensors_in_use(self.model)}
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            if tensor.dtype != types.get(name, tensor.dtype):
                tensor.data = tensor.data.to(types[name])
        model.load_state_dict(weights)
        return model.train(self.training)

    def parts(self) -> Iterator[Use]:
        """Yield what the activated architecture uses of each tensor, by its name in the `state_dict` of its
        model.
        """
        uses = (use for use in tensors_in_use(self.model) if use.persistent)
        if not self._surplus:
            return uses
        # Modules that the model's own code makes in a plain loop, and skips in forward: only its constructor
        # knows which.
        names = self.space.build(self.architecture, device=self.space.traced_on, seed=0).state_dict().keys()
        return (use for use in uses if use.name in names)

    @contextmanager
    def activated(self, architecture: Mapping[str, Value] | None = None) -> Generator[None]:
        """Activate an architecture inside, and the one before afterwards; this ends mixtures.

        Raises:
            ArchitectureError: If it is not one of the space.
        """
        before = self.architecture
        self.activate(before if architecture is None else architecture)
        try:
            yield
        finally:
            self.architecture = before
            self._fill()

    def __getstate__(self) -> dict[str, Any]:
        # A copy finds again what can be mixed, in its own modules. A mixture is part of the copy.
        return {name: value for name, value in vars(self).items() if name != "mixing"}

    def _fill(self) -> None:
        self._unmix()
        self.slots.fill(self.architecture.unwrapped)

    def _unmix(self) -> None:
        if self._mixed:
            self.mixing.clear()
            self._mixed = False
