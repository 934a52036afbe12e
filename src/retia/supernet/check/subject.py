"""The subject of verification: a supernet's model, and how it and the models built alone are run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from retia.errors import InfeasibleArchitecture, SupernetError
from retia.nn import ModelSpace
from retia.space import Architecture
from retia.supernet.assembly import Assembly, named
from retia.supernet.check.architectures import extremes
from retia.supernet.check.blame import cause, culprit, unfollowed
from retia.supernet.check.runs import Outcome, outcome_of
from retia.supernet.check.shape_cache import ShapeCache
from retia.supernet.usage import Use, tensors_in_use

__all__ = ["LOOP", "REMEDY", "Subject", "tensors_of"]

REMEDY = (
    "A choice passes through Python's own control flow or arithmetic there (int(), max(), round(), if, "
    "range) or a look-up (layers[choice]), which forgets it: "
    "use retia.apply(...), layer_choice or repeat, make tensors with their sizes (torch.zeros(1, width)), "
    "or use a multi-trial strategy."
)
LOOP = (
    "A plain loop over a choice, or an if, makes it: stack blocks with retia.repeat, "
    "choose layers with layer_choice, or use a multi-trial strategy."
)


@dataclass(frozen=True)
class Subject:
    """A supernet's model under verification.

    Attributes:
        space: Space of the models.
        assembly: Model of all architectures.
        example: Arguments of `forward`; None if nothing can be run.
        device: Device on which models are built and run.
        cache: Cache of shapes that is active in every run.
    """

    space: ModelSpace
    assembly: Assembly
    example: Any
    device: str
    cache: ShapeCache

    @property
    def model(self) -> nn.Module:
        """The supernet's model."""
        return self.assembly.model

    def activate(self, architecture: Architecture) -> dict[str, Use]:
        """Activate an architecture in the supernet's model, and return the tensors in use by name."""
        self.assembly.slots.fill(architecture.unwrapped)
        return {use.name: use for use in tensors_in_use(self.model)}

    def build(self, architecture: Architecture) -> nn.Module:
        """Build the model of an architecture alone.

        Raises:
            SupernetError: If the constructor rejects the architecture.
        """
        try:
            return self.space.build(architecture, device=self.device, seed=0)
        except InfeasibleArchitecture as error:
            msg = (
                f"The constructor of {self.space.name} rejects {dict(architecture)}: {error}. "
                "A supernet holds every architecture of its space, so the space must know which ones "
                "are valid: use retia.require(condition) instead of reject, or space.where(...)."
            )
            raise SupernetError(msg) from error

    def build_other(self, architecture: Architecture) -> None:
        """Build another architecture, so that globals which a constructor sets no longer fit this one."""
        other = next((one for one in extremes(self.space) if one != architecture), None)
        if other is not None:
            self.build(other)

    def run(self, model: nn.Module, *, training: bool = False) -> Outcome:
        """Run a model on the example."""
        return outcome_of(model, self.example, self.device, self.cache, training=training)

    def culprit(
        self, architecture: Architecture, differs: Callable[[Architecture, nn.Module], bool]
    ) -> str | None:
        """Return the choice that a difference from the model built alone does not follow.

        Args:
            architecture: Architecture for which they differ.
            differs: Function of another architecture and its model: whether they differ for it.
        """
        return culprit(self.space, architecture, lambda one: differs(one, self.build(one)))

    def blame(
        self,
        architecture: Architecture,
        differs: Callable[[Architecture, nn.Module], bool],
        path: str,
        tensor: str | None = None,
    ) -> str:
        """Return sentences about the choice and the constructor's lines behind a difference.

        Args:
            architecture: Architecture for which the models differ.
            differs: Function of another architecture and its model: whether they differ for it.
            path: Path of the module that differs.
            tensor: Name of the module's tensor that differs; None for the module.
        """
        label = self.culprit(architecture, differs)
        return unfollowed(label) + cause(self.space, path, label, tensor)

    def module_of(self, use: Use) -> str:
        """Return the path and the class of the module that holds a tensor."""
        path = next(path for path, module in self.model.named_modules() if module is use.module)
        return named(path, use.module)


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers of a model by name."""
    return {
        **dict(model.named_parameters(remove_duplicate=False)),
        **dict(model.named_buffers(remove_duplicate=False)),
    }
