"""Regret of every strategy on the real table of NAS-Bench-201, and how soon each finds the best cell.

    OMP_NUM_THREADS=1 python benchmarks/strategies.py [--seeds 60] [--jobs 2] [--path TABLE]

200 evaluations each on the simulated clock. Regret is in the validation accuracy on cifar10-valid after 200
epochs, which the strategy sees, to the table's best, in percentage points; the test accuracy is that of the
best by validation. What random search must come to follows from the table: the cells are drawn without
replacement. How long it takes to find the best cell is simulated as well, to the end of the table, with 20
seeds at most. OptunaGP is left out: a run of it takes 20 s. Seconds are those of all proposals of a run,
process time; with more than one job the cores are busy with each other.
"""

import math
import statistics
from collections.abc import Mapping

import numpy as np
from tabular import STRATEGIES, Aim, arguments, in_processes, judged, markdown, opened

import retia
from retia.benchmark import Benchmark, Standing, compare, simulate

EVALUATIONS = 200
TO_THE_END = 20
"""With how many seeds random search goes through the whole table, at most: that takes four seconds a seed."""


def expected_regret(accuracies: np.ndarray, draws: int) -> float:
    """Return the mean regret of the best of some draws without replacement."""
    ordered = np.sort(accuracies)
    count = len(ordered)
    # The best of them is at the place p, from 0 on, in C(p, draws - 1) of C(count, draws) cases.
    places = np.arange(draws - 1, count)
    logs = [math.lgamma(p + 1) - math.lgamma(draws) - math.lgamma(p - draws + 2) for p in places]
    total = math.lgamma(count + 1) - math.lgamma(draws + 1) - math.lgamma(count - draws + 1)
    return float(ordered[-1] - np.exp(np.array(logs) - total) @ ordered[places])


def median_to_find(accuracies: np.ndarray) -> int:
    """Return the least number of draws without replacement that find a best cell in at least half of all
    cases.
    """
    count, best = len(accuracies), int((accuracies == accuracies.max()).sum())
    missed = 1.0
    for draw in range(count):
        missed *= 1 - best / (count - draw)
        if missed <= 0.5 + 1e-12:
            return draw + 1
    return count


def found_at_random(table: Benchmark, seed: int) -> int:
    found = simulate(table, retia.Random(), evaluations=len(table), seed=seed).evaluations_to()
    assert found is not None, "random search went through the whole table, so it has met the best cell"
    return found


def evaluations(median: float) -> str:
    return f"{median:g}" if math.isfinite(median) else f"> {EVALUATIONS}"


def row(standing: Standing, seeds: int) -> tuple[str, ...]:
    return (
        standing.strategy,
        f"{standing.halfway.mean:.4f}",
        f"{standing.final.mean:.4f}",
        f"{standing.final.median:.4f}",
        evaluations(standing.evaluations_to_optimum),
        f"{standing.found} of {seeds}",
        f"{standing.test_accuracy:.2f}",
        f"{standing.propose_ms * EVALUATIONS / 1000:.2f}",
    )


def aims(standings: Mapping[str, Standing], chance: tuple[float, float]) -> list[Aim]:
    chosen, evolution, local = (
        standings["Random"],
        standings["RegularizedEvolution(50, 10)"],
        standings["LocalSearch"],
    )
    early, late, soon = (
        min(standings.values(), key=key)
        for key in (
            lambda one: one.halfway.mean,
            lambda one: one.final.mean,
            lambda one: one.evaluations_to_optimum,
        )
    )
    halfway, final = chosen.halfway.mean, chosen.final.mean
    seconds = standings["BANANAS"].propose_ms * EVALUATIONS / 1000
    return [
        (
            "Random: 0.58 after 100, within 0.05",
            f"{halfway:.3f}, expected {chance[0]:.3f}",
            abs(halfway - 0.58) <= 0.05,
        ),
        (
            "Random: 0.39 after 200, within 0.05",
            f"{final:.3f}, expected {chance[1]:.3f}",
            abs(final - 0.39) <= 0.05,
        ),
        (
            "RegularizedEvolution(50, 10): at most 0.10 after 200",
            f"{evolution.final.mean:.3f}",
            evolution.final.mean <= 0.10,
        ),
        ("LocalSearch: at most 0.30 after 100", f"{local.halfway.mean:.3f}", local.halfway.mean <= 0.30),
        ("LocalSearch: at most 0.12 after 200", f"{local.final.mean:.4f}", local.final.mean <= 0.12),
        (
            "LocalSearch: the best cell in a median of at most 160",
            evaluations(local.evaluations_to_optimum),
            local.evaluations_to_optimum <= 160,
        ),
        (
            "the best strategy: at most 0.10 after 100",
            f"{early.halfway.mean:.4f}, {early.strategy}",
            early.halfway.mean <= 0.10,
        ),
        (
            "the best strategy: at most 0.02 after 200",
            f"{late.final.mean:.4f}, {late.strategy}",
            late.final.mean <= 0.02,
        ),
        (
            "the best strategy: the best cell in a median of at most 110",
            f"{soon.evaluations_to_optimum:g}, {soon.strategy}",
            soon.evaluations_to_optimum <= 110,
        ),
        (f"BANANAS: under 60 s for {EVALUATIONS} evaluations", f"{seconds:.1f} s", seconds < 60),
    ]


def main() -> None:
    given = arguments(__doc__, seeds=60).parse_args()
    table = opened(given)
    accuracies = table.column(table.objective)
    chance = expected_regret(accuracies, 100), expected_regret(accuracies, EVALUATIONS)
    with retia.Processes(given.jobs, threads=1) as executor:
        comparison = compare(table, STRATEGIES, evaluations=EVALUATIONS, seeds=given.seeds, executor=executor)
    seeds = min(TO_THE_END, given.seeds)
    found = in_processes(found_at_random, [(table, seed) for seed in range(seeds)], given.jobs)

    headings = (
        "strategy",
        "mean regret after 100",
        "after 200",
        "median after 200",
        "median evaluations to the best cell",
        "found by 200",
        "test accuracy, %",
    )
    print(markdown((*headings, "s a run"), [row(one, given.seeds) for one in comparison.standings.values()]))
    best = int((accuracies == accuracies.max()).sum())
    print(
        f"\nRandom search is expected at {chance[0]:.3f} after 100 and {chance[1]:.3f} after {EVALUATIONS}, "
        f"and to take a median of {median_to_find(accuracies):,} "
        f"evaluations to the best of {len(table):,} cells ({best} shares the optimum); "
        f"simulated with {seeds} seeds {statistics.median(found):,.0f}.\n"
    )
    print(judged(aims(comparison.standings, chance)))


if __name__ == "__main__":
    main()
