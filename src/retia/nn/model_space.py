"""The model space: a search space that a plain constructor describes, and that builds its models."""

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from retia.errors import InfeasibleArchitecture, RetiaError, SpaceError
from retia.nn.collection import uncollected
from retia.nn.misfit import is_misfit
from retia.nn.misplaced import declared_in_methods, refuse_misplaced
from retia.nn.originals import Originals
from retia.nn.placement import check_device, placed
from retia.nn.resumption import Resumption
from retia.nn.seeding import preserved, seeded
from retia.nn.tensor_file import load_weights, write_weights
from retia.space import Builder, Domain, Parameter, Restriction, SearchSpace, Tracer, Value, fitting_trace
from retia.space import explore as explore_constructor

__all__ = ["ModelSpace"]


class ModelSpace(SearchSpace):
    """The architectures of a model, found by running its constructor once, on the `meta` device: no memory,
    no time.

    Args:
        factory: What makes the model: an `nn.Module` class or a function. Its choices are the parameters of
            the space.
        args: What the factory is called with.
        explore: Whether to trace the constructor for every value of every choice, one at a time, so as to
            find choices that Python's own control flow (`if`, `for`) makes only for some values of others.
        kwargs: What the factory is called with.

    Attributes:
        traced_with: The values with which the constructor runs while it is traced, where the greatest of
            every choice do not fit together.
        traced_on: The device that the constructor can be traced on: "meta", or "cpu" where it needs values of
            tensors.

    Raises:
        SpaceError: If the constructor fails with all values that are tried, makes no module, or declares
            choices that contradict each other; or if it uses a choice made outside of it.
        InfeasibleArchitecture: If the constructor rejects all values that are tried.

    Warns:
        UserWarning: If the constructor can't run on `meta` (it reads values of tensors) and was traced on the
            CPU instead.

    >>> class Net(nn.Sequential):
    ...     def __init__(self):
    ...         width = choice("width", [8, 16])
    ...         act = layer_choice("act", [nn.ReLU, nn.Tanh])
    ...         super().__init__(nn.Linear(4, width), act, nn.Linear(width, 2))
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

    def __init__(
        self, factory: Callable[..., nn.Module], *args: Any, explore: bool = False, **kwargs: Any
    ) -> None:
        if isinstance(factory, nn.Module) or not callable(factory):
            msg = (
                f"A ModelSpace takes the class of a model or a function that makes it, got {factory!r}. "
                "Give the class, not an instance of it."
            )
            raise SpaceError(msg)
        _check_arguments(factory, args, kwargs)
        self._factory = factory
        self._args = args
        self._kwargs = kwargs
        self._beside: frozenset[str] = frozenset()
        self._meta_error: BaseException | None = None
        self._hint: str | None = None
        self.traced_on = "meta"
        self._explore = explore
        self._originals = Originals()
        self._shared: dict[str, None] = {}
        self.traced_with: Mapping[str, Value] = {}
        parameters, restrictions = self._traced()
        super().__init__(parameters)
        self._restrictions = tuple(restrictions)
        if self._originals:
            self._trace({})  # meets again what the constructor doesn't make
        if self._meta_error is not None:
            reason, self._meta_error = self._meta_error, None
            self.traced_on = "cpu"
            warnings.warn(
                f"{self.name} can't be constructed on the meta device ({type(reason).__name__}: {reason}), "
                f"so it was traced on the CPU, with its largest weights in memory.",
                stacklevel=2,
            )
        if self._shared:
            warnings.warn(
                f"{self.name} uses what its constructor doesn't make: "
                f"{', '.join(repr(path) if path else 'the whole model' for path in self._shared)}. "
                "Each model gets a copy, "
                "so that no training goes on with what another has left. "
                "Make it inside of the constructor, or take copy.deepcopy(...) there, to say so yourself.",
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

    def build(
        self,
        architecture: Mapping[str, Value],
        device: str | torch.device | None = None,
        seed: int | None = None,
    ) -> nn.Module:
        """Build the model of an architecture: what the constructor makes with these values, and nothing else.

        Args:
            architecture: One of the space.
            device: Where its tensors are made; "meta" makes none, and fills none: functions of
                `torch.nn.init` do nothing there.
            seed: Seeds the weights, and leaves torch's generator as it was; None draws from it, as torch
                does.

        Raises:
            ArchitectureError: If the architecture is not one of the space.
            InfeasibleArchitecture: If the constructor rejects it, or torch refuses the sizes of a layer, such
                as channels that are not divisible by their groups.
            SpaceError: If the constructor fails otherwise, or its choices are not those that were traced.
        """
        architecture = self.validate(architecture)
        builder = Builder(architecture, self.parameters)
        with builder.recording(), placed(device), seeded(seed):
            try:
                model = self._factory(*self._args, **self._kwargs)
            except Exception as error:
                cause = error.__cause__ if isinstance(error, SpaceError) else error
                misfit = is_misfit(cause)
                if isinstance(error, RetiaError) and not misfit:
                    raise
                msg = (
                    f"The constructor of {self.name} fails for {dict(architecture)}: "
                    f"{type(error).__name__}: {error}."
                )
                if misfit:
                    raise InfeasibleArchitecture(msg) from cause
                msg += (
                    " It runs with other values: if these do not fit together, "
                    "exclude them with retia.require(...) in the constructor, "
                    "or compute one from another (width = heads * head_width)."
                )
                raise SpaceError(msg) from cause
        if len(builder.asked) + len(self._beside) < len(architecture):
            unasked = next(
                label for label in architecture if label not in builder.asked and label not in self._beside
            )
            msg = (
                f"The constructor of {self.name} did not ask for '{unasked}' with {dict(architecture)}, "
                "though tracing saw it: "
                "Python's own control flow (if, range) over another choice decides whether it is declared, "
                "so that two "
                f"architectures would build the same model. Use layer_choice or repeat, "
                f"or let ModelSpace(..., explore=True) trace the constructor for every value."
            )
            raise SpaceError(msg)
        return self._with_copies(model, device)

    def assemble(
        self,
        device: str | torch.device | None = None,
        seed: int | None = None,
        *,
        tracer: Tracer | None = None,
    ) -> nn.Module:
        """Run the constructor with symbolic values, those of `traced_with` and else the greatest of each
        choice, and return all that it makes.

        The model has every candidate of every choice and every block, and its modules' attributes hold the
        symbolic values: it is what a supernet is made of.

        Args:
            device: Where its tensors are made.
            seed: Seeds the weights, and leaves torch's generator as it was; None draws from it, as torch
                does.
            tracer: What gives the symbolic values, where it is to see more of the run.

        Raises:
            SpaceError: If the constructor fails.
        """
        with seeded(seed):
            return self._with_copies(self._run(tracer or Tracer(self.traced_with), device), device)

    @property
    def labels(self) -> frozenset[str]:
        """The parameters that the constructor asks for: all but those that `extend` has added."""
        return frozenset(self.parameters) - self._beside

    def nothing_to_search(self) -> str:
        """Say what to do about a model without choices, for the error of a study."""
        return (
            f"There is nothing to search: the constructor of {self.name} declares no choice. "
            f"{self._hint or ''}Declare what may vary in __init__, such as "
            f"width = retia.choice('width', [16, 32]), and keep it in an attribute for forward."
        )

    def seeded(self, seed: int) -> AbstractContextManager[None]:
        """Seed torch inside, and restore its generators afterwards."""
        return seeded(seed)

    def check_device(self, device: str | None) -> None:
        """Check that models can be built on a device.

        Raises:
            EvaluationError: If torch does not know the device, or this machine does not have it.
        """
        check_device(device)

    def keep(self, model: nn.Module, path: Path) -> None:
        """Save a model's weights as `load` takes them, so that at any moment there is a whole file; nothing
        for a model on `meta`.
        """
        if not any(tensor.is_meta for tensor in model.state_dict().values()):
            write_weights(path, model)

    def resumption(self, run: Any, checkpoint: str) -> Resumption:
        """Return what saves and loads the states of a trial's training; see `Run.save` and `Run.resume`."""
        return Resumption(run, checkpoint)

    def load(
        self, architecture: Mapping[str, Value], path: Path, device: str | torch.device | None = None
    ) -> nn.Module:
        """Build a model and load its weights from a safetensors file, in evaluation mode.

        Raises:
            StorageError: If the file can't be read or is damaged.
            SpaceError: If the file's tensors are not those of the model.
        """
        model = self.build(architecture, device=device, seed=0)
        try:
            load_weights(path, model)
        except RetiaError:
            raise
        except RuntimeError as error:
            msg = (
                f"The weights in {path} are not those of this architecture: {error}. "
                f"Has the code of {self.name} changed since they were saved?"
            )
            raise SpaceError(msg) from error
        return model.eval()

    def _with_copies(self, model: nn.Module, device: str | torch.device | None) -> nn.Module:
        self._originals.find(self._traced)  # again in each process that the space is sent to
        return self._originals.copied(model, device)

    def _traced(self) -> tuple[Iterable[Parameter], Iterable[Restriction]]:
        """Return the parameters and restrictions that the constructor declares."""
        trace = self._trace({})
        self.traced_with = trace.overrides
        if self._explore:
            return explore_constructor(lambda fixed: self._trace(fixed) if fixed else trace)
        return trace.parameters.values(), trace.restrictions

    def _trace(self, fixed: Mapping[str, Value]) -> Tracer:
        return fitting_trace(self._trace_once, fixed, self.traced_with)

    def _trace_once(self, tracer: Tracer) -> None:
        if self._meta_error is not None:
            self._trace_on("cpu", tracer)
            return
        try:
            self._trace_on("meta", tracer)
        except SpaceError as error:
            if error.__cause__ is None:
                raise
            # Whatever a constructor raises on meta, the CPU decides whether it is an error.
            self._trace_on("cpu", tracer)
            self._meta_error = error.__cause__

    def _trace_on(self, device: str, tracer: Tracer) -> None:
        with preserved():
            model = self._run(tracer, device)
        if self._hint is None:  # the first model that could be made
            arguments = {**{f"argument {i}": value for i, value in enumerate(self._args)}, **self._kwargs}
            refuse_misplaced(self.name, self._factory, arguments, model)
            self._hint = "" if tracer.parameters else declared_in_methods(model)
        self._shared.update(dict.fromkeys(self._originals.paths(model)))
        self._originals.note(model)

    def _run(self, tracer: Tracer, device: str | torch.device | None) -> nn.Module:
        with tracer.recording(), placed(device), uncollected():
            try:
                model = self._factory(*self._args, **self._kwargs)
            except RetiaError:
                raise
            except Exception as error:
                raise SpaceError(_failed(self.name, tracer, error)) from error
        if not isinstance(model, nn.Module):  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
            msg = f"{self.name} must make a torch.nn.Module, got {model!r}."
            raise SpaceError(msg)
        return model


def _check_arguments(
    factory: Callable[..., nn.Module], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> None:
    """Refuse arguments with which a constructor can't be called, before it is."""
    try:
        inspect.signature(factory).bind(*args, **kwargs)
    except TypeError as error:
        name = getattr(factory, "__name__", type(factory).__name__)
        msg = (
            f"{name} can't be called with the arguments of its ModelSpace: {error}. "
            f"Give the arguments to the space: retia.ModelSpace({name}, classes=10)."
        )
        raise SpaceError(msg) from None
    except ValueError:  # a builtin without a signature
        pass


def _failed(name: str, tracer: Tracer, error: Exception) -> str:
    choices = ", ".join(f"{label}: {parameter.domain}" for label, parameter in tracer.parameters.items())
    where = f"{dict(tracer.overrides)} and the greatest" if tracer.overrides else "the greatest"
    values = (
        f", with {where} value of every choice ({choices})" if choices else ", before it comes to a choice"
    )
    msg = f"The constructor of {name} fails while it is traced{values}: {type(error).__name__}: {error}."
    if "Symbolic" in str(error):
        msg += (
            " A value that is chosen is then of a subclass of int, float, str or tuple, "
            "which some libraries refuse: give these the plain value, such "
            "as int(value); a supernet can't follow it there."
        )
    return msg
