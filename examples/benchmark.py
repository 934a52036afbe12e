"""Compare three strategies on 1,008 networks that somebody has trained, each with many seeds, and print who
can be told apart.

python examples/benchmark.py, or: retia bench --strategies random,evolution,local
"""

import retia
from retia.benchmark import compare, digits

STRATEGIES = {
    "random": retia.Random,
    "evolution": lambda: retia.RegularizedEvolution(population=20, tournament=5),
    "local": retia.strategy.LocalSearch,
}


def main(seeds=60, evaluations=100):
    table = digits()  # the validation accuracy, and the seconds that the training took, of every network
    comparison = compare(table, STRATEGIES, evaluations=evaluations, seeds=seeds)
    print(comparison.table())
    best = table.best()
    print(
        f"the table's best: {best.metrics['valid_accuracy']:.2f} % with {best.metrics['params']:,.0f} "
        f"parameters, {dict(best.architecture)}"
    )
    return comparison


if __name__ == "__main__":
    main()
