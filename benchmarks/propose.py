"""How long a strategy takes to propose at 2,000 trials.

    OMP_NUM_THREADS=1 python benchmarks/propose.py [--jobs 2] [--path TABLE] [--latency-path TABLE] [--only NAME ...]

Milliseconds of process time of `propose` for one trial, on four spaces: the cells of NAS-Bench-201 with their real validation accuracies, once more with the latency of a Raspberry Pi 4 as a second
objective, a flat space of twelve categories, numbers and subsets, a conditional one of up to ten blocks with operations that have parameters of their own, and that of DARTS. The others' scores are
made up: a fixed random weight for each number of the encoding. A study has 2,000 trials: those of the strategy itself, or, for the model-based ones and the controllers, which would take minutes, of
regularized evolution. Then a fresh instance of the strategy goes on. Its first proposal has the whole past to read (and to replay), the 20 that follow are what a long
search waits for, the history growing by one trial between two of them: their median, and the most in brackets, where a strategy learns from every batch only. After 10 s no more are
taken; fewer than 20 are said. What a strategy imports, and what it keeps for a space, is had before.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from propose_problems import FIDELITIES, PROBLEMS, by_score, study_of
from tabular import arguments, in_processes, judged, markdown, opened

import retia
from retia.benchmark import Benchmark
from retia.rng import stream
from retia.space import Architecture
from retia.strategy import Strategy
from retia.trial import Proposal

TRIALS = 2_000
CALLS = 20
ENOUGH_S = 10.0
AIM_MS = 20.0


def evolution() -> Strategy:
    return retia.RegularizedEvolution(population=50, tournament=10)


ITSELF: Mapping[str, Callable[[], Strategy]] = {
    "Random": retia.Random,
    "GridSearch": lambda: retia.GridSearch(points=5),
    "RegularizedEvolution(50, 10)": evolution,
    "LocalSearch": retia.LocalSearch,
    "NetworkMorphism": retia.NetworkMorphism,
    "NSGA2": retia.NSGA2,
    "CMAES": retia.CMAES,
    "ASHA(Random())": lambda: retia.ASHA(retia.Random(), fidelities=FIDELITIES),
    "SuccessiveHalving(Random())": lambda: retia.SuccessiveHalving(retia.Random(), fidelities=FIDELITIES),
    "Hyperband(Random())": lambda: retia.Hyperband(retia.Random(), fidelities=FIDELITIES),
    "BOHB": lambda: retia.BOHB(fidelities=FIDELITIES),
    "MedianStop(Random())": lambda: retia.MedianStop(retia.Random()),
    "Screened(Random(), keep=0.1)": lambda: retia.Screened(retia.Random(), by_score, keep=0.1),
    "Filtered(Random())": lambda: retia.Filtered(retia.Random(), lambda architecture: by_score(architecture) > 0.3 * len(architecture)),
    "Prior(Random())": lambda: retia.Prior(retia.Random(), {"*": lambda value: 1 + len(str(value))}),
    "WarmStarted(Random(), 10 known)": lambda: retia.WarmStarted(retia.Random(), KNOWN),
    "Fallback(Random())": lambda: retia.Fallback(retia.Random()),
}
"""Whose own 2,000 trials they go on from."""
OF_EVOLUTION: Mapping[str, Callable[[], Strategy]] = {
    "TPE": retia.TPE,
    "GP": retia.GP,
    "PredictorGuided(GaussianProcess())": lambda: retia.PredictorGuided(retia.GaussianProcess()),
    "BANANAS": retia.BANANAS,
    "Reinforce": retia.Reinforce,
    "PPO": retia.PPO,
}
"""Which go on from trials of evolution."""
STRATEGIES = {**ITSELF, **OF_EVOLUTION}
KNOWN: list[Architecture] = []
"""The architectures with which `WarmStarted` begins, of the space at hand."""


@dataclass
class Timed:
    """A strategy, and how long it took for each trial.

    Attributes:
        strategy: What proposes.
        seconds: By how many trials there were: asked again for the same trial, it is the sum.
    """

    strategy: Strategy
    seconds: dict[int, float] = field(default_factory=dict)

    def propose(self, space, history, n, rng) -> Sequence[Proposal]:
        started = time.process_time()
        proposed = self.strategy.propose(space, history, n, rng)
        self.seconds[len(history)] = self.seconds.get(len(history), 0.0) + time.process_time() - started
        return proposed


def measured(table: Benchmark, name: str, problem: str) -> tuple[float, list[float]]:
    """Return the milliseconds of the first proposal of a fresh instance, and those of the ones that follow."""
    make, reporting = STRATEGIES[name], name.startswith("MedianStop")
    warm = study_of(table, problem, reporting=reporting)
    rng = stream(0, "known")
    KNOWN[:] = [warm.space.sample(rng) for _ in range(10)]
    warm.run(evolution(), trials=30)
    warm.run(make(), trials=33)

    study = study_of(table, problem, reporting=reporting)
    study.run(make() if name in ITSELF else evolution(), trials=TRIALS)
    timed = Timed(make())
    while len(timed.seconds) <= CALLS and sum(timed.seconds.values()) < ENOUGH_S:
        reason = study.run(timed, trials=len(study.trials) + 1)
        assert reason == "trials done", f"{name} stopped on {problem}: {reason}"
    first, *others = (1000 * seconds for _, seconds in sorted(timed.seconds.items()))
    return first, others


def number(ms: float) -> str:
    return f"{ms:.2f}" if ms < 1 else f"{ms:.1f}" if ms < 100 else f"{ms:,.0f}"


def steady(others: Sequence[float]) -> str:
    if not others:
        return "-"
    few = "" if len(others) == CALLS else f", of {len(others)}"
    return f"{number(statistics.median(others))} ({number(max(others))}{few})"


def main() -> None:
    parser = arguments(__doc__, seeds=1, latency=True)
    parser.add_argument("--only", nargs="*", default=list(STRATEGIES), help="which strategies; all if not given")
    given = parser.parse_args()
    table = opened(given, "raspi4")
    names = [name for name in STRATEGIES if name in given.only]
    cases = [(table, name, problem) for name in reversed(names) for problem in PROBLEMS]
    found = {case[1:]: one for case, one in zip(cases, in_processes(measured, cases, given.jobs), strict=True)}

    print(f"Milliseconds of one proposal at {TRIALS:,} trials: median of {CALLS} (most).\n")
    print(markdown(("strategy", *PROBLEMS), [(name, *(steady(found[name, problem][1]) for problem in PROBLEMS)) for name in names]))
    print("\nMilliseconds of the first proposal of a fresh instance.\n")
    print(markdown(("strategy", *PROBLEMS), [(name, *(number(found[name, problem][0]) for problem in PROBLEMS)) for name in names]))
    aims = []
    for name in names:
        if name != "BANANAS":  # it has an aim of its own, in strategies.py
            medians = {problem: statistics.median(found[name, problem][1] or [found[name, problem][0]]) for problem in PROBLEMS}
            slow = {problem: ms for problem, ms in medians.items() if ms >= AIM_MS}
            said = ", ".join(f"{number(ms)} on {problem}" for problem, ms in slow.items()) or f"at most {number(max(medians.values()))}"
            aims.append((name, said, not slow))
    missed = [aim for aim in aims if not aim[2]]
    print(f"\nUnder {AIM_MS:g} ms in the median, on every space, with one objective and two: {len(aims) - len(missed)} of {len(aims)} strategies.\n")
    print(judged(missed or [("every strategy under 20 ms", "", True)]))


if __name__ == "__main__":
    main()
