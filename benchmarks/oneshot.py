"""What a step of a one-shot method costs, on the supernet of NAS-Bench-201: 16 channels, one cell a stage,
batches of 64 images of 32 x 32.

    OMP_NUM_THREADS=1 python benchmarks/oneshot.py [handwritten methods memory] [--quick]

- handwritten: steps of DARTS (first order) and GDAS by the library's training loop against plain PyTorch
  (`handwritten.py`): Adam for the architecture weights on held-out data, then SGD with momentum for the
  weights. First it is checked that both compute the same losses and gradients. The plain loop is measured
  with contiguous tensors and in channels-last order, which the library puts convolutions in.
- methods: seconds a step of every method, and the greatest memory of its tensors in either half of a step,
  beyond what is alive before it.
- memory: that of ProxylessNAS's step of the architecture weights against that of training the same path
  alone.

Medians of interleaved rounds, process time, one thread. Memory is counted from the storages of all tensors
that operators make (`live_memory.py`).
"""

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import torch
from handwritten import Darts, Gdas, Network, Search
from live_memory import LiveMemory
from torch import Tensor

from retia import hub
from retia.evaluate import Classification
from retia.oneshot import (
    DARTS,
    ENAS,
    GDAS,
    PCDARTS,
    SNAS,
    SPOS,
    DrNAS,
    FairNAS,
    FBNet,
    OnceForAll,
    OneShot,
    ProxylessNAS,
    Sandwich,
    Session,
    Setting,
    TrainingBatch,
)
from retia.oneshot.differentiable import RelaxedSession, generator_of
from retia.oneshot.training.data_schedule import DataSchedule
from retia.oneshot.training.loop import TrainingLoop
from retia.oneshot.training.ranks import Ranks
from retia.supernet import Supernet

METHODS: Mapping[str, OneShot] = {
    "SPOS": SPOS(),
    "FairNAS": FairNAS(),
    "Sandwich": Sandwich(),
    "OnceForAll": OnceForAll(),
    "ENAS": ENAS(),
    "DARTS": DARTS(),
    "DARTS(unrolled=True)": DARTS(unrolled=True),
    "PCDARTS": PCDARTS(),
    "GDAS": GDAS(),
    "SNAS": SNAS(),
    "ProxylessNAS": ProxylessNAS(),
    "DrNAS": DrNAS(),
    "FBNet": FBNet(),
}
BATCH = 64
STEPS = 4
"""How many steps an epoch has."""
WEIGHED = 5
"""In how many rounds memory is counted, which slows a step."""
LR = 0.025
MEBI = 2**20


def images(n: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, 32, 32, generator=generator), torch.randint(10, (n,), generator=generator)


def setting_of(layout: torch.memory_format = torch.channels_last) -> Setting:
    """Lay out a training of one epoch of four steps, as `OneShot.train` does."""
    supernet = Supernet(hub.get("nasbench201", channels=16, cells=1), seed=0).to(memory_format=layout).train()
    device = torch.device("cpu")
    training = Classification(
        images(STEPS * BATCH, 0),
        images(STEPS * BATCH, 1),
        optimizer=lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9, weight_decay=3e-4),
        schedule="constant",
        lr=LR,
        batch_size=BATCH,
    ).on(device, layout)
    return Setting(
        supernet, training, steps=STEPS, steps_per_epoch=STEPS, seed=0, allows=lambda architecture: True
    )


def training_batch(setting: Setting, number: int) -> TrainingBatch:
    part = slice(number % STEPS * BATCH, (number % STEPS + 1) * BATCH)
    batch, held_out = (setting.training.data(name).taken(part) for name in ("train", "valid"))
    return TrainingBatch(
        number=number, step=number % STEPS, batch=batch, held_out=lambda: held_out, seed=number
    )


# --- against plain PyTorch


def plain(kind: type[Search], supernet: Supernet, layout: torch.memory_format) -> Search:
    """Return the hand-written method with the supernet's weights."""
    network = Network()
    with torch.no_grad():
        for ours, theirs in zip(supernet.state_dict().values(), network.state_dict().values(), strict=True):
            theirs.copy_(ours)
    return kind(network.to(memory_format=layout).train(), LR)


def furthest(ours: list[Tensor], theirs: list[Tensor]) -> float:
    """Return the greatest difference between gradients, relative to the norm of each."""
    return max(float((a - b).norm() / b.norm().clamp(min=1e-12)) for a, b in zip(ours, theirs, strict=True))


def check_same(method: OneShot, kind: type[Search]) -> None:
    """See that one step of both has the same losses and gradients."""
    setting = setting_of()
    session = method.session(setting)
    assert isinstance(session, RelaxedSession)
    search = plain(kind, setting.supernet, torch.channels_last)
    with torch.no_grad():
        for row, alpha in enumerate(session.relaxation.weights.values()):
            alpha.copy_(torch.linspace(-1, 1, 5).roll(row))
            search.network.alphas[row].copy_(alpha)
    worst = 0.0
    for number in range(STEPS):
        item, share = training_batch(setting, number), number / (STEPS - 1)
        session.mix(item, "search")
        loss = session.search_loss(item)
        ours = session.gradients(item, session.penalized(loss, item))
        their_loss, theirs = search.architecture_gradients(
            item.held_out(), share, generator_of(item, "search")
        )
        worst = max(
            worst,
            abs(float(loss.detach()) - their_loss) / their_loss,
            furthest([one for one in ours if one is not None], theirs),
        )
        setting.supernet.zero_grad()
        taught = session.train_batch(item)
        their_loss = search.weight_gradients(item.batch, share, generator_of(item, "weights"))
        pairs = [
            (a.grad, b.grad)
            for a, b in zip(setting.supernet.parameters(), search.network.parameters(), strict=True)
        ]
        assert all((a is None) == (b is None) for a, b in pairs), (
            "a weight has a gradient in one of the two alone"
        )
        known = [(a, b) for a, b in pairs if a is not None and b is not None]
        worst = max(
            worst,
            abs(taught - their_loss) / their_loss,
            furthest([a for a, _ in known], [b for _, b in known]),
        )
    print(
        f"{type(method).__name__}: losses and gradients agree to {worst:.0e} in {STEPS} steps of either half"
    )
    assert worst < 1e-4, worst


def epoch_of(method: OneShot) -> Callable[[], object]:
    setting = setting_of()
    training = setting.training
    data_schedule = DataSchedule(
        training.data("train"),
        training.data("valid"),
        BATCH,
        seed=0,
        batches_per_step=1,
        batches_per_epoch=STEPS,
    )
    loop = TrainingLoop(
        session=method.session(setting),
        data_schedule=data_schedule,
        epochs=1,
        warmup_epochs=0,
        ranks=Ranks(),
        identity={},
        path=None,
        report=lambda told, epoch: None,
    )
    return loop.run


def plain_epoch_of(kind: type[Search], layout: torch.memory_format) -> Callable[[], object]:
    setting = setting_of(layout)
    search = plain(kind, setting.supernet, layout)
    train, valid = setting.training.data("train"), setting.training.data("valid")

    def run() -> None:
        orders = torch.randperm(STEPS * BATCH).split(BATCH), torch.randperm(STEPS * BATCH).split(BATCH)
        search.optimizer.state.clear()  # as a training of one epoch begins
        for step, (rows, held_out) in enumerate(zip(*orders, strict=True)):
            search.step(train.taken(rows), valid.taken(held_out), step / (STEPS - 1))

    return run


PAIRS: list[tuple[OneShot, type[Search]]] = [(DARTS(), Darts), (GDAS(), Gdas)]


def step_times_s(rounds: int) -> Iterator[tuple[str, dict[str, list[float]], str]]:
    """Yield a method, the seconds of an epoch in each round by retia and by plain loops, and which of these
    is quicker.
    """
    for method, kind in PAIRS:
        works = {
            "retia": epoch_of(method),
            "plain": plain_epoch_of(kind, torch.contiguous_format),
            "plain, channels last": plain_epoch_of(kind, torch.channels_last),
        }
        times = interleaved(works, rounds)
        yield (
            type(method).__name__,
            times,
            min(times.keys() - {"retia"}, key=lambda name: statistics.median(times[name])),
        )


def handwritten(rounds: int) -> None:
    print("\nA step of the training loop against plain PyTorch, ms (aim: at most 1.05 times)")
    for method, kind in PAIRS:
        check_same(method, kind)
    print(
        (
            f"{'method':<8} {'retia':>9} {'plain':>9} {'plain, channels last':>21} "
            f"{'ratio to the quicker':>21} "
            f"{'quartiles of the ratio':>24}"
        ),
        flush=True,
    )
    for method, times, quicker in step_times_s(rounds):
        found = {name: 1000 * statistics.median(measured) / STEPS for name, measured in times.items()}
        ratios = sorted(ours / theirs for ours, theirs in zip(times["retia"], times[quicker], strict=True))
        quartiles = f"{ratios[len(ratios) // 4]:.3f} to {ratios[3 * len(ratios) // 4]:.3f}"
        numbers = " ".join(
            f"{found[name]:>{width}.1f}"
            for name, width in (("retia", 9), ("plain", 9), ("plain, channels last", 21))
        )
        print(f"{method:<8} {numbers} {found['retia'] / found[quicker]:>21.3f} {quartiles:>24}", flush=True)


def interleaved(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time each work in turn, in an order that turns around, so that what slows the machine slows all; in
    seconds.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    for i in range(rounds + 1):
        for name in list(works)[:: 1 if i % 2 else -1]:
            gc.collect()
            start = time.process_time()
            works[name]()
            times[name].append(time.process_time() - start)
    return {name: measured[1:] for name, measured in times.items()}  # the first round warms up


# --- every method


class Steps:
    """Steps of a method's session, taken as the training loop takes them."""

    def __init__(self, method: OneShot) -> None:
        # In the middle of a training, where every method does all that it ever does.
        self.setting = replace(setting_of(), steps=2_000)
        self.session: Session = method.session(self.setting)
        self.optimizer = self.setting.optimizers[0]
        self.number = 1_000

    def item(self) -> TrainingBatch:
        self.number += 1
        return replace(training_batch(self.setting, self.number), step=self.number)

    def train_batch(self, item: TrainingBatch) -> None:
        self.session.train_batch(item)
        self.optimizer.step()

    def take(self, measured: Callable[[str, Callable[[TrainingBatch], object], TrainingBatch], None]) -> None:
        """Take one step, of which each half is measured."""
        item = self.item()
        self.optimizer.zero_grad(set_to_none=True)
        measured("search", self.session.search, item)
        self.optimizer.zero_grad(set_to_none=True)
        measured("train_batch", self.train_batch, item)


def methods(rounds: int) -> None:
    print(
        "\nA step of each method: seconds, times a step of SPOS, and the greatest memory of either half, "
        f"MiB (median and largest of {min(rounds, WEIGHED)} steps)"
    )
    print(
        f"{'method':<21} {'search':>8} {'train':>8} {'step':>8} {'times':>6} {'search':>14} {'train':>14}",
        flush=True,
    )
    runs = {name: Steps(method) for name, method in METHODS.items()}
    times: dict[tuple[str, str], list[float]] = {}
    peaks: dict[tuple[str, str], list[float]] = {}
    for i in range(rounds + 1):
        for name, run in runs.items():

            def timed(
                half: str, work: Callable[[TrainingBatch], object], item: TrainingBatch, name: str = name
            ) -> None:
                start = time.process_time()
                work(item)
                times.setdefault((name, half), []).append(time.process_time() - start)

            def weighed(
                half: str, work: Callable[[TrainingBatch], object], item: TrainingBatch, name: str = name
            ) -> None:
                with LiveMemory() as memory:
                    work(item)
                peaks.setdefault((name, half), []).append(memory.peak / MEBI)

            gc.collect()
            run.take(timed)
            if 0 < i <= WEIGHED:  # after a first step, in which the optimizer makes its momenta
                run.take(weighed)
    spos = statistics.median(
        map(sum, zip(times["SPOS", "search"][1:], times["SPOS", "train_batch"][1:], strict=True))
    )
    for name in runs:
        search, train_batch = times[name, "search"][1:], times[name, "train_batch"][1:]
        both = statistics.median(map(sum, zip(search, train_batch, strict=True)))
        shown = [
            f"{statistics.median(peaks[name, half]):.1f}, {max(peaks[name, half]):.1f}"
            for half in ("search", "train_batch")
        ]
        seconds = (
            f"{statistics.median(search):>8.3f} {statistics.median(train_batch):>8.3f} {both:>8.3f} "
            f"{both / spos:>6.1f}"
        )
        print(f"{name:<21} {seconds} {shown[0]:>14} {shown[1]:>14}", flush=True)


def memory(rounds: int) -> None:
    print(
        "\nThe greatest memory of a step of ProxylessNAS's architecture weights against that of training "
        "the same path (aim: at most 1.3 times)"
    )
    run = Steps(ProxylessNAS())
    supernet, setting = run.setting.supernet, run.setting
    ratios: list[float] = []
    mebis: list[tuple[float, float]] = []
    for _ in range(rounds):
        item = run.item()
        run.optimizer.zero_grad(set_to_none=True)
        with LiveMemory() as searched:
            run.session.search(item)
        supernet.activate(supernet.architecture)
        with LiveMemory() as alone:
            setting.loss(item.held_out()).backward()
        ratios.append(searched.peak / alone.peak)
        mebis.append((searched.peak / MEBI, alone.peak / MEBI))
    ours, theirs = (statistics.median(column) for column in zip(*mebis, strict=True))
    print(
        f"{ours:.1f} MiB against {theirs:.1f} (medians of {rounds} paths): "
        f"{statistics.median(ratios):.2f} times, from {min(ratios):.2f} to {max(ratios):.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {"handwritten": handwritten, "methods": methods, "memory": memory}
    parser.add_argument(
        "parts", nargs="*", default=list(parts), help=f"which of {', '.join(parts)}; all if none is given"
    )
    parser.add_argument("--rounds", type=int, default=15, help="medians of so many")
    parser.add_argument(
        "--quick", action="store_true", help="two rounds: to see that it runs, not to measure"
    )
    options = parser.parse_args()
    rounds = 2 if options.quick else options.rounds
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, medians of {rounds} rounds, process time, 1 thread")
    for part in options.parts:
        parts[part](rounds)


if __name__ == "__main__":
    main()
