"""What a supernet costs, against the same models built and trained alone.

    python benchmarks/supernets.py [steps switches mixture memory construction]

- steps: one training step (forward, backward, SGD with momentum) of an activated architecture, and of the
  plain model of it that `subnet` returns, on the MobileNetV3 and AutoFormer spaces.
- switches: going from one architecture to the next in place, against loading the weights of the next into its
  model, from a dictionary in memory and from a safetensors file; alone, and followed by the evaluation of one
  batch.
- mixture: a training step of one sampled path against one of the weighted sum of four operations, on a
  NAS-Bench-201-like chain of cells.
- memory: the bytes of all tensors that exist because of a supernet, against those of the weights of all
  candidates, counted from models built alone.
- construction: tracing, building one model, and making the supernet with its self-check (and again with a dry
  run), for the four spaces of the hub.

Medians of interleaved rounds, process time, one thread.
"""

import argparse
import gc
import re
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from retia import hub
from retia.nn import ModelSpace, layer_choice
from retia.rng import stream
from retia.space import Architecture, greatest, least
from retia.supernet import Supernet

INPUTS = {
    "nasbench201": (3, 32, 32),
    "darts": (3, 32, 32),
    "mobilenetv3": (3, 96, 96),
    "autoformer": (3, 224, 224),
}
BATCHES = {"mobilenetv3": 16, "autoformer": 4}


def medians_ms(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Time each work in turn, so that what slows the machine slows all."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds + 1):
        for name, work in works.items():
            gc.collect()
            start = time.process_time()
            work()
            times[name].append(1000 * (time.process_time() - start))
    return {
        name: statistics.median(measured[1:]) for name, measured in times.items()
    }  # the first round warms up


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def extremes(space: ModelSpace) -> dict[str, Architecture]:
    domains = {label: parameter.domain for label, parameter in space.parameters.items()}
    return {
        "smallest": space.canonical({label: least(domain) for label, domain in domains.items()}),
        "random": space.sample(stream(0, "step")),
        "largest": space.canonical({label: greatest(domain) for label, domain in domains.items()}),
    }


def step(model: nn.Module, inputs: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)

    def run() -> None:
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()

    return run


def step_times_ms(rounds: int) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Yield a space, which architecture of it, and the milliseconds of a step of the supernet and of the
    model alone.
    """
    for name, batch in BATCHES.items():
        supernet = Supernet(hub.get(name), seed=0)
        inputs = noise(batch, *INPUTS[name])
        for which, architecture in extremes(supernet.space).items():
            supernet.activate(architecture)
            alone = supernet.subnet()
            yield (
                name,
                which,
                medians_ms({"supernet": step(supernet, inputs), "alone": step(alone, inputs)}, rounds),
            )


def steps(rounds: int) -> None:
    print("\nOne training step, ms (aim: at most 1.10x on MobileNetV3, 1.15x on AutoFormer)")
    print(f"{'space':<12} {'architecture':<12} {'supernet':>9} {'alone':>9} {'ratio':>6}")
    for name, which, found in step_times_ms(rounds):
        print(
            (
                f"{name:<12} {which:<12} {found['supernet']:>9.1f} {found['alone']:>9.1f} "
                f"{found['supernet'] / found['alone']:>6.2f}"
            ),
            flush=True,
        )


def switches(rounds: int) -> None:
    print(
        "\nGoing to the next architecture, ms (aim: a file at least 2.4 times slower, a dictionary 1.1; "
        "activate under 1 ms for 100 slots)"
    )
    print(
        f"{'space':<12} {'slots':>5} {'':<18} {'in place':>9} {'dictionary':>11} {'file':>9} "
        f"{'ratios':>12} "
        f"{'ms for 100 slots':>17}"
    )
    for name, shape in INPUTS.items():
        supernet = Supernet(hub.get(name), seed=0).eval()
        architectures = [supernet.space.sample(stream(0, "switch", i)) for i in range(8)]
        models = [supernet.subnet(architecture) for architecture in architectures]
        weights = [supernet.extract(architecture) for architecture in architectures]
        inputs = noise(1, *shape)
        slots = len(supernet.slots.all)
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, f"{i}.safetensors") for i in range(len(weights))]
            for file, tensors in zip(files, weights, strict=True):
                save_file(tensors, file)

            def in_place(run: bool) -> None:
                for architecture in architectures:
                    supernet.activate(architecture)
                    if run:
                        supernet(inputs)

            def from_dictionary(run: bool) -> None:
                for model, tensors in zip(models, weights, strict=True):
                    model.load_state_dict(tensors)
                    if run:
                        model(inputs)

            def from_file(run: bool) -> None:
                for model, file in zip(models, files, strict=True):
                    model.load_state_dict(load_file(file))
                    if run:
                        model(inputs)

            for run in (False, True):
                works = {"in place": in_place, "dictionary": from_dictionary, "file": from_file}
                with torch.no_grad():
                    found = medians_ms(
                        {which: lambda work=work, run=run: work(run) for which, work in works.items()}, rounds
                    )
                found = {which: total / len(architectures) for which, total in found.items()}
                ratios = (
                    f"{found['dictionary'] / found['in place']:.1f} {found['file'] / found['in place']:.1f}"
                )
                hundred = "" if run else f"{100 * found['in place'] / slots:.2f}"
                what = "and one evaluation" if run else "the switch alone"
                print(
                    (
                        f"{name:<12} {slots:>5} {what:<18} {found['in place']:>9.2f} "
                        f"{found['dictionary']:>11.2f} {found['file']:>9.2f} {ratios:>12} {hundred:>17}"
                    ),
                    flush=True,
                )


class Chain(nn.Sequential):
    """Ten layers, each of which is one of four convolutions of equal cost."""

    def __init__(self, width: int = 32):
        def layer(i: int) -> nn.Module:
            candidates = [
                lambda: nn.Sequential(
                    nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
                )
            ] * 4
            return layer_choice(str(i), candidates)

        super().__init__(nn.Conv2d(3, width, 3, padding=1), *(layer(i) for i in range(10)))


def mixture(rounds: int) -> None:
    print(
        "\nOne training step of a path and of the mixture of four operations, ms (aim: "
        "at least 3.5 times quicker)"
    )
    supernet = Supernet(ModelSpace(Chain), seed=0)
    inputs = noise(16, 3, 32, 32)
    train = step(supernet, inputs)

    def path() -> None:
        supernet.activate(supernet.space.sample(stream(0, "path")))
        train()

    def mixed() -> None:
        supernet.mix({label: torch.full((4,), 0.25) for label in supernet.space.parameters})
        train()

    found = medians_ms({"path": path, "mixture": mixed}, rounds)
    print(
        f"path {found['path']:.1f}, mixture {found['mixture']:.1f}: "
        f"{found['mixture'] / found['path']:.2f} "
        "times"
    )


def bytes_alive() -> int:
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # to ask what an object is wakes deprecated ones
        tensors = [
            thing for thing in gc.get_objects() if isinstance(thing, Tensor) and thing.device.type == "cpu"
        ]
    storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def everything(space: ModelSpace) -> list[Architecture]:
    """Return architectures that together have every candidate at its largest: operations of cells one after
    the other, on all inputs, and squeeze-excitation.
    """
    values = {label: greatest(parameter.domain) for label, parameter in space.parameters.items()}
    edges = [label for label in values if label.startswith("edge/")]
    if edges:
        return [
            space.canonical({**values, **dict.fromkeys(edges, operation)})
            for operation in space.parameters[edges[0]].domain.enumerate()
        ]
    operations = [label for label in values if "/op/" in label]
    if operations:
        pairs = [
            {
                f"{kind}/{n}/inputs": (min(k, n), min(k, n) + 1)
                for kind in ("normal", "reduce")
                for n in range(1, 4)
            }
            for k in range(4)
        ]
        each = space.parameters[operations[0]].domain.enumerate()
        return [
            space.canonical({**values, **inputs, **dict.fromkeys(operations, one)})
            for one in each
            for inputs in pairs
        ]
    return [
        space.canonical({**values, **{label: "se" for label in values if label.endswith("squeeze_excite")}})
    ]


def weights_of(space: ModelSpace) -> int:
    """Return the bytes of the weights of all candidates, counted on models built alone."""
    sizes: dict[Any, int] = {}
    for architecture in everything(space):
        for name, tensor in space.build(architecture, device="meta").state_dict().items():
            whose = candidate_of(name, architecture)
            sizes[re.sub(r"(?<=\.operations\.)\d\.", "", name), whose] = (
                tensor.numel() * tensor.element_size()
            )
    return sum(sizes.values())


def candidate_of(name: str, architecture: Architecture) -> object:
    """Return to which candidate of a cell a tensor belongs, in an architecture of one operation throughout;
    None for what is in every model.
    """
    if ".edges." in name:
        return next(value for label, value in architecture.items() if label.startswith("edge/"))
    if found := re.search(r"\.nodes\.(\d)\.operations\.(\d)\.", name):
        node, place = map(int, found.groups())
        inputs = architecture.get(f"normal/{node}/inputs", (0, 1))
        return inputs[place], architecture["normal/0/op/0"]
    return None


def memory() -> None:
    print("\nBytes of a supernet against those of all candidates' weights (aim: within 2 %)")
    for name in INPUTS:
        space = hub.get(name)
        expected = weights_of(space)
        before = bytes_alive()
        supernet = Supernet(space, seed=0)
        found = bytes_alive() - before
        print(f"{name:<12} {found:>12,} of {expected:>12,}: {found / expected:.4f}", flush=True)
        del supernet


def construction(rounds: int) -> None:
    print("\nConstruction, s (aim: under 5 s with the self-check)")
    print(
        f"{'space':<12} {'labels':>6} {'trace':>7} {'build':>7} {'supernet':>9} {'with a dry run':>15} "
        f"{'wall':>7}"
    )
    for name, shape in INPUTS.items():
        space = hub.get(name)
        example = torch.zeros(2, *shape)
        architecture = space.sample(stream(0, "build"))
        works = {
            "trace": lambda name=name: hub.get(name),
            "build": lambda: space.build(architecture, seed=0),
            "supernet": lambda: Supernet(space, seed=0),
            "dry": lambda: Supernet(space, seed=0, example=example),
        }
        found = {which: ms / 1000 for which, ms in medians_ms(works, rounds).items()}
        start = time.perf_counter()
        Supernet(space, seed=0)
        wall = time.perf_counter() - start
        times = (
            f"{found['trace']:>7.3f} {found['build']:>7.3f} {found['supernet']:>9.2f} {found['dry']:>15.2f} "
            f"{wall:>7.2f}"
        )
        print(f"{name:<12} {len(space.parameters):>6} {times}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {
        "steps": steps,
        "switches": switches,
        "mixture": mixture,
        "memory": lambda rounds: memory(),
        "construction": construction,
    }
    parser.add_argument(
        "parts", nargs="*", default=list(parts), help=f"which of {', '.join(parts)}; all if none is given"
    )
    parser.add_argument("--rounds", type=int, default=7, help="medians of so many")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, medians of {options.rounds} rounds, process time, 1 thread")
    for part in options.parts:
        parts[part](options.rounds)


if __name__ == "__main__":
    main()
