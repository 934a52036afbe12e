"""How long a user waits before anything happens: imports, and listing a large study, as whole processes.

Peers: `import optuna`, and `python -c pass`, which no program gets below.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import retia

ROUNDS = 7
TRIALS = 10_000


@retia.architecture_evaluator
def nothing(architecture):
    return {"score": float(len(architecture))}


def measured(command):
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    with tempfile.TemporaryDirectory() as folder:
        storage = str(Path(folder) / "large.db")
        space = retia.SearchSpace({f"op{i}": retia.Categorical(tuple("abcde")) for i in range(6)})
        retia.Study(space, nothing, maximize="score", storage=storage).run(retia.Random(), trials=TRIALS)
        cli = str(Path(sys.executable).with_name("retia"))
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "import retia": [sys.executable, "-c", "import retia"],
            "import retia, and a torch name of it": [sys.executable, "-c", "import retia; retia.ModelSpace"],
            "import torch": [sys.executable, "-c", "import torch"],
            "import optuna": [sys.executable, "-c", "import optuna"],
            "retia --help": [cli, "--help"],
            f"retia trials, of {TRIALS:,}": [cli, "trials", "--storage", storage],
            f"retia trials --json, of {TRIALS:,}": [cli, "trials", "--storage", storage, "--json"],
        }
        times = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                times[name].append(measured(command))
    print(f"medians of {ROUNDS} rounds, whole processes\n")
    print("| process | wall, s | process time, s |\n|---|--:|--:|")
    for name, rows in times.items():
        wall, cpu = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"| {name} | {wall:.3f} | {cpu:.3f} |")


if __name__ == "__main__":
    main()
