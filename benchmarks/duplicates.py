"""How much of a budget goes into cells that have been evaluated already, beside Optuna's samplers on their
own.

    OMP_NUM_THREADS=1 python benchmarks/duplicates.py [--seeds 10] [--jobs 2] [--path TABLE]

The cells of NAS-Bench-201 on the real table, validation accuracy after 200 epochs, 200 evaluations a search.
The evaluator counts how often it is asked for the same cell after as many epochs (a promotion by ASHA and its
like is another fidelity, and so another evaluation). Above retia's strategies the study answers a known
proposal from its records and asks again: how many proposals that concerned is shown beside. Optuna's samplers
propose by `suggest_categorical`, as a user would write it; their CMA-ES, which takes no categories, by
`suggest_int`. OptunaGP and GPSampler run with three seeds at most, because a run takes up to 20 s. The regret
of those with several fidelities is of 200 trials as well, most of which cost 12 epochs.
"""

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import optuna
from tabular import STRATEGIES, arguments, in_processes, judged, markdown, opened

import retia
from retia.benchmark import Benchmark
from retia.strategy import Strategy
from retia.trial import Proposal

EVALUATIONS = 200
FIDELITIES = (12, 200)
OURS: Mapping[str, Callable[[], Strategy]] = {
    **STRATEGIES,
    "GridSearch": retia.strategy.GridSearch,
    "ASHA(Random())": lambda: retia.strategy.ASHA(retia.Random(), fidelities=FIDELITIES),
    "SuccessiveHalving(Random())": lambda: retia.strategy.SuccessiveHalving(
        retia.Random(), fidelities=FIDELITIES
    ),
    "Hyperband(Random())": lambda: retia.strategy.Hyperband(retia.Random(), fidelities=FIDELITIES),
    "BOHB": lambda: retia.strategy.BOHB(fidelities=FIDELITIES),
    "OptunaGP": retia.strategy.OptunaGP,
}
THEIRS: Mapping[str, Callable[[int], optuna.samplers.BaseSampler]] = {
    "Optuna RandomSampler": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "Optuna TPESampler": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "Optuna TPESampler(multivariate=False)": lambda seed: optuna.samplers.TPESampler(
        seed=seed, multivariate=False
    ),
    "Optuna NSGAIISampler": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
    "Optuna CmaEsSampler, integers": lambda seed: optuna.samplers.CmaEsSampler(seed=seed),
    "Optuna GPSampler": lambda seed: optuna.samplers.GPSampler(seed=seed),
}
MOST_SEEDS = {"OptunaGP": 3, "Optuna GPSampler": 3}


@dataclass
class Asked:
    """A strategy, and how many of its proposals are known when they come.

    Attributes:
        strategy: What proposes.
        proposals: How many there were.
        known: How many of these had been evaluated, or came twice at once.
    """

    strategy: Strategy
    proposals: int = 0
    known: int = 0

    def propose(self, space, history, n, rng) -> Sequence[Proposal]:
        proposed = self.strategy.propose(space, history, n, rng)
        fresh = {
            (one.architecture, one.fidelity)
            for one in proposed
            if history.find(one.architecture, one.fidelity) is None
        }
        self.proposals += len(proposed)
        self.known += len(proposed) - len(fresh)
        return proposed


@dataclass(frozen=True)
class Spent:
    """What came of one search: the share of evaluations, and of proposals, that were known already, in
    percent, and how far it got.

    Attributes:
        evaluated: Of all evaluations.
        proposed: Of all proposals.
        regret: Of the best, in the validation accuracy.
    """

    evaluated: float
    proposed: float
    regret: float


def with_retia(table: Benchmark, name: str, seed: int) -> Spent:
    counts: Counter = Counter()

    class Counting:
        """The table's evaluator, which counts what it is asked for."""

        def capabilities(self):
            return table.evaluator.capabilities()

        def __call__(self, architecture, run):
            counts[architecture, run.fidelity] += 1
            return table.evaluator(architecture, run)

    strategy = Asked(OURS[name]())
    study = retia.search(
        table.space,
        Counting(),
        strategy,
        trials=EVALUATIONS,
        maximize=table.objective,
        seed=seed,
        progress=False,
    )
    spent = counts.total()
    assert spent == EVALUATIONS == len(study.trials), (
        f"{spent} evaluations and {len(study.trials)} trials, not {EVALUATIONS}"
    )
    return Spent(
        100 * (spent - len(counts)) / spent,
        100 * strategy.known / strategy.proposals,
        table.optimum() - study.best.metrics[table.objective],
    )


def with_optuna(table: Benchmark, name: str, seed: int) -> Spent:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    counts: Counter = Counter()
    domains = {label: parameter.domain.values for label, parameter in table.space.parameters.items()}

    def objective(trial) -> float:
        if name.endswith("integers"):
            architecture = {
                label: values[trial.suggest_int(label, 0, len(values) - 1)]
                for label, values in domains.items()
            }
        else:
            architecture = {
                label: trial.suggest_categorical(label, values) for label, values in domains.items()
            }
        counts[tuple(architecture.values())] += 1
        return table.query(architecture)[table.objective]

    study = optuna.create_study(direction="maximize", sampler=THEIRS[name](seed))
    study.optimize(objective, n_trials=EVALUATIONS)
    share = 100 * (EVALUATIONS - len(counts)) / EVALUATIONS
    return Spent(share, share, table.optimum() - study.best_value)


def search(table: Benchmark, name: str, seed: int) -> Spent:
    return (with_retia if name in OURS else with_optuna)(table, name, seed)


def main() -> None:
    given = arguments(__doc__, seeds=10).parse_args()
    table = opened(given)
    cases = [
        (table, name, seed)
        for name in (*THEIRS, *OURS)
        for seed in range(min(given.seeds, MOST_SEEDS.get(name, given.seeds)))
    ]
    slow_first = sorted(cases, key=lambda case: case[1] not in MOST_SEEDS)
    found: dict[str, list[Spent]] = {name: [] for name in (*OURS, *THEIRS)}
    for (_, name, _), spent in zip(slow_first, in_processes(search, slow_first, given.jobs), strict=True):
        found[name].append(spent)
    rows = []
    for name, runs in found.items():
        evaluated, proposed = ([getattr(run, kind) for run in runs] for kind in ("evaluated", "proposed"))
        spread = f"{min(evaluated):.1f} to {max(evaluated):.1f}"
        rows.append(
            (
                name,
                len(runs),
                f"{statistics.fmean(evaluated):.1f}",
                spread,
                f"{statistics.fmean(proposed):.1f}",
                f"{statistics.fmean(run.regret for run in runs):.3f}",
            )
        )
    print(
        markdown(
            (
                "search",
                "seeds",
                f"of {EVALUATIONS} evaluations repeated, %",
                "least to most",
                "of the proposals known, %",
                f"mean regret after {EVALUATIONS}",
            ),
            rows,
        )
    )
    most = max(run.evaluated for name in OURS for run in found[name])
    shares = {name: statistics.fmean(run.evaluated for run in found[name]) for name in THEIRS}
    learning = {name: share for name, share in shares.items() if name != "Optuna RandomSampler"}
    least, worst = min(learning, key=learning.get), max(learning, key=learning.get)
    theirs = f"{learning[least]:.1f} % ({least}) to {learning[worst]:.1f} % ({worst})"
    worst = f"{most:.1f} % in the worst of {sum(len(found[name]) for name in OURS)} studies"
    print(
        f"\nOf Optuna's samplers that learn, {theirs} of the evaluations were spent on cells that had been "
        "evaluated.\n\n"
        f"{judged([('not one duplicate evaluation in any study', worst, most == 0)])}"
    )


if __name__ == "__main__":
    main()
