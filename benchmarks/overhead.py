"""Overhead of the search itself: trials per second with an evaluator that returns at once, beside Optuna.

    OMP_NUM_THREADS=1 python benchmarks/overhead.py [--quick]

The space is that of NAS-Bench-201: six 5-way choices, 15,625 architectures. All contenders run in turns, in
one process; what is shown is the median. Optuna is given fewer trials where it would take minutes, as the
table says. Ours on SQLite is durable against `kill -9`; a power cut may cost the last trials, as the
write-ahead log is not synced at each.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import optuna

import retia

LETTERS = "abcde"
LABELS = [f"op{i}" for i in range(6)]
SPACE = retia.SearchSpace({label: retia.Categorical(tuple(LETTERS)) for label in LABELS})
OURS: dict[str, Callable[[], object]] = {
    "retia Random": retia.Random,
    "retia RegularizedEvolution(50, 10)": lambda: retia.RegularizedEvolution(50, 10),
    "retia LocalSearch": retia.strategy.LocalSearch,
}
THEIRS: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
    "Optuna RandomSampler": lambda: optuna.samplers.RandomSampler(seed=0),
    "Optuna NSGAIISampler": lambda: optuna.samplers.NSGAIISampler(seed=0),
    "Optuna TPESampler": lambda: optuna.samplers.TPESampler(seed=0),
}
TRIALS = (500, 2_000, 10_000)
MOST = {"in memory": {"Optuna TPESampler": 2_000}, "SQLite": dict.fromkeys(THEIRS, 200)}
"""The most trials that a contender is given, where not all."""


@dataclass
class Measured:
    """The seconds that some runs of the same thing took."""

    trials: int
    process_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)

    def rate(self, seconds: list[float]) -> float:
        return self.trials / statistics.median(seconds)


@retia.architecture_evaluator
def score(architecture):
    return {"score": sum(value == "c" for value in architecture.values())}


def run_ours(name: str, trials: int, storage: Path | None, seed: int) -> None:
    study = retia.Study(SPACE, score, maximize="score", storage=storage, seed=seed)
    reason = study.run(OURS[name](), trials=trials)
    assert reason == "trials done", reason


def run_theirs(name: str, trials: int, storage: Path | None, seed: int) -> None:
    def objective(trial):
        return sum(trial.suggest_categorical(label, LETTERS) == "c" for label in LABELS)

    url = None if storage is None else f"sqlite:///{storage}"
    optuna.create_study(direction="maximize", sampler=THEIRS[name](), storage=url).optimize(
        objective, n_trials=trials
    )


def measure(name: str, storage: str, measured: Measured, seed: int) -> None:
    run = run_ours if name in OURS else run_theirs
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.db" if storage == "SQLite" else None
        process, wall = time.process_time(), time.perf_counter()
        run(name, measured.trials, path, seed)
        measured.process_s.append(time.process_time() - process)
        measured.wall_s.append(time.perf_counter() - wall)


def measure_all(
    storage: str, trials: int, repeats: dict[str, int], done: dict[tuple[str, str, int], Measured]
) -> None:
    keys = {name: (name, storage, min(trials, MOST[storage].get(name, trials))) for name in repeats}
    new = [name for name, key in keys.items() if key not in done]
    for repeat in range(max(repeats.values())):
        for name in new:
            if repeat < repeats[name]:
                measured = done.setdefault(keys[name], Measured(keys[name][2]))
                measure(name, storage, measured, seed=repeat)


def against_optuna(done: dict[tuple[str, str, int], Measured], name: str, storage: str, trials: int) -> float:
    """Return how many times the trials a second of Optuna's RandomSampler a search does, by wall time."""
    one = done[name, storage, trials]
    reference = done[
        "Optuna RandomSampler", storage, min(trials, MOST[storage].get("Optuna RandomSampler", trials))
    ]
    return one.rate(one.wall_s) / reference.rate(reference.wall_s)


def table(done: dict[tuple[str, str, int], Measured]) -> str:
    lines = [
        (
            "| storage | trials | search | runs | trials/s (wall) | trials/s (process time) | wall, "
            "against Optuna RandomSampler |"
        ),
        "|---|--:|---|--:|--:|--:|--:|",
    ]
    for (name, storage, trials), one in sorted(
        done.items(), key=lambda item: (item[0][1], item[0][2], [*OURS, *THEIRS].index(item[0][0]))
    ):
        ratio = against_optuna(done, name, storage, trials)
        rates = f"{one.rate(one.wall_s):,.0f} | {one.rate(one.process_s):,.0f}"
        lines.append(
            f"| {storage} | {trials:,} | {name} | {len(one.wall_s)} | {rates} | "
            f"{ratio:.{2 if ratio < 10 else 0}f}x |"
        )
    return "\n".join(lines)


def growth(done: dict[tuple[str, str, int], Measured], trials: tuple[int, ...]) -> str:
    lines = [f"Cost per trial at {trials[-1]:,} trials against {trials[0]:,}:", ""]
    for storage in MOST:
        for name in OURS:
            few, many = done[name, storage, trials[0]], done[name, storage, trials[-1]]
            lines.append(f"- {name}, {storage}: {few.rate(few.process_s) / many.rate(many.process_s):.2f}x")
    return "\n".join(lines)


def silence_optuna() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    optuna.logging.disable_default_handler()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one run each, of fewer trials: to see that it works"
    )
    quick = parser.parse_args().quick
    silence_optuna()
    trials = (50, 100) if quick else TRIALS
    repeats = dict.fromkeys((*OURS, *THEIRS), 1 if quick else 5)
    done: dict[tuple[str, str, int], Measured] = {}
    for storage in MOST:
        for count in trials:
            measure_all(storage, count, repeats, done)
    print(table(done), growth(done, trials), sep="\n\n")


if __name__ == "__main__":
    main()
