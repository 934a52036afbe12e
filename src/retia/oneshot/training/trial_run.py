"""A trial run of a mixture, which finds outputs that can't be mixed before the training."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from retia.errors import RetiaError, SupernetError
from retia.nn import ElasticNode, ElasticSequential, Mixture, Nest, SelectInputs, move, seeded, tensors_of
from retia.oneshot.training.session import Setting
from retia.space import Architecture

__all__ = ["check_outputs", "run_mixed", "shown", "structure_of"]

Check = Callable[[str, Mapping[str, Any]], None]
"""Raises SupernetError if outputs can't be mixed. Arguments: the choice's label, and outputs by name."""


def run_mixed(setting: Setting, mixtures: Mapping[str, Mixture | Tensor]) -> None:
    """Run a mixture of the supernet on the first batch, in evaluation mode, and restore its state.

    Args:
        setting: Setting of the training.
        mixtures: Mixture or weights, shape (K,), of each choice, by label.
    """
    supernet, training = setting.supernet, setting.training
    batch = move(training.data("train").first(), training.place)
    was_training = supernet.training
    supernet.eval()
    try:
        with seeded(0), torch.no_grad():
            supernet.mix(mixtures)
            setting.outputs(batch)
    finally:
        supernet.train(was_training)
        supernet.activate(supernet.architecture)


def check_outputs(
    setting: Setting,
    method: str,
    labels: Iterable[str],
    fixed: Mapping[str, Tensor],
    paths: Iterable[Architecture] | None = None,
    *,
    alike: bool = True,
) -> None:
    """Run the candidates of choices on the first batch and reject outputs that can't be mixed.

    A candidate that raises an exception while others of its choice run is not reported here.

    Args:
        setting: Setting of the training.
        method: Name of the method, for messages.
        labels: Labels of the choices whose values the method weighs.
        fixed: Weights of the other choices, by label, shape (K,).
        paths: Architectures for a method that runs one candidate at a time; only those with a value not run
            so far are run. Default: one run with all candidates.
        alike: Whether the outputs of a choice must have the same structure and shape. If False, only the
            candidates of `paths` are run. Default True.

    Raises:
        SupernetError: If an output has no floating-point tensor, or if `alike` and outputs of one choice
            differ in structure or shape.
    """
    check = partial(_require_mixable, method, alike)
    compared = {label: _Compared(setting, label, check, alike) for label in labels}
    with ExitStack() as hooks:
        for slot in setting.supernet.slots.all:
            owner = slot.owner
            if isinstance(owner, ElasticSequential | SelectInputs | ElasticNode) and (
                weighed := slot.labels & compared.keys()
            ):
                hooks.enter_context(owner.register_forward_pre_hook(_Terms(min(weighed), check)))
        if paths is None:
            run_mixed(setting, {**fixed, **compared})
        else:
            _run_paths(setting, fixed, compared, paths)


def _require_mixable(method: str, alike: bool, label: str, outputs: Mapping[str, Any]) -> None:
    """Reject outputs of a choice without floating-point tensors, or of different structures if `alike`."""
    tensors = [[one for one in tensors_of(output) if one.is_floating_point()] for output in outputs.values()]
    if all(tensors) and not (alike and len({structure_of(output) for output in outputs.values()}) > 1):
        return
    returned = ", ".join(f"{name} returns {shown(output)}" for name, output in outputs.items())
    same = ", all in the same structure and of the same shape" if alike else ""
    msg = (
        f"{method} weighs the values of '{label}', so each must return a tensor, or a tuple, "
        f"list or dictionary of tensors{same}. "
        f"On the first batch {returned}. "
        f"Wrap them in modules that return such tensors, or search '{label}' by SPOS, FairNAS, "
        "Sandwich, OnceForAll or ENAS, which sample paths."
    )
    raise SupernetError(msg)


def _run_paths(
    setting: Setting,
    fixed: Mapping[str, Tensor],
    compared: Mapping[str, "_Compared"],
    paths: Iterable[Architecture],
) -> None:
    """Run paths until every value of the compared choices has run once."""
    parameters = setting.supernet.space.parameters
    unseen = {(label, value) for label in compared for value in parameters[label].domain.enumerate()}
    for path in paths:
        if unseen & path.items():
            mixtures = {label: replace(one, path=path) for label, one in compared.items()}
            run_mixed(setting, {**fixed, **mixtures})
            unseen -= path.items()
        if not unseen:
            break


@dataclass(frozen=True, eq=False)
class _Compared:
    """A mixture that runs candidates, checks their outputs and returns one of them.

    Attributes:
        setting: Setting of the training.
        label: Label of the choice.
        check: Check of the outputs.
        all: Whether all candidates run. If False, only the candidate of `path` runs.
        path: Architecture whose candidate's output is returned. Default: the first output is returned.
    """

    setting: Setting
    label: str
    check: Check
    all: bool
    path: Architecture | None = None

    @property
    def weights(self) -> Tensor:
        """Equal weights, shape (K,)."""
        count = self.setting.supernet.mixing.candidates(self.label)
        return torch.full((count,), 1 / count, device=self.setting.training.place)

    def combine(
        self, candidates: Sequence[nn.Module], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Run the candidates, check their outputs and return one of them."""
        outputs: dict[str, Any] = {}
        chosen: list[Any] = []
        failed: Exception | None = None
        for value, candidate in zip(
            self.setting.supernet.space.parameters[self.label].domain.enumerate(), candidates, strict=True
        ):
            on_path = self.path is None or value == self.path.get(self.label, value)
            if not (on_path or self.all):
                continue
            try:
                output = candidate(*args, **kwargs)
            except RetiaError:
                raise
            except Exception as error:  # noqa: BLE001  # whatever a user's module raises
                failed = error
                continue
            outputs[f"{value!r} ({type(candidate).__name__})"] = output
            if on_path:
                chosen.append(output)
        if failed is not None and not outputs:
            raise failed
        self.check(self.label, outputs)
        return next(iter(chosen or outputs.values()))


@dataclass(frozen=True, eq=False)
class _Terms:
    """A hook that checks the terms that a stack, an input choice or the node of a cell sums."""

    label: str
    check: Check

    def __call__(self, module: Any, args: tuple[Any, ...]) -> None:
        if module.weights is not None:
            self.check(self.label, dict(_terms(module, args[0])))


def _terms(module: Any, given: Any) -> Iterator[tuple[str, Any]]:
    """Yield the terms of a module's sum, each with its name for messages."""
    match module:
        case ElasticSequential():
            for depth, block in enumerate((None, *module._modules.values())):
                given = given if block is None else block(given)
                if module.weights and depth in module.weights:
                    yield f"depth {depth}", given
        case ElasticNode():
            for position, (edge, source) in enumerate(zip(module.edges, module.sources, strict=True)):
                yield f"operation {position} ({type(edge).__name__})", edge(given[source])
        case _:
            for position, one in enumerate(given):
                yield f"input {position}", one


def structure_of(output: Nest) -> Any:
    """Return a hashable value that is equal for outputs that can be summed.

    It consists of containers, keys and the shapes of tensors; other values are represented by their class.
    """
    if isinstance(output, Tensor):
        return output.shape, output.is_floating_point()
    if isinstance(output, Mapping):
        named = cast("Mapping[str, Any]", output)
        return "mapping", frozenset((name, structure_of(part)) for name, part in named.items())
    if isinstance(output, tuple | list):
        return type(output), tuple(structure_of(part) for part in cast("Sequence[Any]", output))
    return type(output)


def shown(output: Nest) -> str:
    """Describe an output for messages."""
    if isinstance(output, Tensor):
        return f"a tensor {tuple(output.shape)}"
    if isinstance(output, Mapping):
        named = cast("Mapping[str, Any]", output)
        return (
            f"a {type(output).__name__} of "
            f"{', '.join(f'{name!r}: {shown(part)}' for name, part in named.items())}"
        )
    if isinstance(output, tuple | list):
        return f"a {type(output).__name__} ({', '.join(map(shown, cast('Sequence[Any]', output)))})"
    return f"a {type(output).__name__}"  # pyright: ignore[reportUnknownArgumentType]
