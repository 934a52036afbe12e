"""Search a model with several inputs: a batch is a dictionary, whose entries are the arguments of `forward`.

python examples/two_inputs.py, or for a first look: python examples/two_inputs.py --quick
"""

import argparse

import torch
from torch import nn

import retia


def made(count, seed):
    """Return measurements (N, 6), a category (N,), and labels (N,) that depend on both."""
    generator = torch.Generator().manual_seed(seed)
    measured = torch.randn(count, 6, generator=generator)
    category = torch.randint(3, (count,), generator=generator)
    labels = (
        measured[torch.arange(count), category] > 0
    ).long()  # the category says which measurement counts
    return {"measured": measured, "category": category, "labels": labels}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width, embedding = retia.choice("width", [8, 16, 32]), retia.choice("embedding", [2, 4, 8])
        self.embedding = nn.Embedding(3, embedding)
        self.stem = nn.Linear(6 + embedding, width)
        act = retia.layer_choice("act", {"relu": nn.ReLU, "tanh": nn.Tanh})
        self.body = retia.repeat("body", lambda i: nn.Sequential(act, nn.Linear(width, width)), (1, 3))
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(width, 2))

    def forward(self, measured, category):
        return self.head(self.body(self.stem(torch.cat([measured, self.embedding(category)], 1))))


def main(trials=20, epochs=20):
    evaluator = retia.Classification(made(1024, 0), made(512, 1), test=made(512, 2), epochs=epochs, lr=1e-2)
    study = retia.search(Net, evaluator, trials=trials, maximize="accuracy", progress=False)
    print(
        f"valid {study.best.metrics['accuracy']:.3f}, test {study.best.metrics['test_accuracy']:.3f}: "
        f"{dict(study.best.architecture)}"
    )
    return study


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="three trials of five epochs")
    main(**({"trials": 3, "epochs": 5} if parser.parse_args().quick else {}))
