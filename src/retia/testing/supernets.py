"""The laws of a supernet, for any model space: for each architecture it computes what the model built alone
does.

Each law is a function of a space and an example of what the models are called with:

    @pytest.mark.parametrize("law", SUPERNET_LAWS, ids=lambda law: law.__name__)
    def test_supernet(law):
        law(ModelSpace(Net), torch.randn(2, 3, 32, 32))

`assert_laws(SUPERNET_LAWS, space, example)` applies all of them and names a broken one.
"""

import copy
import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import cloudpickle
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from retia.nn import ModelSpace, seeded
from retia.rng import stream
from retia.space import Architecture, greatest, least
from retia.supernet import Supernet, recalibrate

__all__ = ["SUPERNET_LAWS", "SupernetLaw"]

SupernetLaw: TypeAlias = Callable[[ModelSpace, Any], None]
"""Raises AssertionError where the supernet of a space breaks it."""

ARCHITECTURES = 6
"""How many architectures a law looks at: the extremes, the default, and random ones."""
TOLERANCE = 1e-5
"""How far outputs and gradients in float32 may differ, relative to the largest of them where that is above
1.
"""


def outputs_are_those_of_the_model_alone(space: ModelSpace, example: Any) -> None:
    """The activated supernet returns what its subnet returns, in training and in evaluation mode."""
    supernet = Supernet(space, example=example, seed=0)
    for training in (True, False):
        supernet.train(training)
        for architecture in _architectures(space):
            supernet.activate(architecture)
            alone = supernet.subnet()
            assert alone.training is training
            _assert_close(
                _run(supernet, example),
                _run(alone, example),
                f"outputs of {dict(architecture)}, training={training}",
            )


def gradients_are_those_of_the_model_alone(space: ModelSpace, example: Any) -> None:
    """The gradient of the part that an architecture uses is that of its subnet, and the rest has none."""
    supernet = Supernet(space, example=example, seed=0)
    for architecture in _architectures(space):
        supernet.activate(architecture)
        alone = supernet.subnet()
        for model in (supernet, alone):
            model.zero_grad()
            _scalar(_run(model, example)).backward()
        expected = {
            name: _gradient(parameter) for name, parameter in alone.named_parameters(remove_duplicate=False)
        }
        found = _parts_of_gradients(supernet)
        for name, gradient in expected.items():
            _assert_close([found[name]], [gradient], f"gradient of '{name}' of {dict(architecture)}")
        totals = [
            sum(float(_gradient(parameter).double().square().sum()) for parameter in model.parameters())
            for model in (supernet, alone)
        ]
        assert abs(totals[0] - totals[1]) <= 1e-4 * max(1.0, totals[1]), (
            f"{dict(architecture)} has gradients outside its part: {totals}"
        )


def statistics_are_those_of_the_model_alone(space: ModelSpace, example: Any) -> None:
    """A call in training mode leaves the running statistics of the part as it leaves those of the subnet."""
    supernet = Supernet(space, example=example, seed=0)
    for architecture in _architectures(space):
        supernet.activate(architecture)
        alone = supernet.subnet()
        _run(supernet, example)
        _run(alone, example)
        weights = supernet.extract()
        for name, buffer in alone.named_buffers(remove_duplicate=False):
            if name in weights:
                _assert_close([weights[name]], [buffer], f"buffer '{name}' of {dict(architecture)}")


def weights_are_named_as_in_the_model_alone(space: ModelSpace, example: Any) -> None:
    """`extract` has the names, the order and the shapes of the `state_dict` of the model that the space
    builds.
    """
    supernet = Supernet(space, example=example, device="meta")
    for architecture in _architectures(space):
        expected = [
            (name, tensor.shape)
            for name, tensor in space.build(architecture, device=space.traced_on, seed=0).state_dict().items()
        ]
        assert [(name, tensor.shape) for name, tensor in supernet.extract(architecture).items()] == expected


def what_was_activated_before_leaves_no_trace(space: ModelSpace, example: Any) -> None:
    """Activating others, and extracting them, changes nothing of an architecture."""
    supernet = Supernet(space, example=example, seed=0).eval()
    first, *others = _architectures(space)
    supernet.activate(first)
    before = _run(supernet, example)
    for other in others:
        supernet.activate(other)
        _run(supernet, example)
        supernet.activate(first)
        supernet.extract(other)
        assert supernet.architecture == first
        _assert_close(_run(supernet, example), before, f"outputs of {dict(first)} after {dict(other)}")


def copies_are_independent(space: ModelSpace, example: Any) -> None:
    """A deep copy and an unpickled supernet compute the same, and have their own weights and architecture."""
    supernet = Supernet(space, example=example, seed=0).eval()
    first, second = list(_architectures(space))[:2]
    supernet.activate(first)
    before = _run(supernet, example)
    for twin in (copy.deepcopy(supernet), pickle.loads(cloudpickle.dumps(supernet))):  # noqa: S301  # it has just been pickled
        _assert_close(_run(twin, example), before, "outputs of a copy")
        twin.activate(second)
        with torch.no_grad():
            for parameter in twin.parameters():
                parameter.zero_()
        assert supernet.architecture == first
        _assert_close(_run(supernet, example), before, "outputs after a change of its copy")


def it_moves_between_devices_and_types(space: ModelSpace, example: Any) -> None:
    """It computes in float64, on a GPU if there is one, and again in float32 on the CPU, what it did
    before.
    """
    supernet = Supernet(space, example=example, seed=0).eval()
    before = _run(supernet, example)
    double = tree_map(lambda x: x.double() if isinstance(x, Tensor) and x.is_floating_point() else x, example)
    _assert_close(_run(supernet.double(), double), before, "outputs in float64")
    supernet.float()
    if torch.cuda.is_available():
        _assert_close(
            _run(supernet.cuda(), tree_map(lambda x: x.cuda() if isinstance(x, Tensor) else x, example)),
            before,
            "outputs on a GPU",
            1e-3,
        )
        supernet.cpu()
    _assert_close(_run(supernet, example), before, "outputs after a journey")


def a_subnet_compiles(space: ModelSpace, example: Any) -> None:
    """`torch.compile` takes the model that `subnet` returns."""
    alone = Supernet(space, example=example, seed=0).eval().subnet(space.sample(stream(1, "compile")))
    expected = _run(alone, example)
    try:
        compiled = torch.compile(alone, backend="aot_eager")
        _assert_close(_run(compiled, example), expected, "outputs of a compiled subnet")  # pyright: ignore[reportArgumentType]
    finally:
        torch.compiler.reset()


def recalibration_gives_a_subnet_its_own_statistics(space: ModelSpace, example: Any) -> None:
    """Recalibrated within the supernet or as a model alone, an architecture has the same statistics and
    outputs.
    """
    if not isinstance(example, Tensor):
        return
    supernet = Supernet(space, example=example, seed=0).eval()
    for architecture in _architectures(space):
        supernet.activate(architecture)
        alone = supernet.subnet()
        recalibrate(supernet, [example])
        recalibrate(alone, [example])
        _assert_close(
            _run(supernet, example), _run(alone, example), f"outputs of {dict(architecture)}, recalibrated"
        )


SUPERNET_LAWS: tuple[SupernetLaw, ...] = (
    outputs_are_those_of_the_model_alone,
    gradients_are_those_of_the_model_alone,
    statistics_are_those_of_the_model_alone,
    weights_are_named_as_in_the_model_alone,
    what_was_activated_before_leaves_no_trace,
    copies_are_independent,
    it_moves_between_devices_and_types,
    a_subnet_compiles,
    recalibration_gives_a_subnet_its_own_statistics,
)
"""What holds for the supernet of any space."""


def _architectures(space: ModelSpace) -> Iterator[Architecture]:
    rng = stream(0, "supernet laws")
    labels = space.parameters
    rows = [{label: extreme(labels[label].domain) for label in labels} for extreme in (greatest, least)]
    found = dict.fromkeys(
        architecture for architecture in map(space.canonical, rows) if architecture in space
    )
    for _ in range(ARCHITECTURES - len(found)):
        found[space.sample(rng)] = None
    yield from found


def _run(model: nn.Module, example: Any) -> list[Tensor]:
    """Call a model, with the same random numbers for dropout each time."""
    with seeded(0):
        args = () if isinstance(example, Mapping) else example if isinstance(example, tuple) else (example,)
        outputs = model(*args, **(example if isinstance(example, Mapping) else {}))
    return [output for output in tree_leaves(outputs) if isinstance(output, Tensor)]


def _scalar(outputs: list[Tensor]) -> Tensor:
    """Return a number that depends on every entry of the outputs in a way of its own."""
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros(())
    for output in outputs:
        if output.is_floating_point():
            total = total + (output * torch.randn(output.shape, generator=generator)).mean()
    return total


def _gradient(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _parts_of_gradients(supernet: Supernet) -> dict[str, Tensor]:
    """Return the gradients as `extract` returns the weights: by putting them in the weights' place for a
    moment.
    """
    weights = {parameter: parameter.data for parameter in supernet.parameters()}
    for parameter in weights:
        parameter.data = _gradient(parameter)
    try:
        return supernet.extract()
    finally:
        for parameter, data in weights.items():
            parameter.data = data


def _assert_close(
    found: list[Tensor], expected: list[Tensor], what: str, tolerance: float = TOLERANCE
) -> None:
    assert len(found) == len(expected), f"{what}: {len(found)} tensors instead of {len(expected)}"
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape, f"{what}: shape {tuple(one.shape)} instead of {tuple(other.shape)}"
        one, other = one.detach().double().cpu(), other.detach().double().cpu()
        scale = max(1.0, float(other.abs().max())) if other.numel() else 1.0
        worst = float((one - other).abs().max()) if other.numel() else 0.0
        assert worst <= tolerance * scale, f"{what} differ by {worst:.2g}"
