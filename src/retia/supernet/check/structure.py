"""Comparison of a supernet's tensors, attributes and output shapes with those of models built alone."""

import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from torch import nn

from retia.errors import SupernetError
from retia.nn import ModelSpace, gc_paused
from retia.supernet.assembly import Assembly, assemble
from retia.supernet.check.architectures import architectures_to_try, starting_architecture
from retia.supernet.check.attributes import compare_attributes
from retia.supernet.check.blame import cause
from retia.supernet.check.constants import has_constants
from retia.supernet.check.divisions import require_even_divisions
from retia.supernet.check.dry_run import compare_runs
from retia.supernet.check.factors import FactorOrders
from retia.supernet.check.runs import Outcome, outcome_of
from retia.supernet.check.shape_cache import ShapeCache
from retia.supernet.check.subject import Subject
from retia.supernet.check.tensors import compare_tensors
from retia.supernet.layout import Orders

__all__ = ["Findings", "compare_structure"]

RUNS = 4
"""Number of architectures that are also run, besides those with surplus modules."""
SLOW_S = 10.0
"""Duration of a constructor, in seconds, above which a warning calls it slow."""


@dataclass(frozen=True)
class Findings:
    """Properties of a space that verification finds.

    Attributes:
        surplus: Whether the constructor makes modules that some models built alone lack, and skips them in
            `forward`.
        constants: Whether the models have tensors that no training changes.
        orders: The orders in which factors of sizes are laid out, as runs show them.
    """

    surplus: bool
    constants: bool
    orders: Orders


def compare_structure(space: ModelSpace, example: Any = None, *, kernel_transform: bool = False) -> Findings:
    """Compare a supernet with models built alone, for some architectures, on `meta` where possible.

    Args:
        space: Space of the models.
        example: Arguments of `forward`: a tensor, a tuple or a mapping. Default None: nothing is run.
        kernel_transform: Whether smaller kernels are learnt linear maps of larger ones.

    Raises:
        SupernetError: If a name, a shape or an attribute differs, a parameter is in no slot, sizes do not
            divide, or the constructor rejects an architecture.
        SpaceError: If the constructor fails for an architecture.
    """
    cache = ShapeCache()
    first = None if example is None else _first_run(space, example, cache)
    device = space.traced_on if first is None else first.device
    if device != "meta":
        first = None  # it has other weights than the supernet, on which its outcome may depend
    began = perf_counter()
    assembly = assemble(space, device, seed=0, kernel_transform=kernel_transform)
    _warn_if_slow(space, perf_counter() - began)
    _require_slots(space, assembly)
    require_even_divisions(space, assembly.divisions)
    subject = Subject(space, assembly, example, device, cache)
    orders = FactorOrders(assembly.products)
    any_surplus = constants = False
    # Models on meta hold no memory that has to be freed soon.
    with gc_paused() if device == "meta" else nullcontext():
        architectures = list(architectures_to_try(space))
        # On meta all models that are run are built before the first run, so that what the constructor leaves
        # in a global belongs to the last of them.
        ahead = RUNS if device == "meta" and example is not None else 0
        models = [
            first.model if first and i == 0 else subject.build(one)
            for i, one in enumerate(architectures[:ahead])
        ]
        for i, architecture in enumerate(architectures):
            alone = models[i] if i < len(models) else subject.build(architecture)
            surplus = compare_tensors(subject, architecture, alone)
            any_surplus |= bool(surplus)
            if example is not None and (i < RUNS or surplus):
                compare_runs(
                    subject,
                    architecture,
                    alone,
                    surplus,
                    orders,
                    outcome=first.outcome if first and i == 0 else None,
                    newest=i >= len(models) - 1,
                )
            compare_attributes(subject, architecture, alone)
            if i == 0:
                constants = has_constants(assembly.model, alone)
    return Findings(any_surplus, constants, orders.known())


def _warn_if_slow(space: ModelSpace, seconds: float) -> None:
    if seconds > SLOW_S:
        msg = (
            f"The constructor of {space.name} takes {seconds:.1f} s, and making a supernet runs it more "
            "than ten times. If it loads pretrained weights, let it "
            "make the model from its configuration alone, and load the weights once: "
            "retia.supernet.load_pretrained(supernet, model, architecture)."
        )
        warnings.warn(msg, stacklevel=4)


@dataclass(frozen=True)
class _FirstRun:
    """The model of the first architecture, built alone and run on the example.

    Attributes:
        model: The model.
        outcome: Its outcome.
        device: Device on which the example can be run: where the space is traced, or the CPU if the run fails
            there, as it does if the model reads values of tensors.
    """

    model: nn.Module
    outcome: Outcome
    device: str


def _first_run(space: ModelSpace, example: Any, cache: ShapeCache) -> _FirstRun:
    alone = space.build(starting_architecture(space), device=space.traced_on, seed=0)
    outcome = outcome_of(alone, example, space.traced_on, cache)
    return _FirstRun(alone, outcome, "cpu" if isinstance(outcome, Exception) else space.traced_on)


def _require_slots(space: ModelSpace, assembly: Assembly) -> None:
    """Reject a parameter of the constructor that no slot depends on."""
    for label in space.parameters:
        if label in space.labels and label not in assembly.slots.labels:
            msg = (
                f"The choice '{label}' is in no attribute, tensor or layer choice of the supernet, "
                "so nothing would follow it. It only steers the "
                "constructor (an if, a bool argument, an int() of it), or its result is kept in a place "
                f"that a supernet can't see, such as a closure.{cause(space, None, label)} "
                "Make it a layer_choice or repeat, "
                "keep it in an attribute of a module, give it a constant, or use a multi-trial strategy."
            )
            raise SupernetError(msg)
