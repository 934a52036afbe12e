"""How long a strategy takes to propose at 2,000 trials, or as many as `--trials` says.

    OMP_NUM_THREADS=1 python benchmarks/propose.py [--jobs 2] [--path TABLE] [--latency-path TABLE] [--only
    NAME ...] [--trials 100000]

Process time of `propose` for one trial, on four spaces: the cells of NAS-Bench-201 with their real validation
accuracies, once more with the latency of a Raspberry Pi 4 as a second objective; a flat space of twelve
categories, numbers and subsets; a conditional one of up to ten blocks, each with an operation that may have a
parameter of its own; and that of DARTS. The scores of the last three are made up: a fixed weight for each
number of the encoding.

A study has 2,000 trials: those of the strategy itself, or, for the model-based ones and the controllers,
which would take minutes, of regularized evolution. Then a fresh instance of the strategy goes on. Its first
proposal reads the whole past, and replays it where something was learnt from it; the 20 that follow are what
a long search waits for, the history growing by one trial between two of them. The median says little where a
strategy learns once in a batch: so the mean and the most stand beside it. After 10 s no more are taken, and
the table says of how many. What a strategy imports, and what it keeps for a space, is had before.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from propose_problems import FIDELITIES, PROBLEMS, by_score, study_of
from tabular import Aim, arguments, in_processes, judged, markdown, opened

import retia
from retia.benchmark import Benchmark
from retia.rng import stream
from retia.space import Architecture
from retia.strategy import Strategy
from retia.trial import Proposal

TRIALS = 2_000
TABLED = 10_000
"""Up to how many trials NAS-Bench-201, which has 15,625 architectures, is among the problems."""
CALLS = 20
ENOUGH_S = 10.0
AIM_MS = 20.0


def evolution() -> Strategy:
    return retia.RegularizedEvolution(population=50, tournament=10)


def on_their_own(known: Sequence[Architecture] = ()) -> Mapping[str, Callable[[], Strategy]]:
    """Return what goes on from its own 2,000 trials; `known` is what `WarmStarted` begins with."""
    return {
        "Random": retia.Random,
        "GridSearch": lambda: retia.strategy.GridSearch(points=5),
        "RegularizedEvolution(50, 10)": evolution,
        "LocalSearch": retia.strategy.LocalSearch,
        "NetworkMorphism": retia.strategy.NetworkMorphism,
        "NSGA2": retia.strategy.NSGA2,
        "CMAES": retia.strategy.CMAES,
        "ASHA(Random())": lambda: retia.strategy.ASHA(retia.Random(), fidelities=FIDELITIES),
        "SuccessiveHalving(Random())": lambda: retia.strategy.SuccessiveHalving(
            retia.Random(), fidelities=FIDELITIES
        ),
        "Hyperband(Random())": lambda: retia.strategy.Hyperband(retia.Random(), fidelities=FIDELITIES),
        "BOHB": lambda: retia.strategy.BOHB(fidelities=FIDELITIES),
        "MedianStop(Random())": lambda: retia.strategy.MedianStop(retia.Random()),
        "Screened(Random(), keep=0.1)": lambda: retia.strategy.Screened(retia.Random(), by_score, keep=0.1),
        "Filtered(Random())": lambda: retia.strategy.Filtered(
            retia.Random(), lambda architecture: by_score(architecture) > 0.3 * len(architecture)
        ),
        "Prior(Random())": lambda: retia.strategy.Prior(
            retia.Random(), {"*": lambda value: 1 + len(str(value))}
        ),
        "WarmStarted(Random(), 10 known)": lambda: retia.strategy.WarmStarted(retia.Random(), known),
        "Fallback(Random())": lambda: retia.strategy.Fallback(retia.Random()),
    }


AFTER_EVOLUTION: Mapping[str, Callable[[], Strategy]] = {
    "TPE": retia.strategy.TPE,
    "OptunaGP": retia.strategy.OptunaGP,
    "PredictorGuided(GaussianProcess())": lambda: retia.strategy.PredictorGuided(
        retia.predictor.GaussianProcess()
    ),
    "BANANAS": retia.predictor.BANANAS,
    "Reinforce": retia.predictor.Reinforce,
    "PPO": retia.predictor.PPO,
}
"""What goes on from 2,000 trials of evolution."""
STRATEGIES = (*on_their_own(), *AFTER_EVOLUTION)


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


def measured(table: Benchmark, name: str, problem: str, seed: int, trials: int) -> tuple[float, list[float]]:
    """Return the milliseconds of the first proposal of a fresh instance, and those of the ones that
    follow.
    """
    reporting = name.startswith("MedianStop")
    warm, study = (study_of(table, problem, seed, reporting=reporting) for _ in range(2))
    rng = stream(seed, "known")
    own = on_their_own([study.space.sample(rng) for _ in range(10)])
    make = own.get(name) or AFTER_EVOLUTION[name]
    warm.run(evolution(), trials=30)
    warm.run(make(), trials=33)

    study.run(make() if name in own else evolution(), trials=trials)
    timed = Timed(make())
    while len(timed.seconds) < 2 or (
        len(timed.seconds) <= CALLS and sum(list(timed.seconds.values())[1:]) < ENOUGH_S
    ):
        reason = study.run(timed, trials=len(study.trials) + 1)
        assert reason == "trials done", f"{name} stopped on {problem}: {reason}"
    first, *others = (1000 * seconds for _, seconds in sorted(timed.seconds.items()))
    return first, others


def number(ms: float) -> str:
    return f"{ms:.2f}" if ms < 1 else f"{ms:.1f}" if ms < 100 else f"{ms:,.0f}"


def steady(ms: Sequence[float], seeds: int) -> str:
    few = "" if len(ms) == CALLS * seeds else f", of {len(ms)}"
    return f"{number(statistics.median(ms))} / {number(statistics.fmean(ms))} / {number(max(ms))}{few}"


def aim(name: str, later: Mapping[str, Sequence[float]]) -> Aim:
    """Return whether a strategy is quick enough on every problem, in the median and in the mean."""
    slow = []
    for problem, ms in later.items():
        median, mean = statistics.median(ms), statistics.fmean(ms)
        if max(median, mean) >= AIM_MS:
            slow.append(f"{number(median)} and {number(mean)} on {problem}")
    return name, "; ".join(slow), not slow


def main() -> None:
    parser = arguments(__doc__, seeds=1, latency=True)
    parser.add_argument(
        "--only",
        nargs="*",
        default=list(STRATEGIES),
        choices=STRATEGIES,
        metavar="NAME",
        help="which strategies; all if not given",
    )
    parser.add_argument("--trials", type=int, default=TRIALS, help="how many trials the study has")
    given = parser.parse_args()
    table = opened(given, "raspi4")
    names = [name for name in STRATEGIES if name in given.only]
    problems = [
        problem for problem in PROBLEMS if given.trials <= TABLED or not problem.startswith("NAS-Bench-201")
    ]
    cases = [
        (table, name, problem, seed, given.trials)
        for name in reversed(names)
        for problem in problems
        for seed in range(given.seeds)
    ]
    first: dict[tuple[str, str], list[float]] = {
        (name, problem): [] for name in names for problem in problems
    }
    later: dict[tuple[str, str], list[float]] = {place: [] for place in first}
    for (_, name, problem, *_), (one, others) in zip(
        cases, in_processes(measured, cases, given.jobs), strict=True
    ):
        first[name, problem].append(one)
        later[name, problem].extend(others)

    print(
        f"Milliseconds of process time of one proposal at {given.trials:,} trials, "
        f"median / mean / most of {CALLS * given.seeds}.\n"
    )
    print(
        markdown(
            ("strategy", *problems),
            [(name, *(steady(later[name, problem], given.seeds) for problem in problems)) for name in names],
        )
    )
    print("\nThe first proposal of a fresh instance, which reads and replays the past.\n")
    print(
        markdown(
            ("strategy", *problems),
            [
                (name, *(number(statistics.median(first[name, problem])) for problem in problems))
                for name in names
            ],
        )
    )
    # BANANAS has an aim of its own, in strategies.py.
    aims = [
        aim(name, {problem: later[name, problem] for problem in problems})
        for name in names
        if name != "BANANAS"
    ]
    met = sum(enough for *_, enough in aims)
    print(
        f"\nAim: under {AIM_MS:g} ms, in the median and in the mean, on every problem: "
        f"met by {met} of {len(aims)}.\n"
    )
    if met < len(aims):
        print(judged([one for one in aims if not one[2]]))


if __name__ == "__main__":
    main()
