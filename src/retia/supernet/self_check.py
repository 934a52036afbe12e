"""What a supernet checks before anything is trained: that every architecture computes what its model built
alone would.
"""

import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from retia.errors import InfeasibleArchitecture, SupernetError
from retia.nn import ModelSpace, gc_paused
from retia.space import Architecture
from retia.supernet.assembly import Assembly, assemble, named, where
from retia.supernet.constants import has_constants
from retia.supernet.divisibility import check_divisions
from retia.supernet.following import Following
from retia.supernet.forgetting import cause
from retia.supernet.layout import Layouts, Orders
from retia.supernet.likeness import Difference, differences, needed
from retia.supernet.outcome import outcome_of
from retia.supernet.remembering import Remembering
from retia.supernet.trying import architectures_to_try, culprit, extremes, follows, starting_architecture
from retia.supernet.usage import Use, modules_in_use, tensors_in_use
from retia.supernet.watching import first_unlike, shapes_by_module

__all__ = ["REMEDY", "Checked", "check_supernet"]

_LOOP = (
    "A plain loop over a choice, or an if, makes it: stack blocks with retia.repeat, "
    "choose layers with layer_choice, or use a multi-trial strategy."
)

RUNS = 4
"""How many of them are also run, if the shapes leave no question open."""
SLOW = 10.0
"""From how many seconds on a constructor is said to be slow."""

REMEDY = (
    "A choice passes through Python's own control flow or arithmetic there (int(), max(), round(), if, "
    "range) or a look-up (layers[choice]), which forgets it: "
    "use retia.apply(...), layer_choice or repeat, make tensors with their sizes (torch.zeros(1, width)), "
    "or use a multi-trial strategy."
)


@dataclass(frozen=True)
class Checked:
    """What a check has seen.

    Attributes:
        surplus: Whether the model's own code makes modules that some architectures do not have, and skips
            them in `forward`.
        constants: Whether the models have tensors that no training changes.
        orders: The orders in which runs show the factors of sizes to be laid out.
    """

    surplus: bool
    constants: bool
    orders: Orders


def check_supernet(space: ModelSpace, example: Any = None, *, kernel_transform: bool = False) -> Checked:
    """Compare the supernet with the models that the space builds, for extreme, default and other
    architectures, on `meta`.

    Raises:
        SupernetError: If they differ in a name or a shape, some label is in no slot, or sizes do not divide.
        SpaceError: If the constructor fails for one of the architectures.
    """
    memory = Remembering()
    first = None if example is None else _run_first(space, example, memory)
    device = space.traced_on if first is None else first.device
    if device != "meta":
        first = None  # its weights would not be the supernet's, and what it returns may follow from them
    began = perf_counter()
    assembly = assemble(space, device, seed=0, kernel_transform=kernel_transform)
    _warn_if_slow(space, perf_counter() - began)
    _check_labels(space, assembly)
    check_divisions(space, assembly.divisions)
    layouts = Layouts(assembly.products)
    surplus = constants = False
    # Models on meta hold no memory that would have to be had back soon.
    with gc_paused() if device == "meta" else nullcontext():
        tried = list(architectures_to_try(space))
        # On meta all models that are run are built before: what the constructor leaves in a global, say,
        # belongs to the last of them then.
        ahead = RUNS if device == "meta" and example is not None else 0
        models = [
            first.model if first and i == 0 else _alone(space, one, device)
            for i, one in enumerate(tried[:ahead])
        ]
        for i, architecture in enumerate(tried):
            comparison = _Comparison(space, assembly, architecture, example, device, memory, layouts)
            alone = models[i] if i < len(models) else _alone(space, architecture, device)
            surplus |= comparison.check(
                alone,
                run=i < RUNS,
                outcome=first.outcome if first and i == 0 else None,
                stale=i >= len(models) - 1,
            )
            if i == 0:
                constants = has_constants(assembly.model, alone)
    return Checked(surplus, constants, layouts.orders())


def _alone(space: ModelSpace, architecture: Architecture, device: str) -> nn.Module:
    """Build the model of an architecture."""
    try:
        return space.build(architecture, device=device, seed=0)
    except InfeasibleArchitecture as error:
        msg = (
            f"The constructor of {space.name} rejects {dict(architecture)}: {error}. "
            "A supernet holds every architecture of its space, so the space must "
            "know which there are: say it with retia.require(condition) instead of reject, "
            "or with space.where(...)."
        )
        raise SupernetError(msg) from error


def _warn_if_slow(space: ModelSpace, seconds: float) -> None:
    if seconds > SLOW:
        msg = (
            f"The constructor of {space.name} takes {seconds:.1f} s, and making a supernet runs it more "
            "than ten times. If it loads pretrained weights, let it "
            "make the model from its configuration alone, and load the weights once: "
            "retia.supernet.load_pretrained(supernet, model, architecture)."
        )
        warnings.warn(msg, stacklevel=4)


@dataclass(frozen=True)
class _First:
    """The model of the first architecture built alone, run on the example.

    Attributes:
        model: The model.
        outcome: What it returned, as `outcome_of` gives it.
        device: Where the example can be run: where the space is traced, or on the CPU if the model reads
            values of tensors.
    """

    model: nn.Module
    outcome: Any
    device: str


def _run_first(space: ModelSpace, example: Any, memory: Remembering) -> _First:
    alone = space.build(starting_architecture(space), device=space.traced_on, seed=0)
    outcome = outcome_of(alone, example, space.traced_on, memory)
    return _First(alone, outcome, "cpu" if isinstance(outcome, Exception) else space.traced_on)


def _check_labels(space: ModelSpace, assembly: Assembly) -> None:
    for label in space.parameters:
        if label in space.labels and label not in assembly.slots.labels:
            msg = (
                f"The choice '{label}' is in no attribute, tensor or layer choice of the supernet, "
                "so nothing would follow it. It only steers the "
                "constructor (an if, a bool argument, an int() of it), or what it gives is kept in a place "
                "that a supernet can't see, such as a "
                f"closure.{cause(space, None, label)} Make it a layer_choice or repeat, "
                "keep it in an attribute of a module, give it a constant, or use a multi-trial strategy."
            )
            raise SupernetError(msg)


@dataclass(frozen=True)
class _Comparison:
    """The supernet beside the model of one architecture, built alone."""

    space: ModelSpace
    assembly: Assembly
    architecture: Architecture
    example: Any
    device: str
    memory: Remembering
    layouts: Layouts

    def check(self, alone: nn.Module, *, run: bool, outcome: Any = None, stale: bool = True) -> bool:
        """Return whether the supernet has modules more than the model, which it does not run.

        Args:
            alone: The model built alone.
            run: Whether to run both, if there is an example.
            outcome: What the model built alone returns, where it is known already.
            stale: Whether the model is the last that was built.

        Raises:
            SupernetError: If the two differ.
        """
        used = self._used()
        tensors = _tensors(alone)
        for name, tensor in tensors.items():
            if name not in used:
                raise SupernetError(self._lacks(name, alone))
            if used[name].shape != tuple(tensor.shape):
                raise SupernetError(self._shapes_differ(used[name], tuple(tensor.shape)))
        self._refuse_further_state(alone, tensors)
        surplus = [used[name] for name in used if name not in tensors]
        if surplus and self.example is None:
            raise SupernetError(self._has_more(surplus[0], alone))
        if self.example is not None and (run or surplus):
            self._dry_run(alone, outcome, surplus, stale=stale)
        self._refuse_unlike(alone)
        return bool(surplus)

    def _used(self) -> dict[str, Use]:
        self.assembly.slots.fill(self.architecture.unwrapped)
        return {use.name: use for use in tensors_in_use(self.assembly.model)}

    def _dry_run(self, alone: nn.Module, outcome: Any, surplus: list[Use], *, stale: bool) -> None:
        model = self.assembly.model
        if self.device != "meta":
            # Where a forward reads values, the shapes it returns may follow from the weights.
            used = self._used()
            with torch.no_grad():
                for name, tensor in _tensors(alone).items():
                    tensor.copy_(used[name].part)
        expected = outcome or self._followed(alone)
        if isinstance(expected, Exception):
            msg = (
                f"The model of {self._shown} built alone fails with the example: {type(expected).__name__}: "
                f"{expected}. Is it what forward takes?"
            )
            raise SupernetError(msg) from expected
        if stale:
            self._build_another()
        called: set[int] = set()
        hooks = [
            use.module.register_forward_pre_hook(lambda module, _: called.add(id(module))) for use in surplus
        ]
        try:
            found = outcome_of(model, self.example, self.device, self.memory)
        finally:
            for hook in hooks:
                hook.remove()
        if isinstance(found, Exception):
            reason = f"{self._stale(alone)} reads a size that does not follow the choices"
            remedy = REMEDY
            if surplus:
                path = self._absent(surplus[0], alone)
                reason = (
                    f"The constructor makes {self._module(surplus[0])}, which that model does not have, "
                    "and forward may not be made for it"
                )
                remedy = f"{self._made(surplus[0], path)} {_LOOP}"
            msg = (
                f"The supernet fails for {self._shown} where the model built alone runs: "
                f"{type(found).__name__}: {found}. {reason}. {remedy.strip()}"
            )
            raise SupernetError(msg) from found
        if found != expected:
            reason = f"{self._stale(alone)} reads a size that does not follow the choices"
            msg = (
                f"For {self._shown} the supernet returns {found}, the model built alone {expected}. "
                f"{reason}. {REMEDY}"
            )
            raise SupernetError(msg)
        ran = next((use for use in surplus if id(use.module) in called), None)
        if ran is not None:
            raise SupernetError(self._decided(ran, alone) or self._looped(ran, alone))

    def _looped(self, use: Use, alone: nn.Module) -> str:
        path = self._absent(use, alone)
        return (
            f"The supernet runs {self._module(use)} for {self._shown}, which the model built alone does not "
            f"have.{self._made(use, path)} {_LOOP}"
        )

    def _decided(self, use: Use, alone: nn.Module) -> str | None:
        """Return what to say of a tensor that a module has for some architectures alone; None if the module
        itself is what some lack.
        """
        path = use.name.rpartition(".")[0]
        if path not in dict(alone.named_modules(remove_duplicate=False)):
            return None
        label = culprit(
            self.space,
            self.architecture,
            lambda one: self._ask(
                one, lambda other, model: use.name in other._used() and use.name not in _tensors(model)
            ),
        )
        slots = [
            slot for slot in self.assembly.slots.all if slot.owner is use.module and label in slot.labels
        ]
        by = f" Its '{slots[0].name}'" if slots else " An argument or an if"
        decides = (
            f"{by} decides whether the tensor exists{f', and follows the choice {label!r}' if label else ''}."
        )
        kind = type(use.module).__name__.removeprefix("Elastic")
        return (
            f"{where(path)} ({kind}) has '{use.tensor}' in the supernet, "
            f"but not in the model of {self._shown} built alone.{decides} A layer's tensors can't come "
            f"and go: choose between whole layers, as in retia.layer_choice({label or 'label'!r}, {{'with': "
            f"lambda: {kind}(...), 'without': lambda: {kind}(...)}}), "
            f"give it a constant, or use a multi-trial strategy."
        )

    def _absent(self, use: Use, alone: nn.Module) -> str:
        """Return the path of the outermost module around a tensor that the model built alone lacks."""
        theirs, parts = dict(alone.named_modules(remove_duplicate=False)), use.name.split(".")[:-1]
        return next(
            (path for i in range(1, len(parts) + 1) if (path := ".".join(parts[:i])) not in theirs),
            ".".join(parts),
        )

    def _made(self, use: Use, path: str) -> str:
        label = culprit(
            self.space,
            self.architecture,
            lambda one: self._ask(
                one, lambda other, model: use.name in other._used() and use.name not in _tensors(model)
            ),
        )
        return follows(label) + cause(self.space, path, label)

    def _followed(self, alone: nn.Module) -> Any:
        """Run the model built alone, and note how it divides sizes that are products."""
        if not any(product.open for product in self.layouts.products):
            return outcome_of(alone, self.example, self.device, self.memory)
        run = Following(alone)
        outcome = outcome_of(alone, self.example, self.device, run)
        if not isinstance(outcome, Exception):
            self._used()
            self.layouts.note(self.assembly.model, self.architecture.unwrapped, run)
        return outcome

    def _stale(self, alone: nn.Module) -> str:
        """Say whose forward goes wrong first, and which choice it does not follow, if one alone makes the
        difference.
        """

        def differs(one: _Comparison, model: nn.Module) -> bool:
            expected = outcome_of(model, self.example, self.device, self.memory)
            one._used()
            one._build_another()
            return (
                not isinstance(expected, Exception)
                and outcome_of(self.assembly.model, self.example, self.device, self.memory) != expected
            )

        label = culprit(self.space, self.architecture, lambda architecture: self._ask(architecture, differs))
        self._used()
        self.space.build(
            self.architecture, device=self.device, seed=0
        )  # what it keeps outside of the model is right again
        expected = shapes_by_module(alone, alone.named_modules(), self._run)
        self._build_another()
        path = first_unlike(
            expected, shapes_by_module(self.assembly.model, modules_in_use(self.assembly.model), self._run)
        )
        who = "Its forward" if path is None else f"The forward of {named(path, alone.get_submodule(path))}"
        return f"{follows(label)} {who}".strip() if label else who

    def _run(self, model: nn.Module) -> None:
        outcome_of(model, self.example, self.device, self.memory)

    def _ask(self, architecture: Architecture, differs: Callable[["_Comparison", nn.Module], bool]) -> bool:
        return differs(
            _Comparison(
                self.space, self.assembly, architecture, None, self.device, self.memory, self.layouts
            ),
            self.space.build(architecture, device=self.device, seed=0),
        )

    def _build_another(self) -> None:
        """Build another architecture, so that what the constructor keeps outside of the model, in a global
        say, is not by chance what it should be.
        """
        other = next((one for one in extremes(self.space) if one != self.architecture), None)
        if other is not None:
            self.space.build(other, device=self.device, seed=0)

    def _refuse_unlike(self, alone: nn.Module) -> None:
        """Refuse modules of other classes or with other attributes than the model's: all of them, or those
        that a call needs, if there is an example.
        """
        unlike = self._unlike(alone)
        if unlike and self.example is not None:
            unlike = needed(unlike, lambda: self._run_in_both_modes(alone))
        if unlike:
            first = (unlike[0].path, unlike[0].name)
            label = self._culprit(
                lambda one, model: (
                    first in {(difference.path, difference.name) for difference in one._unlike(model)}
                ),
                first[0],
            )
            hint = (
                ""
                if self.example is not None
                else (
                    " If forward does without it, give Supernet(..., example=...): "
                    "then the check runs it and sees."
                )
            )
            raise SupernetError(
                f"{unlike[0].shown} in the model of {self._shown} built alone.{label} {REMEDY}{hint}"
            )

    def _unlike(self, alone: nn.Module) -> list[Difference]:
        self.assembly.slots.fill(self.architecture.unwrapped)
        found = list(differences(self.assembly.model, alone))
        if found:
            # What differs between two models of the same architecture, such as a count of instances, has
            # nothing to do with it.
            again = self.space.build(self.architecture, device=self.device, seed=0)
            random = {(difference.path, difference.name) for difference in differences(again, alone)}
            found = [difference for difference in found if (difference.path, difference.name) not in random]
        return found

    def _run_in_both_modes(self, alone: nn.Module) -> None:
        for model in (self.assembly.model, alone):
            for training in (False, True):
                outcome_of(model, self.example, self.device, self.memory, training=training)

    def _shapes_differ(self, use: Use, shape: tuple[int, ...]) -> str:
        def differs(one: _Comparison, alone: nn.Module) -> bool:
            tensor, found = _tensors(alone).get(use.name), one._used().get(use.name)
            return tensor is not None and found is not None and found.shape != tuple(tensor.shape)

        return (
            f"'{use.name}' of {self._module(use)} has the shape {use.shape} in the supernet, "
            f"but {shape} in the model of {self._shown} "
            f"built alone.{self._culprit(differs, *_split(use.name))} {REMEDY}"
        )

    def _lacks(self, name: str, alone: nn.Module) -> str:
        path = name.rpartition(".")[0]
        label = self._culprit(
            lambda one, model: name in _tensors(model) and name not in one._used(), *_split(name)
        )
        module = named(path, alone.get_submodule(path))
        return (
            f"The model of {self._shown} built alone has a tensor '{name}' in {module}, "
            f"which the supernet lacks.{label} {REMEDY}"
        )

    def _has_more(self, use: Use, alone: nn.Module) -> str:
        return self._decided(use, alone) or (
            f"The supernet uses '{use.name}' of {self._module(use)} for {self._shown}, "
            "but the model built alone has no such tensor."
            f"{self._made(use, self._absent(use, alone))} Stack blocks with "
            "retia.repeat, choose layers with layer_choice. If the code makes modules in a loop and skips "
            "some in forward, "
            f"give Supernet(..., example=...): then the check runs it and sees which ones."
        )

    def _refuse_further_state(self, alone: nn.Module, tensors: Mapping[str, Tensor]) -> None:
        """Refuse what a `state_dict` holds besides tensors, of which no part could be taken for an
        architecture.
        """
        odd = next((name for name in alone.state_dict() if name not in tensors), None)
        if odd is not None:
            path = odd.rpartition(".")[0]
            msg = (
                f"The state_dict of the model of {self._shown} built alone has '{odd}', "
                f"which is no tensor of {named(path, alone.get_submodule(path))}: "
                f"get_extra_state or a hook adds it, and a supernet can't say what of it an architecture "
                f"uses. Keep it in buffers, or use a multi-trial strategy."
            )
            raise SupernetError(msg)

    def _culprit(
        self, differs: Callable[["_Comparison", nn.Module], bool], path: str, tensor: str | None = None
    ) -> str:
        """Say which choice a module or its tensor does not follow, if one alone makes the difference, and
        which lines of the constructor are to blame.
        """
        label = culprit(self.space, self.architecture, lambda architecture: self._ask(architecture, differs))
        return follows(label) + cause(self.space, path, label, tensor)

    def _module(self, use: Use) -> str:
        path = next(path for path, module in self.assembly.model.named_modules() if module is use.module)
        return named(path, use.module)

    @property
    def _shown(self) -> str:
        return str(dict(self.architecture))


def _split(name: str) -> tuple[str, str]:
    """Return the path of the module and the name in it of a tensor."""
    path, _, tensor = name.rpartition(".")
    return path, tensor


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {
        **dict(model.named_parameters(remove_duplicate=False)),
        **dict(model.named_buffers(remove_duplicate=False)),
    }
