"""Train one supernet by DARTS with a penalty on parameters, retrain its winners, and see what it was worth;
then evolution on a supernet of SPOS.

python examples/one_shot.py
"""

from rich.console import Console
from torch import nn

import retia
from retia.report import summary

data = retia.datasets.digits()


def conv(width, kernel):
    return nn.Sequential(
        nn.Conv2d(width, width, kernel, padding=kernel // 2), nn.BatchNorm2d(width), nn.ReLU()
    )


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = retia.choice("width", [8, 16, 24])
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width))
        self.body = retia.repeat("body", lambda i: self.block(width), 3)
        self.head = nn.Linear(width, 10)

    def block(self, width):
        return retia.layer_choice(
            "op",
            {
                "conv3": conv(width, 3),
                "conv1": conv(width, 1),
                "pool": nn.AvgPool2d(3, 1, 1),
                "skip": nn.Identity(),
            },
        )

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


def main(epochs=20, trials=20, retrain=4):
    evaluator = retia.Classification(data.train, data.valid, epochs=epochs // 2, lr=1e-2)
    # Weights of choices are trained faster than in the paper, for there are hundreds of steps and not tens of
    # thousands.
    method = retia.oneshot.DARTS(
        epochs=epochs, learning_rate=1e-2, penalties=retia.oneshot.Penalty("params", scale=0.1)
    )
    study = retia.search(
        Net,
        evaluator,
        method,
        trials=trials,
        maximize="accuracy",
        constraints=["params <= 2e4"],
        retrain=retrain,
        control=True,
    )
    Console().print(summary(study))
    print("DARTS' own choice:", dict(study.derived))

    space = retia.ModelSpace(Net)
    scored = retia.oneshot.SPOS(epochs=epochs).train(space, evaluator)  # a supernet is an evaluator ...
    evolved = retia.search(
        space, scored, retia.RegularizedEvolution(), trials=5 * trials, maximize="accuracy"
    )  # ... for any strategy
    print("by evolution:", dict(evolved.best.architecture))
    return study, evolved


if __name__ == "__main__":
    main()
