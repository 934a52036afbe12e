"""What one-shot methods find on handwritten digits, against random search and evolution with as many epochs
of training.

    OMP_NUM_THREADS=1 python benchmarks/oneshot_digits.py [ranks search] [--quick] [--seeds N]

The space and the training are those of `digits_space.py`: little data and few epochs, so that architectures
differ.

- ranks: Kendall's tau-b between the accuracy of architectures with a supernet's weights, on the validation
  data, and their accuracy trained alone, on the test data, the mean of three trainings. Beside it stand what
  the number of parameters, and one training of each, say about the mean of the other trainings.
- search: every method trains a supernet; the winners are trained alone, and the one with the best validation
  accuracy is tested. Methods with a probability for each value put forward their three most probable
  architectures; those that sample paths, and ENAS, the best three of thirty by the supernet's weights, as
  does SPOS with evolution of a hundred. Random search and evolution train models alone.

All but one are given the same number of epochs: those of the supernet and those of the retrained winners,
with the baseline, which is trial 0 of every study. An epoch sees the training data once, which costs some
methods several passes: so the seconds of process time stand beside it, and random search with 14 models,
which takes about as long as the slower methods. Architecture weights, whose papers train them for a hundred
times as many steps, and the controller of ENAS have a learning rate that moves them as far, the same for all
methods, and ENAS looks at a hundred samples of its controller in the end; nothing else is changed, and
nothing is chosen by test data. Results are printed as they come.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from digits_space import EPOCHS, evaluator, space
from scipy.stats import kendalltau

import retia
from retia.evaluate import Classification
from retia.oneshot import (
    DARTS,
    ENAS,
    GDAS,
    PCDARTS,
    SNAS,
    SPOS,
    Differentiable,
    DrNAS,
    FairNAS,
    FBNet,
    OnceForAll,
    OneShot,
    ProxylessNAS,
    Sandwich,
)
from retia.rng import stream
from retia.space import Architecture
from retia.strategy import Listed
from retia.study import Study, run_retrained
from retia.trial import Run

SPACE = space()
WINNERS = 3
DARTS_PATH = 50 * 391 * 3e-4
"""How far DARTS can move an architecture weight in its paper: epochs, times steps, times the learning rate of
Adam.
"""


@dataclass(frozen=True)
class Scale:
    """How much is done: all of it, or as much as shows that it runs."""

    seeds: int
    epochs: int
    supernet_epochs: int
    architectures: int
    trainings: int
    scored: int
    evolved: int

    @property
    def judge(self) -> Classification:
        return evaluator(self.epochs)

    @property
    def budget(self) -> int:
        """How many models random search and evolution train."""
        return max(2, (self.supernet_epochs + (WINNERS + 1) * self.epochs) // self.epochs)

    def methods(self) -> Mapping[str, OneShot]:
        epochs = self.supernet_epochs
        steps = epochs * 12  # of 32 samples
        lr = DARTS_PATH / steps
        return {
            "SPOS": SPOS(epochs=epochs),
            "FairNAS": FairNAS(epochs=epochs),
            "Sandwich": Sandwich(epochs=epochs),
            "OnceForAll": OnceForAll(epochs=epochs),
            "ENAS": ENAS(epochs=epochs, learning_rate=lr, candidates=100),
            "DARTS": DARTS(epochs=epochs, learning_rate=lr),
            "DARTS(unrolled=True)": DARTS(epochs=epochs, learning_rate=lr, unrolled=True),
            # Warm-ups as long as in the papers, as a share of the epochs: 15 of 50, and 10 of 90.
            "PCDARTS": PCDARTS(epochs=epochs, learning_rate=lr, warmup_epochs=epochs * 15 // 50),
            "GDAS": GDAS(epochs=epochs, learning_rate=lr),
            "SNAS": SNAS(epochs=epochs, learning_rate=lr),
            "ProxylessNAS": ProxylessNAS(epochs=epochs, learning_rate=lr),
            "DrNAS": DrNAS(epochs=epochs, learning_rate=lr),
            "FBNet": FBNet(epochs=epochs, learning_rate=lr, warmup_epochs=epochs * 10 // 90),
        }


FULL = Scale(
    seeds=5, epochs=EPOCHS, supernet_epochs=2 * EPOCHS, architectures=20, trainings=3, scored=30, evolved=100
)
QUICK = Scale(seeds=1, epochs=1, supernet_epochs=2, architectures=4, trainings=2, scored=5, evolved=6)


# --- rank correlation


def tau(one: Sequence[float], other: Sequence[float]) -> float:
    return float(kendalltau(one, other).statistic)


def ranks(scale: Scale) -> None:
    started = time.process_time()
    rng = stream(0, "rank correlation")
    architectures: list[Architecture] = []
    while len(architectures) < scale.architectures:
        if (drawn := SPACE.sample(rng)) not in architectures:
            architectures.append(drawn)
    judge = scale.judge
    runs = [[judge(one, Run(SPACE, seed=seed)) for one in architectures] for seed in range(scale.trainings)]
    tested = [[metrics["test_accuracy"] for metrics in run] for run in runs]
    alone = [statistics.fmean(column) for column in zip(*tested, strict=True)]
    print(
        f"\nKendall's tau of {len(architectures)} architectures, trained alone {scale.trainings} times "
        "with "
        f"a test accuracy of {min(alone):.3f} to {max(alone):.3f}"
    )
    print(f"{'ranked by':<24} {'each':>24} {'mean':>6}  {'process s':>9}", flush=True)
    print(
        (
            f"{'number of parameters':<24} {'':>24} "
            f"{tau([float(metrics['params']) for metrics in runs[0]], alone):>6.2f}"
        ),
        flush=True,
    )
    others = [
        [
            statistics.fmean(rest)
            for rest in zip(*(row for j, row in enumerate(tested) if j != i), strict=True)
        ]
        for i in range(scale.trainings)
    ]
    show(
        "one training alone",
        [tau(run, rest) for run, rest in zip(tested, others, strict=True)],
        time.process_time() - started,
    )
    for name in ("SPOS", "FairNAS", "Sandwich"):
        started, found = time.process_time(), list[float]()
        for seed in range(scale.trainings):
            supernet = scale.methods()[name].train(SPACE, judge, seed=seed)
            found.append(
                tau([supernet(one, Run(SPACE, seed=seed))["accuracy"] for one in architectures], alone)
            )
        show(name, found, time.process_time() - started)


def show(name: str, found: Sequence[float], seconds: float) -> None:
    print(
        (
            f"{name:<24} {', '.join(f'{one:.2f}' for one in found):>24} {statistics.fmean(found):>6.2f}  "
            f"{seconds:>9.1f}"
        ),
        flush=True,
    )


# --- search, derive, retrain


@dataclass(frozen=True)
class Found:
    """What came of one search.

    Attributes:
        test_accuracy: Of the winner.
        valid_accuracy: By which it won.
        params: Of the winner.
        epochs: How many were trained in all.
        process_s: How long it took.
        wall_s: The same by the clock.
    """

    test_accuracy: float
    valid_accuracy: float
    params: float
    epochs: int
    process_s: float
    wall_s: float


def study_of(judge: object, strategy: object, trials: int, seed: int) -> Study:
    return retia.search(SPACE, judge, strategy, trials=trials, maximize="accuracy", seed=seed, progress=False)


def by_supernet(method: OneShot, scale: Scale, seed: int) -> Study:
    if isinstance(method, Differentiable):  # it knows its winners itself; the baseline is trained as well
        return run_retrained(study_of(scale.judge, method, WINNERS + 1, seed), WINNERS + 1)
    return run_retrained(study_of(scale.judge, method, scale.scored, seed), WINNERS)


def by_evolution_in_supernet(scale: Scale, seed: int) -> Study:
    supernet = scale.methods()["SPOS"].train(SPACE, scale.judge, seed=seed)
    scored = study_of(supernet, retia.RegularizedEvolution(population=20, tournament=5), scale.evolved, seed)
    winners = [trial.architecture for trial in scored.top(WINNERS)]
    return study_of(scale.judge, Listed(winners), WINNERS + 1, seed)


def contenders(scale: Scale) -> Mapping[str, tuple[int, Callable[[int], Study]]]:
    """Return how many epochs each trains a supernet, and its search, which ends in a study of models that
    were trained alone.
    """
    supernet = scale.supernet_epochs
    return {
        "Random": (0, lambda seed: study_of(scale.judge, retia.Random(), scale.budget, seed)),
        "Random, 14 models": (
            0,
            lambda seed: study_of(scale.judge, retia.Random(), 14 * scale.budget // 6, seed),
        ),
        "RegularizedEvolution": (
            0,
            lambda seed: study_of(
                scale.judge, retia.RegularizedEvolution(population=3, tournament=2), scale.budget, seed
            ),
        ),
        "SPOS, then evolution": (supernet, lambda seed: by_evolution_in_supernet(scale, seed)),
        **{
            name: (supernet, lambda seed, method=method: by_supernet(method, scale, seed))
            for name, method in scale.methods().items()
        },
    }


def search(scale: Scale) -> None:
    print(
        f"\nSearch, derive, retrain: {scale.supernet_epochs} epochs of a supernet and {scale.epochs} of "
        f"each winner and the baseline; {scale.budget} models alone"
    )
    print(
        (
            f"{'seed':>4} {'method':<22} {'test':>6} {'valid':>6} {'params':>7} {'epochs':>6} "
            f"{'process s':>9} "
            f"{'wall s':>7}"
        ),
        flush=True,
    )
    found: dict[str, list[Found]] = {}
    for seed in range(scale.seeds):
        for name, (epochs, run) in contenders(scale).items():
            process, wall = time.process_time(), time.perf_counter()
            study = run(seed)
            taken = time.process_time() - process, time.perf_counter() - wall
            best = study.best
            metrics = best.metrics
            one = Found(
                metrics["test_accuracy"],
                metrics["accuracy"],
                metrics["params"],
                epochs + scale.epochs * len(study.trials),
                *taken,
            )
            found.setdefault(name, []).append(one)
            numbers = (
                f"{one.test_accuracy:>6.3f} {one.valid_accuracy:>6.3f} {one.params:>7,.0f} {one.epochs:>6} "
                f"{one.process_s:>9.1f} {one.wall_s:>7.1f}"
            )
            print(f"{seed:>4} {name:<22} {numbers}", flush=True)
    summarize(found)


def summarize(found: Mapping[str, Sequence[Found]]) -> None:
    print(
        f"\n| search | test accuracy of the winner, %, {len(found['Random'])} seeds | minus random's | "
        "better than random's in | params | epochs | process s | most wall s |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    chance = [100 * one.test_accuracy for one in found["Random"]]
    for name, runs in found.items():
        tested = [100 * one.test_accuracy for one in runs]
        spread = statistics.stdev(tested) if len(tested) > 1 else 0.0
        wins = (
            ""
            if name == "Random"
            else f"{sum(a > b for a, b in zip(tested, chance, strict=True))} of {len(tested)}"
        )
        gain = "" if name == "Random" else f"{statistics.fmean(tested) - statistics.fmean(chance):+.1f}"
        cells = [
            *(
                name,
                f"{statistics.fmean(tested):.1f} ± {spread:.1f}",
                gain,
                wins,
                f"{statistics.fmean(one.params for one in runs):,.0f}",
            ),
            *(
                f"{statistics.fmean(one.epochs for one in runs):.0f}",
                f"{statistics.fmean(one.process_s for one in runs):.1f}",
            ),
            f"{max(one.wall_s for one in runs):.1f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {"ranks": ranks, "search": search}
    parser.add_argument(
        "parts", nargs="*", default=list(parts), help=f"which of {', '.join(parts)}; all if none is given"
    )
    parser.add_argument(
        "--quick", action="store_true", help="two epochs and one seed: to see that it runs, not to measure"
    )
    parser.add_argument("--seeds", type=int, help="how many searches by each method")
    options = parser.parse_args()
    scale = QUICK if options.quick else FULL
    if options.seeds:
        scale = Scale(**{**vars(scale), "seeds": options.seeds})
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, 1 thread, {SPACE.size():,} architectures")
    started = time.process_time()
    for part in options.parts:
        parts[part](scale)
    print(f"\n{time.process_time() - started:.0f} s of process time in all")


if __name__ == "__main__":
    main()
