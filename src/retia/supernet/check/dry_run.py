"""Comparison of runs on an example: the shapes that the supernet and a model built alone return."""

import torch
from torch import nn

from retia.errors import SupernetError
from retia.space import Architecture
from retia.supernet.assembly import named
from retia.supernet.check.blame import unfollowed
from retia.supernet.check.factors import AxisRecorder, FactorOrders
from retia.supernet.check.runs import Outcome, first_difference, outcome_of, shapes_by_module
from retia.supernet.check.subject import LOOP, REMEDY, Subject, tensors_of
from retia.supernet.check.tensors import refuse_run_of_surplus, surplus_blame
from retia.supernet.usage import Use, modules_in_use

__all__ = ["compare_runs"]


def compare_runs(
    subject: Subject,
    architecture: Architecture,
    alone: nn.Module,
    surplus: list[Use],
    orders: FactorOrders,
    *,
    outcome: Outcome | None = None,
    newest: bool = True,
) -> None:
    """Run the supernet and a model built alone, and compare what they return.

    Args:
        subject: The supernet's model.
        architecture: The architecture.
        alone: Its model built alone.
        surplus: Tensors that the supernet uses and the model lacks; their modules must not run.
        orders: Orders of factors, which note what the model's run shows.
        outcome: Outcome of the model built alone, if it is known.
        newest: Whether no other model has been built after `alone`.

    Raises:
        SupernetError: If the outcomes differ, or the supernet runs a surplus module.
    """
    if subject.device != "meta":
        # The shapes that such a forward returns may depend on values, so both need the same weights.
        used = subject.activate(architecture)
        with torch.no_grad():
            for name, tensor in tensors_of(alone).items():
                tensor.copy_(used[name].part)
    expected = outcome or _observed(subject, architecture, alone, orders)
    if isinstance(expected, Exception):
        msg = (
            f"The model of {dict(architecture)} built alone fails with the example: "
            f"{type(expected).__name__}: {expected}. Check that the example is what forward takes."
        )
        raise SupernetError(msg) from expected
    if newest:
        subject.build_other(architecture)
    called: set[int] = set()
    hooks = [
        use.module.register_forward_pre_hook(lambda module, _: called.add(id(module))) for use in surplus
    ]
    try:
        found = subject.run(subject.model)
    finally:
        for hook in hooks:
            hook.remove()
    if isinstance(found, Exception):
        raise SupernetError(_failure(subject, architecture, alone, surplus, found)) from found
    if found != expected:
        msg = (
            f"For {dict(architecture)} the supernet returns {found}, the model built alone {expected}. "
            f"{_outdated(subject, architecture, alone)} reads a size that does not follow the choices. "
            f"{REMEDY}"
        )
        raise SupernetError(msg)
    ran = next((use for use in surplus if id(use.module) in called), None)
    if ran is not None:
        refuse_run_of_surplus(subject, architecture, alone, ran)


def _observed(
    subject: Subject, architecture: Architecture, alone: nn.Module, orders: FactorOrders
) -> Outcome:
    """Run a model built alone, and note how it divides sizes that are products."""
    if not orders.open:
        return subject.run(alone)
    recorder = AxisRecorder(alone)
    outcome = outcome_of(alone, subject.example, subject.device, recorder)
    if not isinstance(outcome, Exception):
        subject.activate(architecture)
        orders.note(subject.model, architecture.unwrapped, recorder)
    return outcome


def _failure(
    subject: Subject, architecture: Architecture, alone: nn.Module, surplus: list[Use], error: Exception
) -> str:
    if surplus:
        reason = (
            f"The constructor makes {subject.module_of(surplus[0])}, which that model does not have, and "
            "forward may not support it."
            f"{surplus_blame(subject, architecture, alone, surplus[0])} {LOOP}"
        )
    else:
        forward = _outdated(subject, architecture, alone)
        reason = f"{forward} reads a size that does not follow the choices. {REMEDY}"
    return (
        f"The supernet fails for {dict(architecture)} where the model built alone runs: "
        f"{type(error).__name__}: {error}. {reason}"
    )


def _outdated(subject: Subject, architecture: Architecture, alone: nn.Module) -> str:
    """Return the subject of a sentence: the forward that goes wrong first, and the choice behind it."""

    def differs(one: Architecture, model: nn.Module) -> bool:
        expected = subject.run(model)
        subject.activate(one)
        subject.build_other(one)
        return not isinstance(expected, Exception) and subject.run(subject.model) != expected

    label = subject.culprit(architecture, differs)
    subject.activate(architecture)
    subject.build(architecture)  # so that globals which the constructor sets fit again
    expected = shapes_by_module(alone.named_modules(), lambda: subject.run(alone))
    subject.build_other(architecture)
    found = shapes_by_module(modules_in_use(subject.model), lambda: subject.run(subject.model))
    path = first_difference(expected, found)
    forward = "Its forward" if path is None else f"The forward of {named(path, alone.get_submodule(path))}"
    return f"{unfollowed(label)} {forward}".strip()
