"""What an epoch's batches cost: tensors by index, beside a DataLoader over the same tensors.

The training part of scikit-learn's handwritten digits, shuffled, in batches of 64. Nothing is computed on the
batches. Beside it DataLoader's quickest way over tensors, whole batches by a BatchSampler, which takes more
than its defaults to set up; and what an epoch of training a small network on the batches costs, to see what
the difference means. Medians, one thread, process time.

    python benchmarks/data_loading.py
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from retia.datasets import digits
from retia.evaluate import as_data
from retia.nn import seeded

BATCH = 64


def epoch_ms(batches: Callable[[], Iterable[Any]], rounds: int) -> float:
    """Return the median milliseconds of running through the batches once; the first time warms up."""
    times: list[float] = []
    for _ in range(rounds + 1):
        started = time.process_time()
        for _batch in batches():
            pass
        times.append((time.process_time() - started) * 1e3)
    return statistics.median(times[1:])


def training_ms(batches: Callable[[], Iterable[Any]], rounds: int) -> float:
    """Return the median milliseconds of an epoch of training a small convolutional network on the batches."""
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)

    def epoch() -> Iterable[None]:
        for x, y in batches():
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            yield

    return epoch_ms(epoch, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9, help="the median is of so many")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    x, y = digits().train
    dataset = TensorDataset(x, y)
    data = as_data("train", (x, y))
    generator = torch.Generator().manual_seed(0)
    whole = BatchSampler(RandomSampler(dataset, generator=generator), BATCH, drop_last=False)
    ways: dict[str, Callable[[], Iterable[Any]]] = {
        "retia, tensors by index": lambda: data.batches(BATCH, generator=generator),
        "DataLoader": lambda: DataLoader(dataset, BATCH, shuffle=True, generator=generator),
        "DataLoader, whole batches": lambda: DataLoader(
            dataset, batch_size=None, sampler=whole, generator=generator
        ),
    }
    with seeded(0):
        loading = {name: epoch_ms(batches, rounds) for name, batches in ways.items()}
        training = {name: training_ms(batches, rounds) for name, batches in ways.items()}
    ours = next(iter(loading))
    print(
        f"torch {torch.__version__}, {len(x)} samples of {tuple(x.shape[1:])}, "
        f"medians of {rounds} epochs, "
        "process time, 1 thread\n"
    )
    print("| batches | epoch, ms | times retia's | with training, ms | times retia's |")
    print("|---|---|---|---|---|")
    for name in ways:
        print(
            f"| {name} | {loading[name]:.3f} | {loading[name] / loading[ours]:.1f} | "
            f"{training[name]:.1f} | "
            f"{training[name] / training[ours]:.2f} |"
        )


if __name__ == "__main__":
    main()
