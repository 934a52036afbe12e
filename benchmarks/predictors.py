"""How well predictors rank the cells of NAS-Bench-201 after a hundred of them, on the real table.

    OMP_NUM_THREADS=1 python benchmarks/predictors.py [--seeds 60] [--jobs 2] [--path TABLE]

A hundred random cells and their validation accuracies on cifar10-valid after 200 epochs are learnt from, and
all the other cells are ranked: `retia.predictor.score`, Spearman's correlation. Parameters and FLOPs, which
need no training, rank all cells. The seconds are those of fitting and of predicting the rest, process time.
"""

import statistics
import time
from collections.abc import Mapping

from scipy.stats import spearmanr
from tabular import arguments, in_processes, judged, markdown, opened

from retia.benchmark import Benchmark
from retia.predictor import (
    GaussianProcess,
    GradientBoosting,
    NeuralEnsemble,
    OneHot,
    Paths,
    Predictor,
    RandomForest,
    WeisfeilerLehman,
    score,
)
from retia.rng import stream

LEARNT = 100
PREDICTORS: Mapping[str, Predictor] = {
    "GaussianProcess, Weisfeiler-Lehman": GaussianProcess(WeisfeilerLehman()),
    "GradientBoosting, Weisfeiler-Lehman": GradientBoosting(WeisfeilerLehman()),
    "RandomForest, Weisfeiler-Lehman": RandomForest(WeisfeilerLehman()),
    "NeuralEnsemble, paths": NeuralEnsemble(Paths()),
    "GaussianProcess, one-hot": GaussianProcess(OneHot()),
    "NeuralEnsemble, one-hot": NeuralEnsemble(OneHot()),
}


def ranked(table: Benchmark, name: str, seed: int) -> tuple[float, float, float]:
    """Return Spearman's and Kendall's correlations, and the seconds that it took."""
    entries = [table[int(row)] for row in stream(seed, "cells").permutation(len(table))]
    architectures = [entry.architecture for entry in entries]
    losses = [-entry.metrics[table.objective] for entry in entries]
    started = time.process_time()
    found = score(
        PREDICTORS[name],
        table.space,
        (architectures[:LEARNT], losses[:LEARNT]),
        (architectures[LEARNT:], losses[LEARNT:]),
        seed=seed,
    )
    return found.spearman, found.kendall, time.process_time() - started


def main() -> None:
    given = arguments(__doc__, seeds=60).parse_args()
    table = opened(given)
    cases = [(table, name, seed) for name in PREDICTORS for seed in range(given.seeds)]
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in PREDICTORS}
    for (_, name, _), one in zip(cases, in_processes(ranked, cases, given.jobs), strict=True):
        found[name].append(one)
    rows = []
    for name, scores in found.items():
        rhos, taus, seconds = zip(*scores, strict=True)
        rows.append(
            (
                name,
                f"{statistics.median(rhos):.3f}",
                f"{min(rhos):.3f}",
                f"{statistics.median(taus):.3f}",
                f"{statistics.median(seconds):.1f}",
            )
        )
    accuracies = table.column(table.objective)
    alone = {name: spearmanr(table.column(name), accuracies).statistic for name in ("params", "flops")}
    rows += [(f"{name} alone", f"{rho:.3f}", "", "", "") for name, rho in alone.items()]
    print(
        markdown(
            (
                f"predictor, fitted to {LEARNT} cells, {given.seeds} seeds",
                "Spearman, median",
                "least",
                "Kendall, median",
                "s",
            ),
            rows,
        )
    )
    aims = []
    for name in PREDICTORS:
        rhos = [rho for rho, _, _ in found[name]]
        aims.append(
            (
                f"{name}: at least 0.75",
                f"{statistics.median(rhos):.3f}, {sum(rho >= 0.75 for rho in rhos)} of {len(rhos)} seeds",
                statistics.median(rhos) >= 0.75,
            )
        )
    print(f"\n{judged(aims)}")


if __name__ == "__main__":
    main()
