"""The problems of `propose.py`: the real table of NAS-Bench-201, and spaces of other kinds with scores that
are made up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

import retia
from retia.benchmark import Benchmark
from retia.rng import stream
from retia.space import Architecture, Clause, Condition, Domain, SearchSpace
from retia.trial import Capabilities, Run

FIDELITIES = (12, 200)
STEPS = 5
"""How often a trial reports, where it does."""
PROBLEMS = ("NAS-Bench-201", "NAS-Bench-201, two objectives", "flat", "conditional", "DARTS")


@cache
def unit(*parts: object) -> float:
    """Return a number from 0 to 1 that follows from some values."""
    return float(stream(0, *map(str, parts)).random())


def by_score(architecture: Architecture) -> float:
    """Return a score that costs next to nothing, so that it is the wrapper that is measured."""
    return sum(unit(label, value) for label, value in architecture.items())


def flat() -> SearchSpace:
    domains: dict[str, Domain] = {}
    for i in range(3):
        domains[f"operation{i}"] = retia.Categorical(("conv", "pool", "skip", "attention"))
        domains[f"width{i}"] = retia.Integer(16, 256, step=16)
        domains[f"rate{i}"] = retia.Real(1e-4, 1e-1, log=True)
        domains[f"inputs{i}"] = retia.Subset((0, 1, 2, 3), least=1, most=2)
    return SearchSpace(domains)


def conditional(blocks: int = 10) -> SearchSpace:
    parameters = [retia.space.Parameter("depth", retia.Integer(1, blocks))]
    for i in range(blocks):
        present = Clause("depth", frozenset(range(i + 1, blocks + 1)))
        convolved = Clause(f"{i}/operation", frozenset({"conv"}))
        parameters.append(
            retia.space.Parameter(
                f"{i}/operation", retia.Categorical(("conv", "pool", "skip")), Condition(((present,),))
            )
        )
        parameters.append(
            retia.space.Parameter(
                f"{i}/kernel", retia.Categorical((3, 5, 7)), Condition(((present, convolved),))
            )
        )
    return SearchSpace(parameters)


@dataclass(frozen=True)
class Judge:
    """An evaluator that knows the metrics, and reports the first of them on the way if asked to.

    Attributes:
        metrics: Of an architecture, after as many epochs; None for all.
        reporting: Whether to report.
    """

    metrics: Callable[[Architecture, float | None], Mapping[str, float]]
    reporting: bool

    def capabilities(self) -> Capabilities:
        return Capabilities(full_fidelity=FIDELITIES[-1])

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        metrics = self.metrics(architecture, run.fidelity)
        metric, value = next(iter(metrics.items()))
        for step in range(1, STEPS + 1) if self.reporting else ():
            run.report({metric: value * step / STEPS}, step)
        return metrics


def made_up(space: SearchSpace) -> Callable[[Architecture, float | None], Mapping[str, float]]:
    weights = stream(0, "weights").normal(size=len(space.encode(space.default())))

    def score(architecture: Architecture, fidelity: float | None) -> Mapping[str, float]:
        noise = 0.0 if fidelity is None else 0.3 * unit("noise", architecture.key)
        return {"score": noise + float(np.nan_to_num(space.encode(architecture)) @ weights)}

    return score


def study_of(table: Benchmark, problem: str, seed: int, *, reporting: bool) -> retia.Study:
    if problem.startswith("NAS-Bench-201"):
        latency = "raspi4_latency_ms" if problem.endswith("two objectives") else None
        return retia.Study(
            table.space, Judge(table.query, reporting), maximize=table.objective, minimize=latency, seed=seed
        )
    space = {"flat": flat, "conditional": conditional, "DARTS": lambda: retia.hub.get("darts")}[problem]()
    return retia.Study(space, Judge(made_up(space), reporting), maximize="score", seed=seed)
