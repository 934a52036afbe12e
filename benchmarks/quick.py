"""The ratios of RESULTS.md measured again in about two minutes on two idle cores, each beside what RESULTS.md
says.

    make bench-quick

Few repetitions: a ratio that is off by more than a tenth is worth a run of the whole script, not a
conclusion.
"""

import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import building
import oneshot
import overhead
import supernets
import torch
import workers

RESULTS = Path(__file__).with_name("RESULTS.md")


def recorded(section: str, column: str, *cells: str) -> str:
    """Return what RESULTS.md has in a column of the first row of a section that begins with the given cells,
    whatever their case.

    Raises:
        LookupError: If there is no such row or column.
    """
    heading: list[str] = []
    text = re.search(
        rf"^##+ {re.escape(section)}.*?(?=^#|\Z)",
        RESULTS.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    for line in text[0].splitlines() if text else ():
        row = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if not row:
            heading = []
        elif not heading:
            heading = row
        elif column in heading and [cell.casefold() for cell in row[: len(cells)]] == [
            cell.casefold() for cell in cells
        ]:
            return row[heading.index(column)]
    msg = (
        f"RESULTS.md has no row {cells} with a column '{column}' in its section '{section}'. "
        "Name it here as it is named there."
    )
    raise LookupError(msg)


def searches() -> Iterator[tuple[str, float, str]]:
    overhead.silence_optuna()
    names = [*overhead.OURS, "Optuna RandomSampler"]
    done: dict[tuple[str, str, int], overhead.Measured] = {}
    for storage, trials, repeats in (("in memory", 2_000, 3), ("SQLite", 2_000, 1)):
        overhead.measure_all(storage, trials, dict.fromkeys(names, repeats), done)
        for name in overhead.OURS:
            known = recorded(
                "Overhead of the search", "wall, against Optuna RandomSampler", storage, f"{trials:,}", name
            )
            yield (
                f"{name} against Optuna's RandomSampler, {storage}",
                overhead.against_optuna(done, name, storage, trials),
                known,
            )


def processes() -> Iterator[tuple[str, float, str]]:
    walls_s = workers.compare(1, 100, 0.05)
    for name in [name for name in walls_s if name != "InProcess"]:
        yield (
            f"{name} against one process",
            walls_s["InProcess"] / walls_s[name],
            recorded("Workers", "gain", name),
        )


def models() -> Iterator[tuple[str, float, str]]:
    for row in building.rows(3, 20):
        yield (
            f"building {row.space} on {row.device} against its constructor",
            row.ratio,
            recorded("Building", "ratio", row.space, row.device),
        )


def supernet_steps() -> Iterator[tuple[str, float, str]]:
    for name, which, found in supernets.step_times_ms(1):
        yield (
            f"a step of the {which} {name} in a supernet against it alone",
            found["supernet"] / found["alone"],
            recorded("Supernets", "ratio", name, which),
        )


def one_shot_steps() -> Iterator[tuple[str, float, str]]:
    for method, times, quicker in oneshot.step_times_s(1):
        ratio = statistics.median(times["retia"]) / statistics.median(times[quicker])
        yield (
            f"a step of {method} against plain PyTorch",
            ratio,
            recorded("A step of the one-shot methods", "ratio", method),
        )


def main() -> None:
    torch.set_num_threads(1)
    print(f"{'ratio':<78} {'now':>7} {'RESULTS.md':>11}")
    for measure in (searches, processes, models, supernet_steps, one_shot_steps):
        for what, ratio, known in measure():
            print(f"{what:<78} {ratio:>7.2f} {known:>11}", flush=True)


if __name__ == "__main__":
    main()
