"""Multi-fidelity strategies on the real table of NAS-Bench-201, in simulated hours of training.

    OMP_NUM_THREADS=1 python benchmarks/fidelities.py [--seeds 60] [--jobs 2] [--path TABLE]

The low fidelity is the table's 12 epochs, which have a schedule of their own, the high one 200; a promoted
cell is charged only what its 12 epochs have not trained, as a checkpoint would save it. Regret is in the
validation accuracy after 200 epochs, to the table's best. Random search with 200 evaluations sets what is to
be reached, in the mean over seeds, and how many hours that takes; the others have as many hours. A strategy
has reached it when its mean regret over seeds has. The default of `eta`, the ratio of the fidelities, was
chosen after a measurement of 3, 4 and it on this table.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
from tabular import arguments, in_processes, judged, markdown, opened

import retia
from retia.benchmark import Benchmark, simulate
from retia.strategy import Strategy

EVALUATIONS = 200
FIDELITIES = (12, 200)
POINTS = 1_000
"""At how many points of the time the regret is looked at."""


def evolution() -> Strategy:
    return retia.RegularizedEvolution(population=50, tournament=10)


STRATEGIES: Mapping[str, Callable[[], Strategy]] = {
    "ASHA(Random())": lambda: retia.strategy.ASHA(retia.Random(), fidelities=FIDELITIES),
    "ASHA(Random(), eta=4)": lambda: retia.strategy.ASHA(retia.Random(), fidelities=FIDELITIES, eta=4),
    "ASHA(Random(), eta=3)": lambda: retia.strategy.ASHA(retia.Random(), fidelities=FIDELITIES, eta=3),
    "SuccessiveHalving(Random())": lambda: retia.strategy.SuccessiveHalving(
        retia.Random(), fidelities=FIDELITIES
    ),
    "Hyperband(Random())": lambda: retia.strategy.Hyperband(retia.Random(), fidelities=FIDELITIES),
    "BOHB": lambda: retia.strategy.BOHB(fidelities=FIDELITIES),
    "ASHA(RegularizedEvolution(50, 10))": lambda: retia.strategy.ASHA(evolution(), fidelities=FIDELITIES),
    "RegularizedEvolution(50, 10)": evolution,
}


def by_chance(table: Benchmark, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the regret of random search after each evaluation, and when that was, in hours."""
    run = simulate(table, retia.Random(), evaluations=EVALUATIONS, seed=seed)
    return run.regret(), run.ends_s / 3600


def searched(table: Benchmark, name: str, seed: int, hours: float) -> tuple[np.ndarray, int]:
    """Return the regret at evenly spaced times, and how many trials there were."""
    run = simulate(table, STRATEGIES[name](), evaluations=100 * EVALUATIONS, seed=seed, hours=hours)
    return run.at(np.linspace(0, hours, POINTS + 1), run.regret()), len(run.trials)


def main() -> None:
    given = arguments(__doc__, seeds=60).parse_args()
    table = opened(given)
    chance = [by_chance(table, seed) for seed in range(given.seeds)]
    target = float(np.mean([regret[-1] for regret, _ in chance]))
    hours = float(np.mean([ends[-1] for _, ends in chance]))
    cases = [(table, name, seed, hours) for name in STRATEGIES for seed in range(given.seeds)]
    runs: dict[str, list[tuple[np.ndarray, int]]] = {name: [] for name in STRATEGIES}
    for (_, name, _, _), run in zip(cases, in_processes(searched, cases, given.jobs), strict=True):
        runs[name].append(run)

    shares: dict[str, float] = {}
    rows = [
        (
            "Random",
            given.seeds,
            EVALUATIONS,
            "100 %",
            f"{np.mean([regret[np.searchsorted(ends, hours / 3) - 1] for regret, ends in chance]):.3f}",
            f"{target:.3f}",
        )
    ]
    for name, ended in runs.items():
        regret = np.mean(
            [curve for curve, _ in ended], axis=0
        )  # NaN until all seeds have a trial that counts
        reached = np.flatnonzero(regret <= target)
        shares[name] = reached[0] / POINTS if len(reached) else math.inf
        share = f"{100 * shares[name]:.0f} %" if len(reached) else "not reached"
        trials = np.mean([count for _, count in ended])
        rows.append(
            (name, len(ended), f"{trials:,.0f}", share, f"{regret[POINTS // 3]:.3f}", f"{regret[-1]:.3f}")
        )
    print(
        f"Random search reaches a mean regret of {target:.3f} with {EVALUATIONS} evaluations, "
        f"which take {hours:.1f} h.\n"
    )
    print(
        markdown(
            (
                "strategy",
                "seeds",
                "mean trials",
                f"share of that time to reach {target:.3f}",
                "mean regret after a third of it",
                "after all of it",
            ),
            rows,
        )
    )
    share = shares["ASHA(Random())"]
    aim = "ASHA over random search: in at most a third of the time"
    print(f"\n{judged([(aim, f'{100 * share:.0f} %', share <= 1 / 3)])}")


if __name__ == "__main__":
    main()
