"""The model space: a search space described by a plain constructor, which also builds its models."""

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from retia.errors import InfeasibleArchitecture, RetiaError, SpaceError
from retia.nn.device import on_device, require_device
from retia.nn.garbage_collection import gc_paused
from retia.nn.misplaced_choice import declared_in_methods, reject_misplaced_choices
from retia.nn.random_state import preserved, seeded
from retia.nn.resumption import Resumption
from retia.nn.shape_error import is_shape_error
from retia.nn.shared_parts import SharedParts
from retia.nn.tensor_file import load_weights, write_weights
from retia.space import Builder, Domain, Parameter, Restriction, SearchSpace, Tracer, Value, fitting_trace
from retia.space import explore as explore_constructor

__all__ = ["ModelSpace"]


class ModelSpace(SearchSpace):
    """The architectures of a model, found by tracing its constructor on the `meta` device.

    Args:
        factory: `nn.Module` class or function that makes the model. Its choices become the parameters.
        args: Positional arguments of `factory`.
        explore: Whether to trace the constructor for every value of every choice, one at a time, to find
            choices that Python's own control flow (`if`, `for`) makes for some values only. Default False.
        kwargs: Keyword arguments of `factory`.

    Attributes:
        traced_with: Values that replace the greatest ones while tracing, if those do not fit together.
        traced_on: Device of tracing: "meta", or "cpu" if the constructor reads values of tensors.

    Raises:
        SpaceError: If the constructor fails with all values that are tried, does not return a module,
            declares contradictory choices, or uses a choice made outside of it.
        InfeasibleArchitecture: If the constructor rejects all values that are tried.

    Warns:
        UserWarning: If the constructor was traced on the CPU, or uses modules made outside of it.

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
        _require_matching_arguments(factory, args, kwargs)
        self._factory = factory
        self._args = args
        self._kwargs = kwargs
        self._beside: frozenset[str] = frozenset()
        self._meta_error: BaseException | None = None
        self._hint: str | None = None
        self.traced_on = "meta"
        self._explore = explore
        self._shared_parts = SharedParts()
        self._shared: dict[str, None] = {}
        self.traced_with: Mapping[str, Value] = {}
        parameters, restrictions = self._traced()
        super().__init__(parameters)
        self._restrictions = tuple(restrictions)
        if self._shared_parts:
            self._trace({})  # shared parts appear a second time
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
                f"{self.name} uses modules or tensors that its constructor doesn't make: "
                f"{', '.join(repr(path) if path else 'the whole model' for path in self._shared)}. "
                "Each model gets a copy, so that training one model does not change another. "
                "Make them in the constructor, or copy them there with copy.deepcopy(...).",
                stacklevel=2,
            )

    @property
    def name(self) -> str:
        """Name of the class or function that makes the models."""
        return getattr(self._factory, "__name__", type(self._factory).__name__)

    def extend(self, domains: Mapping[str, Domain]) -> Self:
        """Return the space with additional parameters, which the constructor does not declare.

        Raises:
            SpaceError: If a label of `domains` is already a parameter of the space.
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
        """Build the model of an architecture: the plain module that the constructor makes.

        Args:
            architecture: Architecture of this space.
            device: Device of the tensors. On "meta" they have no memory, and `torch.nn.init` does nothing.
                Default: torch's default device.
            seed: Seed of the weights; torch's generator is restored. None uses torch's generator.

        Raises:
            ArchitectureError: If `architecture` is not in the space.
            InfeasibleArchitecture: If the constructor rejects it, or torch rejects the sizes of a layer, such
                as channels that are not divisible by their groups.
            SpaceError: If the constructor fails otherwise, or its choices differ from the traced ones.
        """
        architecture = self.validate(architecture)
        builder = Builder(architecture, self.parameters)
        with builder.recording(), on_device(device), seeded(seed):
            try:
                model = self._factory(*self._args, **self._kwargs)
            except Exception as error:
                failure = _build_failure(self.name, architecture, error)
                if failure is error:
                    raise
                raise failure from (error.__cause__ if isinstance(error, SpaceError) else error)
        if len(builder.asked) + len(self._beside) < len(architecture):
            unasked = next(
                label for label in architecture if label not in builder.asked and label not in self._beside
            )
            msg = (
                f"The constructor of {self.name} did not ask for '{unasked}' with {dict(architecture)}, "
                "though tracing saw it. "
                "Python's own control flow (if, range) over another choice decides whether it is declared, "
                "so two architectures would build the same model. Use layer_choice or repeat, "
                "or let ModelSpace(..., explore=True) trace the constructor for every value."
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
        """Build the model of all candidates and blocks, whose attributes hold symbolic values.

        A supernet is made from it. Choices have the values of `traced_with`, or else their greatest value.

        Args:
            device: Device of the tensors. Default: torch's default device.
            seed: Seed of the weights; torch's generator is restored. None uses torch's generator.
            tracer: Recorder that returns the symbolic values. Default: a new `Tracer`.

        Raises:
            SpaceError: If the constructor fails.
        """
        with seeded(seed):
            return self._with_copies(self._run(tracer or Tracer(self.traced_with), device), device)

    @property
    def labels(self) -> frozenset[str]:
        """Labels of the parameters that the constructor declares, without those added by `extend`."""
        return frozenset(self.parameters) - self._beside

    def nothing_to_search(self) -> str:
        """Return the error message for a model without choices."""
        return (
            f"There is nothing to search: the constructor of {self.name} declares no choice. "
            f"{self._hint or ''}Declare choices in __init__, such as "
            "width = retia.choice('width', [16, 32]), and keep them in attributes for forward."
        )

    def seeded(self, seed: int) -> AbstractContextManager[None]:
        """Seed torch's generators inside, and restore them afterwards."""
        return seeded(seed)

    def require_device(self, device: str | None) -> None:
        """Raise if models can't be built on a device.

        Raises:
            EvaluationError: If `device` is not a device of torch, or is not available.
        """
        require_device(device)

    def keep(self, model: nn.Module, path: Path) -> None:
        """Save the weights of a model for `load`, atomically; do nothing for a model on `meta`."""
        if not any(tensor.is_meta for tensor in model.state_dict().values()):
            write_weights(path, model)

    def resumption(self, run: Any, checkpoint: str) -> Resumption:
        """Return an object that implements `Run.save` and `Run.resume` for a trial."""
        return Resumption(run, checkpoint)

    def load(
        self, architecture: Mapping[str, Value], path: Path, device: str | torch.device | None = None
    ) -> nn.Module:
        """Build a model in evaluation mode, with weights from a safetensors file.

        Raises:
            StorageError: If the file can't be read or is damaged.
            SpaceError: If the names or shapes of the file's tensors differ from those of the model.
        """
        model = self.build(architecture, device=device, seed=0)
        try:
            load_weights(path, model)
        except RetiaError:
            raise
        except RuntimeError as error:
            msg = (
                f"The weights in {path} do not fit this architecture: {error}. "
                f"Take the code of {self.name} with which they were saved."
            )
            raise SpaceError(msg) from error
        return model.eval()

    def _with_copies(self, model: nn.Module, device: str | torch.device | None) -> nn.Module:
        self._shared_parts.find(self._traced)  # again in each process that the space is sent to
        return self._shared_parts.copied(model, device)

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
            # An error on meta counts only if the CPU raises one too.
            self._trace_on("cpu", tracer)
            self._meta_error = error.__cause__

    def _trace_on(self, device: str, tracer: Tracer) -> None:
        with preserved():
            model = self._run(tracer, device)
        if self._hint is None:  # the first model that could be made
            arguments = {**{f"argument {i}": value for i, value in enumerate(self._args)}, **self._kwargs}
            reject_misplaced_choices(self.name, self._factory, arguments, model)
            self._hint = "" if tracer.parameters else declared_in_methods(model)
        self._shared.update(dict.fromkeys(self._shared_parts.paths(model)))
        self._shared_parts.note(model)

    def _run(self, tracer: Tracer, device: str | torch.device | None) -> nn.Module:
        with tracer.recording(), on_device(device), gc_paused():
            try:
                model = self._factory(*self._args, **self._kwargs)
            except RetiaError:
                raise
            except Exception as error:
                raise SpaceError(_trace_failure(self.name, tracer, error)) from error
        if not isinstance(model, nn.Module):  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
            msg = f"{self.name} must make a torch.nn.Module, got {model!r}."
            raise SpaceError(msg)
        return model


def _require_matching_arguments(
    factory: Callable[..., nn.Module], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> None:
    """Raise if the constructor can't be called with the arguments."""
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


def _build_failure(name: str, architecture: Mapping[str, Value], error: Exception) -> Exception:
    """Return the error that `build` raises if the constructor fails with `error`."""
    misfit = is_shape_error(error.__cause__ if isinstance(error, SpaceError) else error)
    if isinstance(error, RetiaError) and not misfit:
        return error
    msg = f"The constructor of {name} fails for {dict(architecture)}: {type(error).__name__}: {error}."
    if misfit:
        return InfeasibleArchitecture(msg)
    return SpaceError(
        f"{msg} It runs with other values. If these values do not fit together, exclude them with "
        "retia.require(...) in the constructor, or compute one from another (width = heads * head_width)."
    )


def _trace_failure(name: str, tracer: Tracer, error: Exception) -> str:
    """Return the message of the error that tracing raises if the constructor fails with `error`."""
    choices = ", ".join(f"{label}: {parameter.domain}" for label, parameter in tracer.parameters.items())
    where = f"{dict(tracer.overrides)} and the greatest" if tracer.overrides else "the greatest"
    values = (
        f", with {where} value of every choice ({choices})" if choices else ", before it comes to a choice"
    )
    msg = f"The constructor of {name} fails while it is traced{values}: {type(error).__name__}: {error}."
    if "Symbolic" in str(error):
        msg += (
            " While a constructor is traced, chosen values are subclasses of int, float, str or tuple, "
            "which some libraries reject. Pass the plain value, such as int(value), to them; "
            "a supernet can't follow it there."
        )
    return msg
