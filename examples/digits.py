"""Search a small network for two objectives, under a bound, and take the trained model out.

python examples/digits.py, or: retia run examples/digits.py --trials 30 --workers 2
"""

from torch import nn

import retia


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        kernel = retia.choice("kernel", [3, 5])
        self.conv = nn.Conv2d(width, width, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(width)
        self.act = retia.layer_choice("act", {"relu": nn.ReLU, "gelu": nn.GELU})

    def forward(self, x):
        return x + self.act(self.norm(self.conv(x)))


class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        width = retia.choice("width", [8, 16, 24])
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.body = retia.repeat("body", lambda i: Block(width), (1, 3))
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


def main(trials=12, workers=2, storage=None):
    data = retia.datasets.digits()
    study = retia.search(
        retia.ModelSpace(Net, classes=10),
        retia.Classification(
            data.train, data.valid, test=data.test, epochs=4, lr=retia.Real(3e-3, 3e-2, log=True)
        ),
        trials=trials,
        workers=workers,
        storage=storage,
        maximize="accuracy",
        minimize="params",
        constraints=["params <= 30_000"],
    )
    for trial in study.pareto:
        print(
            f"{trial.metrics['accuracy']:.4f}  {trial.metrics['params']:,.0f} parameters  test "
            f"{trial.metrics['test_accuracy']:.4f}"
        )
    model = study.best.load()
    print(
        f"{type(model).__module__}.{type(model).__name__}, classes of the first test images: "
        f"{model(data.test[0][:5]).argmax(1).tolist()}"
    )
    return study


if __name__ == "__main__":
    main()
