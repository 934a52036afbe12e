"""Train every network of retia.benchmark.digits, with three seeds each, and write the table.

retia bench build benchmarks/digits_table.py --out src/retia/benchmark/digits.npz

The settings of the training are those of `CLASSIFICATION` below; the table holds them as well. A training
takes a fraction of a second, and an interrupted build goes on where it was.
"""

import statistics
import time
from dataclasses import dataclass, replace

import torch

import retia
from retia.benchmark import digits_space

EPOCHS = 6
SEEDS = (0, 1, 2)

torch.set_num_threads(1)
data = retia.datasets.digits(valid=1 / 3, test=1 / 3)
CLASSIFICATION = retia.Classification(
    data.train,
    data.valid,
    test=data.test,
    epochs=EPOCHS,
    lr=3e-2,
    batch_size=64,
    device="cpu",
)


@dataclass(frozen=True)
class Seeds:
    """Trains with each of some seeds: metrics of each under `_0` and so on, and their means.

    Accuracies are in percent. `train_seconds` is the processor time of one training, with building the model
    and judging it after each epoch.
    """

    evaluator: retia.Classification
    seeds: tuple[int, ...] = SEEDS

    def __call__(self, architecture, run):
        by_seed = [
            self._train(architecture, replace(run, seed=seed, keep_weights=False)) for seed in self.seeds
        ]
        metrics = {cost: by_seed[0][cost] for cost in ("params", "macs", "flops")}
        for name in ("valid_accuracy", "test_accuracy", "train_seconds"):
            metrics[name] = statistics.fmean(one[name] for one in by_seed)
            metrics |= {f"{name}_{seed}": one[name] for seed, one in zip(self.seeds, by_seed, strict=True)}
        return metrics

    def _train(self, architecture, run):
        started_s = time.process_time()
        trained = self.evaluator(architecture, run)
        return {
            **{cost: trained[cost] for cost in ("params", "macs", "flops")},
            "valid_accuracy": 100 * trained["accuracy"],
            "test_accuracy": 100 * trained["test_accuracy"],
            "train_seconds": time.process_time() - started_s,
        }

    def capabilities(self):
        settings = {"type": "Seeds", "seeds": list(self.seeds), "evaluator": self.evaluator.describe()}
        return retia.trial.Capabilities(settings=lambda: settings)


study = retia.Study(digits_space(), Seeds(CLASSIFICATION), maximize="valid_accuracy", name="digits")
epochs = EPOCHS
