"""The supernet: one module with the weights of every architecture of a space."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from retia.errors import SupernetError
from retia.nn import Mixture, ModelSpace, WeightedSum, gc_paused
from retia.space import Architecture, Value
from retia.supernet.assembly import assemble
from retia.supernet.check import compare_constants, compare_outputs, compare_structure, starting_architecture
from retia.supernet.mixing import Mixing
from retia.supernet.usage import Use, refuse_mismatch, tensors_in_use

__all__ = ["Supernet"]


class Supernet(nn.Module):
    """All architectures of a model space in one module, with shared weights.

    For the activated architecture, the supernet computes what the model that `build` returns computes with
    the weights that `extract` returns. The constructor verifies this for some architectures, mostly before it
    allocates memory.

    Args:
        space: Space of the models.
        example: Arguments of `forward`: a tensor, a tuple of arguments, or a mapping of keyword arguments.
            With it, verification also runs the supernet and the models on the `meta` device, and a few of
            them on `device`, and compares what they return. Default None: verification runs nothing.
        device: Device of the weights. Default None: torch's default device.
        seed: Seed of the weights, which leaves torch's generator unchanged. Default None: the weights are
            drawn from torch's generator.
        kernel_transform: Whether a smaller kernel is a learnt linear map of the centre of the larger one,
            initially the identity, instead of the centre. Only the supernet has the matrices. Default False.

    Attributes:
        space: The space.
        model: Module with the weights of all architectures.
        architecture: The activated architecture, initially the default.

    Raises:
        SupernetError: If an architecture would not compute what its model built alone computes: a layer has
            no elastic version, the model's code hides a choice, or sizes do not divide. The message names the
            module, the label and the remedy.
        SpaceError: If the constructor fails for an architecture.

    References:
        Guo et al., Single Path One-Shot Neural Architecture Search with Uniform Sampling, ECCV 2020, section
        3. Cai et al., Once-for-All: Train One Network and Specialize it for Efficient Deployment, ICLR 2020,
        section 3.3, for elastic depth, width and kernels, and the kernel transformation.

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
            msg = f"A supernet is made from a ModelSpace, got {space!r}. Give ModelSpace(Net)."
            raise SupernetError(msg)
        self.space = space
        self._mixing: Mixing | None = None
        self._mixed = False
        found = compare_structure(space, example, kernel_transform=kernel_transform)
        self._surplus = found.surplus
        with gc_paused():  # there is nothing that a collection could free
            assembly = assemble(space, device, seed, kernel_transform=kernel_transform, orders=found.orders)
            if found.constants:
                compare_constants(space, assembly)
            self.model = assembly.model
            self.slots = assembly.slots
            self.activate(starting_architecture(space))
            if example is not None:
                compare_outputs(self, example)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the activated architecture."""
        return self.model(*args, **kwargs)

    def activate(self, architecture: Mapping[str, Value]) -> None:
        """Make the supernet compute what an architecture computes.

        Raises:
            ArchitectureError: If `architecture` is not in the space.
        """
        self.architecture = self.space.validate(architecture)
        self._fill()

    def mix(self, mixtures: Mapping[str, Mixture | Tensor]) -> None:
        """Weigh the values of choices, as in differentiable search, instead of activating one value of each.

        A layer choice sums its candidates, a stack (`repeat`) the outputs of its depths, an input choice its
        inputs. A width or kernel runs at its greatest value, with each entry of the weights multiplied by the
        probability that it is in use. `activate` ends all mixtures.

        Args:
            mixtures: Weights of each label's values in the order of its domain, shape (K,); or a `Mixture`,
                which also combines a layer choice's candidates. The other choices keep their activated
                values, or their defaults.

        Raises:
            SupernetError: If a choice can't be weighed, or its number of weights is not its number of values.

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
                    "or replace it by a constant."
                )
                raise SupernetError(msg)
            given[label] = WeightedSum(mixture) if isinstance(mixture, Tensor) else mixture
            values = self.mixing.candidates(label)
            if tuple(given[label].weights.shape) != (values,):
                msg = (
                    f"'{label}' has {values} values and needs weights of the shape ({values},), "
                    f"got {tuple(given[label].weights.shape)}. Give one weight for each value."
                )
                raise SupernetError(msg)
        self._end_mixture()
        self._mixed = True
        self.mixing.apply(given, self.architecture.unwrapped)

    @property
    def mixing(self) -> Mixing:
        """The choices that can be mixed."""
        if self._mixing is None:
            parameters = self.space.parameters.items()
            domains = {label: one.domain for label, one in parameters if label in self.space.labels}
            self._mixing = Mixing(self.model, self.slots, domains)
        return self._mixing

    def extract(self, architecture: Mapping[str, Value] | None = None) -> dict[str, Tensor]:
        """Return copies of the weights of an architecture, as the `state_dict` of its model built alone.

        Args:
            architecture: An architecture of the space. Default None: the activated one. The activated
                architecture does not change.

        Raises:
            ArchitectureError: If `architecture` is not in the space.
        """
        with torch.no_grad(), self.activated(architecture):
            return {use.name: use.part.detach().clone() for use in self.parts()}

    def copy_into(self, model: nn.Module, architecture: Mapping[str, Value] | None = None) -> None:
        """Copy the weights of an architecture into its model.

        Args:
            model: Model that was built from the architecture.
            architecture: An architecture of the space. Default None: the activated one. The activated
                architecture does not change.

        Raises:
            ArchitectureError: If `architecture` is not in the space.
            SupernetError: If `model` has another architecture; nothing is copied then.
        """
        targets = model.state_dict()
        with torch.no_grad(), self.activated(architecture):
            parts = {use.name: use for use in self.parts()}
            refuse_mismatch(parts, targets, self.architecture)
            for name, use in parts.items():
                targets[name].copy_(use.part)

    def subnet(self, architecture: Mapping[str, Value] | None = None) -> nn.Module:
        """Return the plain model of an architecture with a copy of its weights.

        The model has the supernet's device, data types, and mode (training or evaluation).

        Args:
            architecture: An architecture of the space. Default None: the activated one.

        Raises:
            ArchitectureError: If `architecture` is not in the space.
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
        """Yield the parts of tensors that the activated architecture's `state_dict` consists of."""
        uses = (use for use in tensors_in_use(self.model) if use.persistent)
        if not self._surplus:
            return uses
        # Only the constructor knows which modules of a plain loop it makes for this architecture.
        names = self.space.build(self.architecture, device=self.space.traced_on, seed=0).state_dict().keys()
        return (use for use in uses if use.name in names)

    @contextmanager
    def activated(self, architecture: Mapping[str, Value] | None = None) -> Generator[None]:
        """Activate an architecture inside the context, and the previous one afterwards; this ends mixtures.

        Args:
            architecture: An architecture of the space. Default None: the activated one.

        Raises:
            ArchitectureError: If `architecture` is not in the space.
        """
        before = self.architecture
        self.activate(before if architecture is None else architecture)
        try:
            yield
        finally:
            self.architecture = before
            self._fill()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_mixing": None}  # a copy finds the choices again in its own modules

    def _fill(self) -> None:
        self._end_mixture()
        self.slots.fill(self.architecture.unwrapped)

    def _end_mixture(self) -> None:
        if self._mixed:
            self.mixing.clear()
            self._mixed = False
