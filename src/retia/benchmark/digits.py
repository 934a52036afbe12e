"""The table that comes with retia: small networks, all of them trained on handwritten digits."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from retia.benchmark.benchmark import Benchmark
from retia.benchmark.records import Columns
from retia.benchmark.table import read_table
from retia.errors import EvaluationError

if TYPE_CHECKING:
    from retia.nn import ModelSpace

__all__ = ["digits", "digits_space"]

TRAINED = ("valid_accuracy", "test_accuracy", "train_seconds")
COSTS = ("params", "macs", "flops")
SEEDS = (0, 1, 2)


def digits(*, seed: int | None = None) -> Benchmark:
    """Return 1,008 convolutional networks of one to three blocks, each trained three times on the digits of
    the UCI repository.

    A third of the 1,797 images is for training, a third for validation, a third for the test.
    `benchmarks/digits_table.py` has trained the
    networks: six epochs of batches of 64 by AdamW, whose learning rate falls from 0.03 to 0 by a cosine; the
    weights of the epoch that does best on the validation images are tested. Accuracies are in percent;
    `train_seconds` is the processor time of one training.

    Args:
        seed: The seed of the training, 0, 1 or 2; None for the mean over the three.

    Raises:
        EvaluationError: If there is no such seed.
    """
    if seed is not None and seed not in SEEDS:
        msg = (
            f"The digits were learnt with the seeds {list(SEEDS)}, got seed={seed!r}. Take one of these, "
            "or None for the mean over them."
        )
        raise EvaluationError(msg)
    table = read_table(Path(__file__).with_name("digits.npz"))
    ending = "" if seed is None else f"_{seed}"
    trained = {metric: table.column(metric + ending) for metric in TRAINED}
    fixed = {metric: table.column(metric) for metric in COSTS}
    return replace(table, records=Columns({table.epochs: trained}, fixed), settings={"seed": seed})


def digits_space() -> "ModelSpace":
    """Return the space of `digits`, which builds its networks:
    `digits_space().build(architecture, seed=0)`.
    """
    from retia.benchmark.digits_net import DigitsNet
    from retia.nn import ModelSpace

    return ModelSpace(DigitsNet)
