"""The table that ships with retia: small networks that were trained on handwritten digits."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from retia.benchmark.benchmark import Benchmark
from retia.benchmark.records import ColumnRecords
from retia.benchmark.table import read_table
from retia.errors import EvaluationError

if TYPE_CHECKING:
    from retia.nn import ModelSpace

__all__ = ["digits", "digits_space"]

TRAINED = ("valid_accuracy", "test_accuracy", "train_seconds")
COSTS = ("params", "macs", "flops")
SEEDS = (0, 1, 2)


def digits(*, seed: int | None = None) -> Benchmark:
    """Return 1,008 convolutional networks, each trained three times on the digits of the UCI repository.

    The 1,797 images are split into equal parts for training, validation and test.
    `benchmarks/digits_table.py` trained the networks for six epochs with AdamW, batches of 64 and a cosine
    learning-rate schedule from 0.03 to 0. The test accuracy is that of the epoch with the best validation
    accuracy. Accuracies are in percent; `train_seconds` is the processor time of one training.

    Args:
        seed: Seed of the training: 0, 1 or 2; None for the mean over the three.

    Raises:
        EvaluationError: If `seed` is not one of these.
    """
    if seed is not None and seed not in SEEDS:
        msg = (
            f"The networks were trained with the seeds {list(SEEDS)}, got seed={seed!r}. Take one of these, "
            "or None for the mean over them."
        )
        raise EvaluationError(msg)
    table = read_table(Path(__file__).with_name("digits.npz"))
    ending = "" if seed is None else f"_{seed}"
    trained = {metric: table.column(metric + ending) for metric in TRAINED}
    fixed = {metric: table.column(metric) for metric in COSTS}
    return replace(table, records=ColumnRecords({table.epochs: trained}, fixed), settings={"seed": seed})


def digits_space() -> "ModelSpace":
    """Return the space that builds the networks of `digits`."""
    from retia.benchmark.digits_net import DigitsNet
    from retia.nn import ModelSpace

    return ModelSpace(DigitsNet)
