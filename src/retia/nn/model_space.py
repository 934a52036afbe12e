"""The model space: a search space that a plain constructor describes, and that builds its models."""

import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from retia.errors import RetiaError, SpaceError
from retia.nn.collection import uncollected
from retia.nn.placement import placed
from retia.nn.seeding import preserved, seeded
from retia.space import Builder, Domain, SearchSpace, Tracer, Value
from retia.space import explore as explore_constructor

__all__ = ["ModelSpace"]


class ModelSpace(SearchSpace):
    """The architectures of a model, found by running its constructor once, on the `meta` device: no memory, no time.

    Args:
        factory: What makes the model: an `nn.Module` class or a function. Its choices are the parameters of the space.
        args: What the factory is called with.
        explore: Whether to trace the constructor for every value of every choice, one at a time, so as to find choices that
            Python's own control flow (`if`, `for`) makes only for some values of others.
        kwargs: What the factory is called with.

    Attributes:
        traced_on: The device that the constructor can be traced on: "meta", or "cpu" where it needs values of tensors.

    Raises:
        SpaceError: If the constructor fails, makes no module, or declares choices that contradict each other.

    Warns:
        UserWarning: If the constructor can't run on `meta` (it reads values of tensors) and was traced on the CPU instead.

    >>> class Net(nn.Sequential):
    ...     def __init__(self):
    ...         width = choice("width", [8, 16])
    ...         super().__init__(nn.Linear(4, width), layer_choice("act", [nn.ReLU, nn.Tanh]), nn.Linear(width, 2))
    >>> from retia.nn import layer_choice
    >>> from retia.space import choice
    >>> space = ModelSpace(Net)
    >>> space.size()
    4
    >>> space.build({"width": 16, "act": "Tanh"})
    Net(
      (0): Linear(in_features=4, out_features=16, bias=True)
      (1): Tanh()
      (2): Linear(in_features=16, out_features=2, bias=True)
    )
    """

    def __init__(self, factory: Callable[..., nn.Module], *args: Any, explore: bool = False, **kwargs: Any) -> None:
        if isinstance(factory, nn.Module) or not callable(factory):
            msg = f"A ModelSpace takes the class of a model or a function that makes it, got {factory!r}. Give the class, not an instance of it."
            raise SpaceError(msg)
        self._factory = factory
        self._args = args
        self._kwargs = kwargs
        self._beside: frozenset[str] = frozenset()
        self._meta_error: BaseException | None = None
        self.traced_on = "meta"
        super().__init__(explore_constructor(self._trace) if explore else self._trace({}).parameters.values())
        if self._meta_error is not None:
            reason, self._meta_error = self._meta_error, None
            self.traced_on = "cpu"
            warnings.warn(
                f"{self.name} can't be constructed on the meta device ({type(reason).__name__}: {reason}), "
                f"so it was traced on the CPU, with its largest weights in memory.",
                stacklevel=2,
            )

    @property
    def name(self) -> str:
        """The name of the class or function that makes the models."""
        return getattr(self._factory, "__name__", type(self._factory).__name__)

    def extend(self, domains: Mapping[str, Domain]) -> Self:
        """Return the space with further parameters, which the constructor does not ask for.

        Raises:
            SpaceError: If a label exists already.
        """
        space = super().extend(domains)
        space._beside = self._beside | domains.keys()
        return space

    def build(self, architecture: Mapping[str, Value], device: str | torch.device | None = None, seed: int | None = None) -> nn.Module:
        """Build the model of an architecture: what the constructor makes with these values, and nothing else.

        Args:
            architecture: One of the space.
            device: Where its tensors are made; "meta" makes none, and fills none: functions of `torch.nn.init` do nothing there.
            seed: Seeds the weights, and leaves torch's generator as it was; None draws from it, as torch does.

        Raises:
            ArchitectureError: If the architecture is not one of the space.
            SpaceError: If the constructor fails, or its choices are not those that were traced.
        """
        architecture = self.validate(architecture)
        builder = Builder(architecture, self._parameters)
        with builder.recording(), placed(device), seeded(seed):
            try:
                model = self._factory(*self._args, **self._kwargs)
            except RetiaError:
                raise
            except Exception as error:
                msg = f"The constructor of {self.name} fails for {dict(architecture)}: {type(error).__name__}: {error}"
                raise SpaceError(msg) from error
        if len(builder.asked) + len(self._beside) < len(architecture):
            unasked = next(label for label in architecture if label not in builder.asked and label not in self._beside)
            msg = (
                f"The constructor of {self.name} did not ask for '{unasked}' with {dict(architecture)}, though tracing saw it: "
                f"Python's own control flow (if, range) over another choice decides whether it is declared, so that two "
                f"architectures would build the same model. Use layer_choice or repeat, "
                f"or let ModelSpace(..., explore=True) trace the constructor for every value."
            )
            raise SpaceError(msg)
        return model

    def assemble(self, device: str | torch.device | None = None, seed: int | None = None, *, tracer: Tracer | None = None) -> nn.Module:
        """Run the constructor with symbolic values, the greatest of each choice, and return all that it makes.

        The model has every candidate of every choice and every block, and its modules' attributes hold the symbolic values: it is
        what a supernet is made of.

        Args:
            device: Where its tensors are made.
            seed: Seeds the weights, and leaves torch's generator as it was; None draws from it, as torch does.
            tracer: What gives the symbolic values, where it is to see more of the run.

        Raises:
            SpaceError: If the constructor fails.
        """
        with seeded(seed):
            return self._run(tracer or Tracer(), device)

    @property
    def labels(self) -> frozenset[str]:
        """The parameters that the constructor asks for: all but those that `extend` has added."""
        return frozenset(self._parameters) - self._beside

    def seeded(self, seed: int) -> AbstractContextManager[None]:
        """Seed torch inside, and restore its generators afterwards."""
        return seeded(seed)

    def load(self, architecture: Mapping[str, Value], path: Path, device: str | torch.device | None = None) -> nn.Module:
        """Build a model and load its weights from a safetensors file, in evaluation mode.

        Raises:
            SpaceError: If the file's tensors are not those of the model.
        """
        from safetensors.torch import load_model

        model = self.build(architecture, device=device, seed=0)
        try:
            load_model(model, path, device=str(device or "cpu"))
        except RuntimeError as error:
            msg = f"The weights in {path} are not those of this architecture: {error}. Has the code of {self.name} changed since they were saved?"
            raise SpaceError(msg) from error
        return model.eval()

    def _trace(self, overrides: Mapping[str, Value]) -> Tracer:
        if self._meta_error is not None:
            return self._trace_on("cpu", overrides)
        try:
            return self._trace_on("meta", overrides)
        except RetiaError as error:
            if error.__cause__ is None:
                raise
            # Whatever a constructor raises on meta, the CPU decides whether it is an error.
            tracer = self._trace_on("cpu", overrides)
            self._meta_error = error.__cause__
            return tracer

    def _trace_on(self, device: str, overrides: Mapping[str, Value]) -> Tracer:
        tracer = Tracer(overrides)
        with preserved():
            self._run(tracer, device)
        return tracer

    def _run(self, tracer: Tracer, device: str | torch.device | None) -> nn.Module:
        with tracer.recording(), placed(device), uncollected():
            try:
                model = self._factory(*self._args, **self._kwargs)
            except RetiaError:
                raise
            except Exception as error:
                where = f"{dict(tracer.overrides)} and the greatest" if tracer.overrides else "the greatest"
                choices = ", ".join(f"{label}: {parameter.domain}" for label, parameter in tracer.parameters.items())
                msg = (
                    f"The constructor of {self.name} fails while it is traced, with {where} value of every choice "
                    f"({choices or 'none so far'}): {type(error).__name__}: {error}. "
                    f"If those values do not fit together, compute one from another, as in hidden = heads * head_dim."
                )
                raise SpaceError(msg) from error
        if not isinstance(model, nn.Module):  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
            msg = f"{self.name} must make a torch.nn.Module, got {model!r}."
            raise SpaceError(msg)
        return model
