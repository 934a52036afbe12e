"""What a training by `Classification` costs beside the loop that one would write by hand.

The training part of scikit-learn's handwritten digits, and a small convolutional network: the same batch
size, optimizer (fused AdamW, weights decayed, biases not), cosine schedule and number of epochs, with the
accuracy on the validation data after each epoch. The plain loop holds its data as tensors too. Both learn the
same thing, which their accuracies show. The two take turns; medians of rounds, one thread, process time.

    python benchmarks/training.py
"""

import argparse
import statistics
import time

import torch
from torch import nn

import retia
from retia.datasets import Split, digits

BATCH, EPOCHS, LR, DECAY = 64, 5, 1e-2, 1e-4


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        width = retia.choice("width", [16, 32])
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).mean((2, 3)))


def plain(data: Split) -> float:
    """Train by hand, and return the best validation accuracy."""
    (x, y), (valid_x, valid_y) = data.train, data.valid
    model = Net().to(memory_format=torch.channels_last)
    x, valid_x = (one.contiguous(memory_format=torch.channels_last) for one in (x, valid_x))
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * -(-len(x) // BATCH))
    best = 0.0
    for _ in range(EPOCHS):
        model.train()
        for rows in torch.randperm(len(x)).split(BATCH):
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            hits = [
                (model(part).argmax(1) == of).sum()
                for part, of in zip(valid_x.split(BATCH), valid_y.split(BATCH), strict=True)
            ]
        best = max(best, float(sum(hits)) / len(valid_y))
    return best


def by_retia(evaluator: retia.Training, space: retia.ModelSpace, seed: int) -> float:
    metrics = evaluator(space.default(), retia.Run(space, seed=seed))
    return metrics["accuracy"]


def main(rounds: int) -> None:
    torch.set_num_threads(1)
    data, space = digits(), retia.ModelSpace(Net)
    evaluator = retia.Classification(
        data.train, data.valid, epochs=EPOCHS, lr=LR, batch_size=BATCH, weight_decay=DECAY, device="cpu"
    )
    steps = EPOCHS * -(-len(data.train[0]) // BATCH)
    seconds: dict[str, list[float]] = {"retia": [], "plain": []}
    accuracies: dict[str, list[float]] = {"retia": [], "plain": []}
    for i in range(rounds + 1):
        for name in ("retia", "plain") if i % 2 else ("plain", "retia"):
            started = time.process_time()
            found = by_retia(evaluator, space, i) if name == "retia" else plain(data)
            if i:  # the first round warms up
                seconds[name].append(time.process_time() - started)
                accuracies[name].append(found)
    ratios = [one / other for one, other in zip(seconds["retia"], seconds["plain"], strict=True)]
    print("\nA whole training with validation, per step (aim: at most 1.1 times the plain loop)\n")
    print("| loop | ms a step | accuracy |\n|---|--:|--:|")
    for name, taken in seconds.items():
        step_ms = statistics.median(taken) / steps * 1e3
        print(f"| {name} | {step_ms:.2f} | {statistics.fmean(accuracies[name]):.3f} |")
    print(f"\nratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    main(parser.parse_args().rounds)
