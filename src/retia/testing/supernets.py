"""The laws of a supernet, for any model space: it computes the same as the models built alone.

Each law is a function of a space and an example input of its models:

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
"""Function that raises AssertionError if the supernet of a space breaks the law."""

ARCHITECTURES = 6
"""The number of architectures of a law: the extremes and random ones."""
TOLERANCE = 1e-5
"""The maximum difference in float32, relative to the largest value if that is greater than 1."""


def outputs_are_those_of_the_model_alone(space: ModelSpace, example: Any) -> None:
    """The activated supernet and its subnet return equal outputs, in training and evaluation mode."""
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
    """The gradient of the active part equals that of the subnet; that of the rest is zero."""
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
    """A call in training mode updates the running statistics of the supernet and the subnet equally."""
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
    """`extract` has the names, the order and the shapes of the `state_dict` of a built model."""
    supernet = Supernet(space, example=example, device="meta")
    for architecture in _architectures(space):
        expected = [
            (name, tensor.shape)
            for name, tensor in space.build(architecture, device=space.traced_on, seed=0).state_dict().items()
        ]
        assert [(name, tensor.shape) for name, tensor in supernet.extract(architecture).items()] == expected


def what_was_activated_before_leaves_no_trace(space: ModelSpace, example: Any) -> None:
    """Activating and extracting other architectures does not change an architecture's outputs."""
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
    for twin in (copy.deepcopy(supernet), pickle.loads(cloudpickle.dumps(supernet))):  # noqa: S301  # it was just pickled
        _assert_close(_run(twin, example), before, "outputs of a copy")
        twin.activate(second)
        with torch.no_grad():
            for parameter in twin.parameters():
                parameter.zero_()
        assert supernet.architecture == first
        _assert_close(_run(supernet, example), before, "outputs after a change of its copy")


def it_moves_between_devices_and_types(space: ModelSpace, example: Any) -> None:
    """The outputs are equal in float64, on a GPU if there is one, and again in float32 on the CPU."""
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
    _assert_close(_run(supernet, example), before, "outputs after moving back")


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
    """Recalibration in the supernet and in the subnet gives equal outputs."""
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
"""The laws of the supernet of any space."""


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
    """Call a model with the same random numbers for dropout."""
    with seeded(0):
        args = () if isinstance(example, Mapping) else example if isinstance(example, tuple) else (example,)
        outputs = model(*args, **(example if isinstance(example, Mapping) else {}))
    return [output for output in tree_leaves(outputs) if isinstance(output, Tensor)]


def _scalar(outputs: list[Tensor]) -> Tensor:
    """Return a weighted mean of all outputs, with random weights."""
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros(())
    for output in outputs:
        if output.is_floating_point():
            total = total + (output * torch.randn(output.shape, generator=generator)).mean()
    return total


def _gradient(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _parts_of_gradients(supernet: Supernet) -> dict[str, Tensor]:
    """Return the gradients by the names of `extract`, by temporarily replacing the weights."""
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
