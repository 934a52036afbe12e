"""Train many networks for two epochs, and the best of them for all eight: ASHA over evolution. Then the same
epochs without it.

python examples/fidelities.py
"""

from torch import nn

import retia

data = retia.datasets.digits()


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        kernel = retia.choice("kernel", [1, 3, 5])
        self.conv = nn.Conv2d(width, width, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.act = retia.layer_choice("act", {"relu": nn.ReLU, "silu": nn.SiLU})

    def forward(self, x):
        return x + self.act(self.norm(self.conv(x)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = retia.choice("width", [4, 8, 16])
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.MaxPool2d(2))
        self.body = retia.repeat("body", lambda i: Block(width), (1, 3))
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


def epochs_of(study):
    """Return how many epochs the study has trained: a promoted trial goes on where its parent has ended."""
    full = study.spec.judge.epochs
    longest = {}
    for trial in study.trials:
        longest[trial.architecture] = max(longest.get(trial.architecture, 0), trial.fidelity or full)
    return sum(longest.values())


def main(trials=40, epochs=8):
    judge = retia.Classification(data.train, data.valid, epochs=epochs, lr=1e-2)
    evolution = retia.RegularizedEvolution(population=10, tournament=3)
    strategy = retia.strategy.ASHA(evolution, fidelities=(epochs // 4, epochs))
    study = retia.search(Net, judge, strategy, trials=trials, maximize="accuracy", progress=False)
    short = [trial for trial in study.trials if trial.fidelity is not None]
    spent = epochs_of(study)
    print(
        f"{len(short)} networks for {epochs // 4:.0f} epochs, {len(study.trials) - len(short)} for "
        f"{epochs}: {spent:g} epochs in all"
    )
    print(f"ASHA over evolution: {study.best.metrics['accuracy']:.4f} with {dict(study.best.architecture)}")

    plain = retia.search(
        Net, judge, evolution, trials=round(spent / epochs), maximize="accuracy", progress=False
    )
    print(
        f"evolution alone, {len(plain.trials)} networks for {epochs} epochs: "
        f"{plain.best.metrics['accuracy']:.4f}"
    )
    return study, plain


if __name__ == "__main__":
    main()
