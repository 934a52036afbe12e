"""Search without models: a function of the architecture, such as a table or a formula, over a space of its
own.

python examples/table.py
"""

import retia


@retia.architecture_evaluator
def judge(architecture):
    size = architecture["width"] * architecture["depth"]
    return {"accuracy": 1 - 1 / size, "latency_ms": 0.1 * size}


def main(trials=60):
    space = retia.SearchSpace({"width": retia.Categorical((8, 16, 32, 64)), "depth": retia.Integer(1, 12)})
    space = space.where(
        lambda architecture: architecture["width"] <= 32 or architecture["depth"] <= 6,
        "wide nets are shallow",
    )
    study = retia.search(
        space,
        judge,
        retia.strategy.GridSearch(),
        trials=trials,
        maximize="accuracy",
        constraints=["latency_ms <= 20"],
    )
    print(f"{study.stop_reason}: {len(study.trials)} of {space.size()} architectures\n{study.best}")
    return study


if __name__ == "__main__":
    main()
