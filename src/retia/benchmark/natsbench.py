"""NAS-Bench-201, and both spaces of NATS-Bench."""

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retia.benchmark.benchmark import Benchmark
from retia.benchmark.cells import OPERATIONS, SIZES, TOPOLOGIES, NatsSpace, cell_costs
from retia.benchmark.compact_table import SPACES, compact_columns, compact_format, no_dataset
from retia.benchmark.files import Download, locate, reading
from retia.benchmark.nats_archive import Archive, ArchiveRecords, datasets_of
from retia.benchmark.npz import open_npz
from retia.benchmark.records import ColumnRecords, Records, no_epochs
from retia.errors import EvaluationError

__all__ = ["nasbench201", "natsbench"]

_PAGE = "https://github.com/D-X-Y/NATS-Bench"
_TOPOLOGY_ARCHIVE = "https://drive.google.com/file/d/17_saCsj_krKjlCBLOJEpNtzPXArMCqxU"
_SIZE_ARCHIVE = "https://drive.google.com/file/d/1scOMTUwcQhAMa_IMedp9lTzwmgqHLGgA"
_CHECKSUM = (
    "not published for the .tar; the digits in the name of the .pickle.pbz2 file are the last five of its MD5"
)
_THEN = "unpack it; retia.benchmark.compact(folder, file) makes the npz file that is fast to read"

_CELLS = Download(
    "NAS-Bench-201",
    (
        "nasbench201.npz",
        "nasbench201/nb201.npz",
        "nb201.npz",
        "NATS-tss-v1_0-3ffb9-simple",
        "NATS-tss-v1_0-3ffb9.pickle.pbz2",
    ),
    f"NATS-tss-v1_0-3ffb9-simple.tar from {_TOPOLOGY_ARCHIVE} (the page is {_PAGE}), and {_THEN}",
    _CHECKSUM,
    unpacked=True,
)
_DOWNLOADS = {
    "topology": Download(
        "NATS-Bench (topology)",
        (
            "NATS-tss-v1_0-3ffb9-simple",
            "NATS-tss-v1_0-3ffb9.pickle.pbz2",
            "natsbench-topology.npz",
            "nasbench201.npz",
        ),
        f"NATS-tss-v1_0-3ffb9-simple.tar from {_TOPOLOGY_ARCHIVE} (the page is {_PAGE}), and {_THEN}",
        _CHECKSUM,
        unpacked=True,
    ),
    "size": Download(
        "NATS-Bench (size)",
        ("NATS-sss-v1_0-50262-simple", "NATS-sss-v1_0-50262.pickle.pbz2", "natsbench-size.npz"),
        f"NATS-sss-v1_0-50262-simple.tar from {_SIZE_ARCHIVE} (the page is {_PAGE}), and {_THEN}",
        _CHECKSUM,
        unpacked=True,
    ),
}
_REFERENCE_201 = (
    "Dong and Yang, NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search, ICLR 2020"
)
_REFERENCE_NATS = (
    "Dong et al., NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size, TPAMI 2021"
)

_IMAGES = {"cifar10-valid": (10, 32), "cifar10": (10, 32), "cifar100": (100, 32), "ImageNet16-120": (120, 16)}
"""The number of classes, and the height and width of the images in pixels."""


def nasbench201(
    *,
    dataset: str = "cifar10-valid",
    epochs: int = 200,
    seed: int | None = None,
    curves: bool = False,
    path: str | os.PathLike[str] | None = None,
) -> Benchmark:
    """Return NAS-Bench-201: 15,625 cells on CIFAR-10, CIFAR-100 and ImageNet16-120.

    The architectures have the labels and values of `retia.hub.NasBench201`, which builds their models.

    Args:
        dataset: "cifar10-valid" (trained on half of CIFAR-10's training images, validated on the other half),
            "cifar10" (trained on all of them, without a validation accuracy), "cifar100" or "ImageNet16-120".
        epochs: Number of training epochs of a trial without a fidelity: 200, or 12 with its own schedule.
        seed: Seed of the training: 777, 888, 999 or 111; None for the mean over the available seeds.
        curves: Whether the fidelities are all epochs of the schedule of `epochs`, instead of the ends of all
            schedules.
        path: Path of a compact npz file, or of the authors' folder or file of NATS-Bench's topology space.
            Default: searched for in the folder RETIA_BENCHMARKS.

    Raises:
        EvaluationError: If the table is missing, or does not have `dataset`, `epochs` or `seed`.

    Reference:
        Dong and Yang, NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search, ICLR
        2020. Deviation: parameters and multiply-adds of the small npz file, which rounds them, are computed.
    """
    file = locate(_CELLS, path)
    with reading(file):
        return _opened("nasbench201", TOPOLOGIES, file, dataset, epochs, seed, curves, _REFERENCE_201)


def natsbench(
    space: Literal["topology", "size"] = "topology",
    *,
    dataset: str = "cifar10-valid",
    epochs: int | None = None,
    seed: int | None = None,
    curves: bool = False,
    path: str | os.PathLike[str] | None = None,
) -> Benchmark:
    """Return NATS-Bench.

    Args:
        space: "topology" for the cells of NAS-Bench-201, "size" for 32,768 widths of five layers.
        dataset: "cifar10-valid", "cifar10", "cifar100" or "ImageNet16-120", as in `nasbench201`.
        epochs: Number of training epochs of a trial without a fidelity: 200 or 12 for topologies, 90, 12 or
            1 for sizes. Default: the longest.
        seed: Seed of the training; None for the mean over the available seeds.
        curves: Whether the fidelities are all epochs of the schedule of `epochs`, instead of the ends of all
            schedules.
        path: Path of a compact npz file, or of the authors' folder or file, which is read on demand.
            Default: searched for in the folder RETIA_BENCHMARKS.

    Raises:
        EvaluationError: If `space` is not "topology" or "size", the table is missing, or it does not have
            `dataset`, `epochs` or `seed`.

    Reference:
        Dong et al., NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size, TPAMI 2021.
        Deviation: none.
    """
    if space not in _DOWNLOADS:
        msg = f"NATS-Bench has the spaces {list(_DOWNLOADS)}, got {space!r}. Name one of these."
        raise EvaluationError(msg)
    chosen, longest = (TOPOLOGIES, 200) if space == "topology" else (SIZES, 90)
    file = locate(_DOWNLOADS[space], path)
    with reading(file):
        return _opened(
            f"natsbench-{space}", chosen, file, dataset, epochs or longest, seed, curves, _REFERENCE_NATS
        )


def _opened(
    name: str,
    space: NatsSpace,
    path: Path,
    dataset: str,
    epochs: int,
    seed: int | None,
    curves: bool,
    reference: str,
) -> Benchmark:
    schedule = epochs if curves else None
    settings = {"dataset": dataset, "seed": seed}
    if path.is_dir() or path.name.endswith(".pickle.pbz2"):
        archive = Archive(path)
        choices = space.read(archive.strings)
        records: Records = _archived(archive, dataset, schedule, seed)
    else:
        form = compact_format(path)
        if form is not None and SPACES.get(form) is not space:
            msg = (
                f"{path} is a table of '{form}', but '{name}' needs a table of '{space.name}'. "
                "Give the path of such a table."
            )
            raise EvaluationError(msg)
        if form is None and space is SIZES:
            msg = (
                f"{path} is not a table of '{name}'. Make one from the authors' archive with "
                "retia.benchmark.compact(folder, file)."
            )
            raise EvaluationError(msg)
        choices, records = (
            _small(path, dataset, seed, curves)
            if form is None
            else compact_columns(path, dataset, schedule, seed)
        )
    return Benchmark(
        name, space.space, space.index(choices), records, epochs, settings, reference, continues=curves
    )


def _archived(archive: Archive, dataset: str, schedule: int | None, seed: int | None) -> ArchiveRecords:
    """Return the records of an archive, whose first architecture shows its data sets and schedules."""
    rows = archive.rows()
    if not rows:
        msg = (
            f"{archive.path} does not contain results. Unpack the complete archive there: "
            "000000.pickle.pbz2 etc., in the folder of meta.pickle.pbz2."
        )
        raise EvaluationError(msg)
    first = archive.results(rows[0])
    if dataset not in (there := datasets_of(first)):
        raise EvaluationError(no_dataset(dataset, there))
    schedules = tuple(sorted(map(int, first)))
    if schedule is not None and schedule not in schedules:
        raise EvaluationError(no_epochs(schedule, schedules))
    return ArchiveRecords(archive, dataset, schedules, schedule, seed)


def _small(
    path: Path, dataset: str, seed: int | None, curves: bool
) -> tuple[NDArray[np.int8], ColumnRecords]:
    """Read the small npz file of means over seeds: CIFAR-10 at 200 epochs, all data sets at 12."""
    remedy = "Make a table from the authors' archive with retia.benchmark.compact(folder, file)."
    with open_npz(path, f"Download it again. {remedy}") as table:
        needed = [
            "ops",
            "op_names",
            *(
                f"c10valid_200ep_{one}"
                for one in ("valid_accuracy", "test_accuracy", "train_per_time", "valid_per_time")
            ),
        ]
        if missing := [name for name in needed if name not in table]:
            msg = f"{path} must contain NAS-Bench-201, but has no '{missing[0]}'. {remedy}"
            raise EvaluationError(msg)
        if seed is not None or curves:
            msg = (
                f"{path} contains only means over seeds at the ends of the schedules, got seed={seed}, "
                f"curves={curves}. {remedy}"
            )
            raise EvaluationError(msg)
        if table["op_names"].tolist() != list(OPERATIONS):
            msg = (
                f"The operations of {path} must be {list(OPERATIONS)}, got {table['op_names'].tolist()}. "
                f"{remedy}"
            )
            raise EvaluationError(msg)
        trained = _small_columns(table, dataset)
        if not trained:
            raise EvaluationError(no_dataset(dataset, list(_IMAGES)))
        return table["ops"], ColumnRecords(trained, cell_costs(table["ops"], *_IMAGES[dataset]))


def _small_columns(table: Any, dataset: str) -> dict[int, dict[str, NDArray[Any]]]:
    if dataset == "cifar10-valid":
        training = table["c10valid_200ep_train_per_time"].astype(float)
        validation = table["c10valid_200ep_valid_per_time"].astype(float)
        # The test accuracy after 12 epochs is that of networks trained on all images, "cifar10".
        return {
            12: {"valid_accuracy": table["ep12_cifar10_val"], "train_seconds": 12 * training + validation},
            200: {
                "valid_accuracy": table["c10valid_200ep_valid_accuracy"],
                "test_accuracy": table["c10valid_200ep_test_accuracy"],
                "train_seconds": 200 * training + validation,
            },
        }
    if dataset == "cifar10":
        return {12: {"test_accuracy": table["ep12_cifar10_test"]}}
    short = {"cifar100": "cifar100", "ImageNet16-120": "imagenet"}.get(dataset)
    if short is None:
        return {}
    return {12: {"valid_accuracy": table[f"ep12_{short}_val"], "test_accuracy": table[f"ep12_{short}_test"]}}
