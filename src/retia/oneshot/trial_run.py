"""A trial run of a mixture, which finds outputs that can't be mixed before anything is trained."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from retia.errors import RetiaError, SupernetError
from retia.nn import ElasticNode, ElasticSequential, Mixture, SelectInputs, move, seeded
from retia.oneshot.method import Setting
from retia.space import Architecture

__all__ = ["check_outputs", "run_mixed"]

Check = Callable[[str, Mapping[str, Any]], None]
"""Raises if the outputs of a choice, given by its label, can't be mixed."""


def run_mixed(setting: Setting, mixtures: Mapping[str, Mixture | Tensor]) -> None:
    """Run a mixture of the supernet once on the first batch, in evaluation mode; afterwards the supernet is as it was."""
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


def check_outputs(setting: Setting, method: str, labels: Iterable[str], fixed: Mapping[str, Tensor], paths: Iterable[Architecture] | None = None) -> None:
    """Check that what each choice returns, for each of its values, is one tensor, and where outputs are summed of one shape.

    A candidate that raises an exception beside others that don't is left to the training.

    Args:
        setting: Where the method works.
        method: Name of the method, for messages.
        labels: Labels of the choices that the method weighs.
        fixed: What other choices are mixed by.
        paths: Architectures of a method that runs one candidate at a time, so that shapes may differ: these alone are run, one for each value of a
            choice. If not given, the method adds the outputs of all candidates, so that they need one shape.

    Raises:
        SupernetError: If an output is no tensor, or two have different shapes.
    """

    def check(label: str, outputs: Mapping[str, Any]) -> None:
        shapes = {output.shape if isinstance(output, Tensor) else None for output in outputs.values()}
        if None in shapes or (paths is None and len(shapes) > 1):
            shown = ", ".join(f"{name} returns {_shown(output)}" for name, output in outputs.items())
            msg = (
                f"{method} weighs the values of '{label}', so each must return one tensor{', all of the same shape' if paths is None else ''}. On the first batch {shown}. "
                f"Wrap them in modules that return such tensors, or search '{label}' by SPOS, FairNAS, Sandwich, OnceForAll or ENAS, which sample paths."
            )
            raise SupernetError(msg)

    compared = {label: _Compared(setting, label, check) for label in labels}
    with ExitStack() as hooks:
        for slot in setting.supernet.slots.all:
            owner = slot.owner
            if isinstance(owner, ElasticSequential | SelectInputs | ElasticNode) and (weighed := slot.labels & compared.keys()):
                hooks.enter_context(owner.register_forward_pre_hook(_Terms(min(weighed), check)))
        if paths is None:
            run_mixed(setting, {**fixed, **compared})
            return
        unseen = {(label, value) for label in compared for value in setting.supernet.space.parameters[label].domain.enumerate()}
        for path in paths:
            if unseen & path.items():
                run_mixed(setting, {**fixed, **{label: replace(one, path=path) for label, one in compared.items()}})
                unseen -= path.items()
            if not unseen:
                break


@dataclass(frozen=True, eq=False)
class _Compared:
    """A mixture that checks the outputs of all candidates, or of that of a path alone, and returns the first."""

    setting: Setting
    label: str
    check: Check
    path: Architecture | None = None

    @property
    def weights(self) -> Tensor:
        """The same for every value."""
        count = self.setting.supernet.mixing.candidates(self.label)
        return torch.full((count,), 1 / count, device=self.setting.training.place)

    def combine(self, candidates: Sequence[nn.Module], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run every candidate, or that of the path, and check what it returns."""
        outputs: dict[str, Any] = {}
        failed: Exception | None = None
        for value, candidate in zip(self.setting.supernet.space.parameters[self.label].domain.enumerate(), candidates, strict=True):
            if self.path is not None and value != self.path.get(self.label, value):
                continue
            try:
                outputs[f"{value!r} ({type(candidate).__name__})"] = candidate(*args, **kwargs)
            except RetiaError:
                raise
            except Exception as error:  # noqa: BLE001  # whatever a user's module raises
                failed = error
        if failed is not None and not outputs:
            raise failed
        self.check(self.label, outputs)
        return next(iter(outputs.values()))


@dataclass(frozen=True, eq=False)
class _Terms:
    """A hook that checks what a stack, an input choice or the node of a cell is about to sum."""

    label: str
    check: Check

    def __call__(self, module: Any, args: tuple[Any, ...]) -> None:
        if module.weights is not None:
            self.check(self.label, dict(_terms(module, args[0])))


def _terms(module: Any, given: Any) -> Iterator[tuple[str, Any]]:
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


def _shown(output: Any) -> str:
    if isinstance(output, Tensor):
        return f"a tensor {tuple(output.shape)}"
    if isinstance(output, Mapping):
        return f"a {type(output).__name__} of {sorted(map(str, output))}"  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(output, tuple | list):
        return f"a {type(output).__name__} ({', '.join(map(_shown, output))})"  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return f"a {type(output).__name__}"
